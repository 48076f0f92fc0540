"""The files of the finished campaign of liquid argon against the same numbers computed otherwise, in plain NumPy.

The campaign computes in double precision; its two states differ in temperature and volume, its observables in weight,
trajectories begin at four of the six starting points of each chunk, and the adjoint follows three of these, less far
than they go.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import validation_by_hand
from argon_by_hand import (
    ACCURACY,
    Liquid,
    autocorrelation,
    boltzmann_weights,
    effective_share,
    gradient,
    green_kubo,
    in_order_of_time,
)
from campaigns import ROOT

from dynrefine.config import load_config
from dynrefine.config.steps import WriteReport
from dynrefine.files.arrays import read_arrays
from dynrefine.files.ensembles import Ensemble, load_ensemble
from dynrefine.files.gradients import load_gradient
from dynrefine.files.history import EFFECTIVE_SAMPLE_SIZE, load_history
from dynrefine.files.models import load_model
from dynrefine.files.objectives import load_objective
from dynrefine.files.trajectories import Trajectories, load_trajectories
from dynrefine.report.formatting import value_with_error
from dynrefine.report.page import render_page
from dynrefine.report.results import read_results
from dynrefine.units import BAR, BOLTZMANN, GRAM_PER_CUBIC_CENTIMETRE, KINETIC

pytestmark = pytest.mark.slow

CONFIG = load_config(ROOT / "tests/config/argon.yaml")
SETTINGS = CONFIG.model_dump()
STATES = {"94K": SETTINGS["states"][0], "140K": SETTINGS["states"][1]}
JUDGED_STATES = {"94K": SETTINGS["states"][0], "120K": SETTINGS["validation"]["states"][1]}
CHUNKS = ("00", "01")
ITERATIONS = ("000", "001")
DISPLACED = ("displaced_above_sigma", "displaced_below_sigma")
SAMPLED = [
    *((part, label) for part in ITERATIONS + DISPLACED for label in STATES),
    *(("refined", label) for label in JUDGED_STATES),
]
OBSERVABLES = SETTINGS["objective"]["observables"]
DIFFUSION, PRESSURE = OBSERVABLES["diffusion"], OBSERVABLES["pressure"]
INTERVAL, TIMESTEP = SETTINGS["trajectory"]["sampling_interval"], SETTINGS["trajectory"]["timestep"]
STRIDE = 2  # steps from frame to frame
FRAMES, FOLLOWED_FRAMES = 5, 3  # of a trajectory each way in time, and of the part that the adjoint follows
LAGS = 5
FOLLOWED = 3  # starting points of a chunk
SCALES = np.array([SETTINGS["optimiser"]["parameter_scales"][name] for name in ("epsilon", "sigma")])


@dataclass(frozen=True)
class State:
    """What the chunks of one state hold in one iteration or stage, and the same computed otherwise.

    Attributes:
        settings: temperature, density and atoms.
        parameters: ε in eV and σ in Å of the potential that it is simulated with.
        ensembles: its chunks.
        trajectories: likewise.
    """

    settings: dict
    parameters: np.ndarray
    ensembles: list[Ensemble]
    trajectories: list[Trajectories]

    @property
    def kelvin(self) -> float:
        return self.settings["temperature"]

    @property
    def liquid(self) -> Liquid:
        mass = SETTINGS["elements"][0]["mass"]
        volume = self.settings["atoms"] * mass / (self.settings["density"] * GRAM_PER_CUBIC_CENTIMETRE)
        return Liquid(volume ** (1.0 / 3.0), mass, SETTINGS["potential"]["cutoff"])

    @property
    def starts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Positions and velocities of all starting points."""
        return [
            start for each in self.ensembles for start in zip(each.positions, each.velocities, strict=True)
        ]

    @property
    def energies(self) -> np.ndarray:
        """Of the starting points at each potential, as the files have them [K, S]."""
        return np.concatenate([each.energies_by_potential for each in self.ensembles], axis=1)

    @property
    def weights(self) -> np.ndarray:
        sampled_by = np.concatenate([each.sampled_by for each in self.ensembles])
        return boltzmann_weights(self.energies, sampled_by, self.kelvin)

    def diffusion(self, parameters: np.ndarray, start: tuple[np.ndarray, np.ndarray], frames: int) -> float:
        """What one starting point contributes to the coefficient, 1e-9 m²/s."""
        velocities = self.liquid.velocities(parameters, *start, frames, STRIDE, TIMESTEP)
        return green_kubo(autocorrelation(in_order_of_time(velocities), LAGS), INTERVAL)

    def points(self, name: str) -> np.ndarray:
        """Numbers of the starting points over which an observable is averaged."""
        numbers = np.arange(len(self.starts)).reshape(len(self.ensembles), -1)
        return numbers[:, : len(self.trajectories[0].temperatures) if name == "diffusion" else None].ravel()

    def shares(self, name: str) -> np.ndarray:
        """What these count in the average."""
        weights = self.weights[self.points(name)]
        return weights / weights.sum()

    def averages(self) -> dict[str, float]:
        return {name: self.shares(name) @ each for name, each in self.contributions().items()}

    def contributions(self) -> dict[str, np.ndarray]:
        """What each of these starting points contributes to the averages."""
        begun = [self.starts[number] for number in self.points("diffusion")]
        return {
            "diffusion": np.array([self.diffusion(self.parameters, start, FRAMES) for start in begun]),
            "pressure": np.array([self.liquid.virial_pressure(self.parameters, x) for x, _ in self.starts]),
        }

    def losses_and_slopes(self, averages: dict[str, float]) -> dict[str, tuple[float, float]]:
        """Loss of each observable, and the derivative of its weighted loss by the average."""
        ideal = self.settings["atoms"] * BOLTZMANN * self.kelvin / (self.liquid.edge**3 * BAR)
        relative = averages["diffusion"] / DIFFUSION["target"] - 1.0
        in_scales = (averages["pressure"] + ideal - PRESSURE["target"]) / PRESSURE["scale"]
        return {
            "diffusion": (relative**2, 2.0 * DIFFUSION["weight"] * relative / DIFFUSION["target"]),
            "pressure": (in_scales**2, 2.0 * PRESSURE["weight"] * in_scales / PRESSURE["scale"]),
        }

    def coefficients(self, names: Iterable[str] = OBSERVABLES) -> np.ndarray:
        """-β w (l - <l>) of each starting point [S], 1/eV, where these observables are fitted."""
        slopes, result = self.losses_and_slopes(self.averages()), np.zeros(len(self.starts))
        for name, contributions in self.contributions().items():
            if name in names:
                shares = self.shares(name)
                centred = contributions - shares @ contributions
                result[self.points(name)] -= slopes[name][1] * shares * centred / (BOLTZMANN * self.kelvin)
        return result

    def rows(self, frames: int = FOLLOWED_FRAMES) -> np.ndarray:
        """The gradient from fixed starting points, those followed for so many frames [chunks, FOLLOWED, 2]."""
        weights = self.weights
        slopes = {name: slope for name, (_, slope) in self.losses_and_slopes(self.averages()).items()}
        each = len(weights) // len(CHUNKS)
        followed = [number for number in range(len(weights)) if number % each < FOLLOWED]

        def linear_loss(parameters: np.ndarray, start: tuple[np.ndarray, np.ndarray]) -> float:
            diffusion = self.diffusion(parameters, start, frames)
            pressure = self.liquid.virial_pressure(parameters, start[0])
            return slopes["diffusion"] * diffusion + slopes["pressure"] * pressure

        rows = [
            weights[number]
            / weights[followed].sum()
            * gradient(lambda p, start=self.starts[number]: linear_loss(p, start), self.parameters)
            for number in followed
        ]
        return np.reshape(rows, (len(CHUNKS), FOLLOWED, 2))


def parameters_in(path):
    trainable = load_model(path, CONFIG.potential, CONFIG.elements).parameters["trainable"]
    return np.array([float(trainable["epsilon"]), float(trainable["sigma"])])


def potential_of(results, part):
    """Where the potential of an iteration or a stage lies."""
    return {
        "000": results / "initial_potential.npz",
        "001": results / "refinement/000/updated_potential.npz",
        "refined": results / "refinement/001/updated_potential.npz",
    }.get(part, results / f"check_gradient/{part}/potential.npz")


def read_state(results, part, label):
    kind, chunks = ("refinement", CHUNKS) if part in ITERATIONS else ("validation", CHUNKS[:1])
    folder = results / kind / part / label
    return State(
        (STATES | JUDGED_STATES)[label],
        parameters_in(potential_of(results, part)),
        [load_ensemble(folder / f"ensemble_{chunk}.npz") for chunk in chunks],
        [load_trajectories(folder / f"trajectories_{chunk}.npz") for chunk in chunks],
    )


@pytest.fixture(scope="module")
def results(finished_argon):
    return finished_argon.results


@pytest.fixture(scope="module", params=[(part, label) for part in ITERATIONS for label in STATES])
def of_iteration(request, results):
    """A state in an iteration."""
    return results / "refinement" / request.param[0], request.param[1], read_state(results, *request.param)


@pytest.fixture(scope="module", params=SAMPLED)
def anywhere(request, results):
    """A state in an iteration or a stage."""
    return read_state(results, *request.param)


def test_the_first_potential_is_the_configured_one(results):
    configured = SETTINGS["potential"]["epsilon"] / 96.48533212, SETTINGS["potential"]["sigma"]
    np.testing.assert_allclose(parameters_in(results / "initial_potential.npz"), configured, rtol=1e-9)


@pytest.mark.parametrize(("side", "sign"), [("above", 1.0), ("below", -1.0)])
def test_a_displaced_potential_differs_in_its_parameter_alone(results, side, sign):
    first, own = (parameters_in(potential_of(results, part)) for part in ("000", f"displaced_{side}_sigma"))
    displacement = SETTINGS["gradient"]["check"]["total_derivative"]["sigma"]
    np.testing.assert_allclose(own - first, [0.0, sign * displacement], atol=1e-12)


def test_starting_points_have_the_energies_of_the_potential_they_are_for(anywhere):
    energies = [anywhere.liquid.energy(anywhere.parameters, x) for x, _ in anywhere.starts]
    np.testing.assert_allclose(anywhere.energies[-1], energies, rtol=1e-10)


def test_starting_points_know_their_energies_at_the_former_potential(results):
    for label in STATES:
        former, own = (read_state(results, part, label) for part in ITERATIONS)
        energies = [own.liquid.energy(former.parameters, x) for x, _ in own.starts]
        np.testing.assert_allclose(own.energies, [energies, own.energies[-1]], rtol=1e-10)


def assert_thermal(velocities, mass, kelvin):
    """A mean of squares of f normal numbers scatters by √(2/f)."""
    freedom = len(velocities) * (3 * velocities.shape[1] - 3)
    doubled_energy = KINETIC * mass * np.sum(velocities**2) / freedom
    assert abs(doubled_energy / (BOLTZMANN * kelvin) - 1.0) < 4.5 * np.sqrt(2.0 / freedom)


def test_velocities_are_thermal_those_of_the_chains_for_other_masses(anywhere):
    """The temperatures of the states differ by half, the masses by a factor of two."""
    for ensemble in anywhere.ensembles:
        assert_thermal(ensemble.velocities, SETTINGS["elements"][0]["mass"], anywhere.kelvin)
    chains = np.concatenate([ensemble.chain_velocities for ensemble in anywhere.ensembles])
    assert_thermal(chains, SETTINGS["ensemble"]["masses"]["Ar"], anywhere.kelvin)


def test_no_two_chunks_share_random_numbers(results):
    """Velocities of different seeds are unrelated: a correlation of n numbers scatters by 1/√n."""
    chunks = [chunk for part, label in SAMPLED for chunk in read_state(results, part, label).ensembles]
    for one, other in combinations([chunk.velocities for chunk in chunks], 2):
        correlation = np.corrcoef(one[:2].ravel(), other[:2].ravel())[0, 1]
        assert abs(correlation) < 6.0 / np.sqrt(one[:2].size)


@pytest.mark.parametrize("label", STATES)
def test_chunks_serve_again_or_go_on_as_their_weights_say(results, label):
    """Those left out count whole in the sample size to come, the others as their weights let them."""
    before, after = (read_state(results, part, label) for part in ITERATIONS)
    energies = [
        np.array(
            [[before.liquid.energy(own.parameters, x) for x in chunk.positions] for own in (before, after)]
        )
        for chunk in before.ensembles
    ]
    for left_out in range(len(CHUNKS) + 1):
        kept = energies[left_out:]
        share = 0.0
        if kept:
            joined = np.concatenate(kept, axis=1)
            weights = boltzmann_weights(joined, np.zeros(joined.shape[1], int), before.kelvin)
            share = effective_share(weights)
        if (left_out + share * len(kept)) / len(CHUNKS) >= SETTINGS["ensemble"]["reuse"]:
            break
    for number, (former, own) in enumerate(zip(before.ensembles, after.ensembles, strict=True)):
        if number >= left_out:
            np.testing.assert_array_equal(own.positions, former.positions)
            assert (own.sampled_by == 0).all()
            continue
        assert (own.sampled_by == 1).all()
        moved = [
            np.linalg.norm(own.positions[0] - each.chain_positions[0], axis=-1).mean()
            for each in before.ensembles
        ]
        # In 0.12 ps atoms move by a few tenths of an ångström; those of other chains are anywhere in the cell.
        assert 0.01 < moved[number] < 1.0 < min(moved[:number] + moved[number + 1 :])


def test_one_state_serves_again_and_one_chunk_of_the_other_goes_on(results):
    """What the tests of weights and of chunks that go on need."""
    sampled_by = [
        [int(chunk.sampled_by[0]) for chunk in read_state(results, "001", label).ensembles]
        for label in STATES
    ]
    assert sorted(sampled_by) == [[0, 0], [1, 0]]


def test_trajectories_are_those_of_velocity_verlet(anywhere):
    frames = anywhere.trajectories[0].series["velocities"].shape[2]
    series = np.concatenate([chunk.series["velocities"] for chunk in anywhere.trajectories])
    statics = np.concatenate([chunk.at_start["virial_pressure"] for chunk in anywhere.trajectories])
    for number, velocities in zip(anywhere.points("diffusion"), series, strict=True):
        start = anywhere.starts[number]
        expected = anywhere.liquid.velocities(anywhere.parameters, *start, frames, STRIDE, TIMESTEP)
        np.testing.assert_allclose(velocities, expected, atol=1e-9 * np.abs(expected).max())
    for (x, _), virial in zip(anywhere.starts, statics, strict=True):
        assert virial == pytest.approx(anywhere.liquid.virial_pressure(anywhere.parameters, x), rel=1e-9)


def chains_of(count):
    """Number of each starting point's chain, the same number of them in each chunk."""
    chunks, places = np.divmod(np.arange(count), count // len(CHUNKS))
    return 10 * chunks + places % SETTINGS["ensemble"]["replicas"]


def jackknife(contributions, weights, function):
    """Standard error of a function of a weighted mean [S], the starting points of each chain left out in turn."""
    chains, left_out = chains_of(len(weights)), []
    for number in set(chains):
        others = chains != number
        left_out.append(function(np.average(contributions[others], weights=weights[others])))
    return np.sqrt(np.sum((left_out - np.mean(left_out)) ** 2) * (len(left_out) - 1) / len(left_out))


def test_the_objective_is_that_of_the_trajectories(of_iteration):
    folder, label, own = of_iteration
    written = load_objective(folder / "objective.npz").states[label]
    table = pd.read_csv(folder / "objective.csv").set_index(["term", "state"])
    assert table.index.tolist() == [(name, state) for state in STATES for name in OBSERVABLES]
    np.testing.assert_allclose(written.weights, own.weights, rtol=1e-5)
    contributions = own.contributions()
    averages = own.averages()
    for name, (loss, slope) in own.losses_and_slopes(averages).items():

        def loss_of(average, name=name):
            return own.losses_and_slopes({**averages, name: average})[name][0]

        row = table.loc[name, label]
        assert row.loss == pytest.approx(loss, rel=1e-5)
        assert row.standard_error == pytest.approx(
            jackknife(contributions[name], own.shares(name), loss_of), rel=1e-5
        )
        assert row.weight == OBSERVABLES[name]["weight"]
        per_weight = (contributions[name] - contributions[name].mean()) * slope / OBSERVABLES[name]["weight"]
        of_file = written.evaluations[name].contributions
        np.testing.assert_allclose(of_file - of_file.mean(), per_weight, atol=1e-5 * np.abs(per_weight).max())
    coefficients = own.coefficients()
    np.testing.assert_allclose(written.coefficients, coefficients, atol=1e-5 * np.abs(coefficients).max())


def test_each_chunk_has_its_rows_of_the_gradient(of_iteration):
    """By central differences of the loss that is linear about the averages, trajectory by trajectory."""
    folder, label, own = of_iteration
    rows = own.rows()
    coefficients = own.coefficients().reshape(len(CHUNKS), -1)
    for number, chunk in enumerate(CHUNKS):
        written, _ = load_gradient(folder / label / f"gradient_{chunk}.npz")
        scale = ACCURACY * np.abs(rows).max(axis=(0, 1))
        np.testing.assert_allclose(written.trajectory / scale, rows[number] / scale, atol=1.0)
        energy_gradients = np.array(
            [
                gradient(lambda p, x=x: own.liquid.energy(p, x), own.parameters)
                for x in own.ensembles[number].positions
            ]
        )
        slopes = written.ensemble / written.coefficients
        np.testing.assert_allclose(slopes, energy_gradients, rtol=ACCURACY)
        mean = written.ensemble_weights[None] @ energy_gradients
        np.testing.assert_allclose(written.mean_energy_gradient, mean, rtol=ACCURACY)
        np.testing.assert_allclose(
            written.coefficients[:, 0], coefficients[number], atol=1e-5 * np.abs(coefficients).max()
        )


def sum_with_variance(rows, weights):
    """The sum of rows [S, 2] with these weights in it, and the variance of its components, from that of chains."""
    chains, total = chains_of(len(rows)), rows.sum(axis=0)
    own = [chains == number for number in set(chains)]
    deviations = [rows[chain].sum(axis=0) - weights[chain].sum() * total for chain in own]
    return total, len(own) / (len(own) - 1) * np.square(deviations).sum(axis=0)


def gathered(results, part, folder=None):
    """The gradient of an iteration in units of the scales, from the files of its chunks, and its variances."""
    value, variance = np.zeros(2), np.zeros(2)
    folder = folder or results / f"refinement/{part}"
    for label in STATES:
        weights = load_objective(results / f"refinement/{part}/objective.npz").states[label].weights
        chunks = [load_gradient(folder / f"{label}/gradient_{chunk}.npz")[0] for chunk in CHUNKS]
        rows = SCALES * np.concatenate([chunk.trajectory for chunk in chunks])
        lengths = np.linalg.norm(rows, axis=1)
        rows *= np.minimum(1.0, SETTINGS["optimiser"]["outlier_limit"] * np.median(lengths) / lengths)[
            :, None
        ]
        followed = weights.reshape(len(CHUNKS), -1)[:, :FOLLOWED].ravel()
        mean = sum(chunk.mean_energy_gradient for chunk in chunks)
        coefficients = np.concatenate([chunk.coefficients for chunk in chunks])
        ensemble = np.concatenate([chunk.ensemble for chunk in chunks]) - coefficients @ mean
        ensemble = SCALES * ensemble
        for part_of_state, shares in ((rows, followed / followed.sum()), (ensemble, weights)):
            total, spread = sum_with_variance(part_of_state, shares)
            value, variance = value + total, variance + spread
    return value, variance


def shrunk(value, variance):
    """So much of a gradient as stands out of its noise; nothing of it is to be clipped."""
    resolved = max(0.0, 1.0 - variance.sum() / (value**2).sum())
    assert 0.0 < resolved < 1.0
    assert resolved * np.linalg.norm(value) < SETTINGS["optimiser"]["clip_norm"]
    return resolved * value


def test_the_steps_are_those_of_adam(results):
    """Kingma & Ba, arXiv:1412.6980, algorithm 1; the state of the first step goes into the second."""
    chosen = SETTINGS["optimiser"]
    parameters, first, second = parameters_in(results / "initial_potential.npz"), np.zeros(2), np.zeros(2)
    for number, part in enumerate(ITERATIONS):
        given = shrunk(*gathered(results, part))
        first = chosen["momentum"] * first + (1.0 - chosen["momentum"]) * given
        second = 0.999 * second + 0.001 * given**2
        unbiased = first / (1.0 - chosen["momentum"] ** (number + 1)), second / (1.0 - 0.999 ** (number + 1))
        rate = chosen["learning_rate"] * chosen["learning_rate_decay"] ** number
        parameters = parameters - SCALES * rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        written = parameters_in(results / f"refinement/{part}/updated_potential.npz")
        np.testing.assert_allclose(written, parameters, rtol=1e-9)


def test_a_step_of_sgd_follows_the_gradient_as_far_as_the_norm_allows(finished_argon, results, tmp_path):
    descending = finished_argon.copy_to(tmp_path / "campaign")
    longest = 0.1
    sgd = descending.configure("sgd.yaml", optimiser={"name": "sgd", "clip_norm": longest})
    updated = "results/argon/refinement/000/updated_potential.npz"
    assert descending.run(updated, configuration=sgd) == {"update_potential": 1}
    given = shrunk(*gathered(results, "000"))
    assert np.linalg.norm(given) > longest
    direction = given / np.linalg.norm(given)
    step = SCALES * SETTINGS["optimiser"]["learning_rate"] * longest * direction
    expected = parameters_in(results / "initial_potential.npz") - step
    np.testing.assert_allclose(parameters_in(descending.folder / updated), expected, rtol=1e-9)


def test_the_history_tells_the_derivatives_with_their_errors(results):
    history = load_history(results / "refinement/001/history.csv")
    for number, part in zip(history.iterations, ITERATIONS, strict=True):
        told = history.table[history.table.iteration == number].set_index(["role", "quantity", "state"])
        found, error = told.value, told.standard_error
        value, variance = gathered(results, part)
        table = pd.read_csv(results / f"refinement/{part}/objective.csv")
        objective = "objective", "objective", ""
        assert found[objective] == pytest.approx((table.weight * table.loss).sum())
        assert error[objective] == pytest.approx(np.linalg.norm(table.weight * table.standard_error))
        assert found["gradient", "whole", ""] == pytest.approx(np.linalg.norm(value))
        names = ["epsilon", "sigma"]
        derivatives = found["derivative"].droplevel("state")[names]
        errors = error["derivative"].droplevel("state")[names]
        assert told.unit["derivative"].droplevel("state")[names].tolist() == ["1/eV", "1/Å"]
        np.testing.assert_allclose(derivatives, value / SCALES, rtol=1e-6)
        np.testing.assert_allclose(errors, np.sqrt(variance) / SCALES, rtol=1e-6)
        before = found["parameter"].droplevel("state")[names]
        np.testing.assert_allclose(before, parameters_in(potential_of(results, part)), rtol=1e-9)
        shares = [effective_share(read_state(results, part, label).weights) for label in STATES]
        assert found["control", EFFECTIVE_SAMPLE_SIZE, ""] == pytest.approx(min(shares), rel=1e-5)
        for label in STATES:
            chunks = read_state(results, part, label).trajectories
            temperatures = np.concatenate([chunk.temperatures for chunk in chunks])
            assert found["condition", "temperature", label] == pytest.approx(temperatures.mean())


def loss_of_displaced(results, side, name):
    """Weighted sum of an observable's losses on one side of σ, from its trajectories, and its error."""
    total, variance = 0.0, 0.0
    table = pd.read_csv(results / f"check_gradient/displaced_{side}_sigma/objective.csv")
    table = table.set_index(["term", "state"])
    for label in STATES:
        own = read_state(results, f"displaced_{side}_sigma", label)
        (ensemble,), (trajectories,) = own.ensembles, own.trajectories
        averages = {
            "diffusion": np.mean(
                [
                    green_kubo(autocorrelation(in_order_of_time(series), LAGS), INTERVAL)
                    for series in trajectories.series["velocities"]
                ]
            ),
            "pressure": np.mean([own.liquid.virial_pressure(own.parameters, x) for x in ensemble.positions]),
        }
        loss, _ = own.losses_and_slopes(averages)[name]
        assert table.loss[name, label] == pytest.approx(loss, rel=1e-8)
        total += OBSERVABLES[name]["weight"] * loss
        variance += (OBSERVABLES[name]["weight"] * table.standard_error[name, label]) ** 2
    return total, np.sqrt(variance)


@pytest.mark.parametrize("name", OBSERVABLES)
def test_the_gradient_of_each_observable_is_compared_with_ensembles_on_both_sides(results, name):
    table = pd.read_csv(results / "check_gradient/total_derivative.csv").set_index("observable")
    assert table.index.tolist() == [*OBSERVABLES]
    row = table.loc[name]
    (above, above_error), (below, below_error) = (
        loss_of_displaced(results, side, name) for side in ("above", "below")
    )
    width = 2.0 * SETTINGS["gradient"]["check"]["total_derivative"]["sigma"]
    value, variance = gathered(results, "000", results / f"check_gradient/{name}")
    assert row.parameter == "sigma"
    assert row.difference == pytest.approx((above - below) / width, rel=1e-6)
    assert row.difference_error == pytest.approx(np.hypot(above_error, below_error) / width, rel=1e-6)
    assert row.gradient == pytest.approx((value / SCALES)[1], rel=1e-6)
    assert row.gradient_error == pytest.approx((np.sqrt(variance) / SCALES)[1], rel=1e-6)
    apart = (row.gradient - row.difference) / np.hypot(row.gradient_error, row.difference_error)
    assert row.standard_errors == pytest.approx(apart)


@pytest.mark.parametrize("label", STATES)
def test_the_gradients_of_single_observables_add_up_to_that_of_the_iteration(results, label):
    """The pressure alone, which is not followed in time, against numbers computed otherwise."""

    def chunks_in(folder):
        return [load_gradient(results / folder / label / f"gradient_{chunk}.npz")[0] for chunk in CHUNKS]

    expected = read_state(results, "000", label).coefficients(["pressure"])
    alone = np.concatenate([chunk.coefficients[:, 0] for chunk in chunks_in("check_gradient/pressure")])
    np.testing.assert_allclose(alone, expected, atol=1e-5 * np.abs(expected).max())
    for whole, *parts in zip(
        chunks_in("refinement/000"),
        *(chunks_in(f"check_gradient/{name}") for name in OBSERVABLES),
        strict=True,
    ):
        for part in ("trajectory", "ensemble", "coefficients"):
            added = sum(getattr(each, part) for each in parts)
            scale = np.abs(getattr(whole, part)).max()
            np.testing.assert_allclose(added, getattr(whole, part), atol=1e-9 * scale)


def test_the_gradient_check_is_of_the_whole_gradient_of_the_first_state(results):
    """Of one observable without its weight: along trajectories of six steps, and by the weights of their starts."""
    check = pd.read_csv(results / "check_gradient/gradient_check.csv")
    own = read_state(results, "000", "94K")
    starts = own.starts[: SETTINGS["gradient"]["check"]["replicas"]]
    frames = SETTINGS["gradient"]["check"]["steps"] // STRIDE

    def loss(parameters, name):
        changes = np.array(
            [own.liquid.energy(parameters, x) - own.liquid.energy(own.parameters, x) for x, _ in starts]
        )
        weights = np.exp(-changes / (BOLTZMANN * own.kelvin))
        each = {
            "diffusion": [own.diffusion(parameters, start, frames) for start in starts],
            "pressure": [own.liquid.virial_pressure(parameters, x) for x, _ in starts],
        }
        averages = {observable: np.average(values, weights=weights) for observable, values in each.items()}
        return own.losses_and_slopes(averages)[name][0]

    for name in OBSERVABLES:
        expected = gradient(lambda p, name=name: loss(p, name), own.parameters)
        rows = check[(check.observable == name) & (check.precision == "float64")].set_index("comparison")
        whole, differences = (
            rows.loc["backpropagation"],
            rows.loc["central difference"].set_index("parameter"),
        )
        for column in ("adjoint", "reference"):
            assert whole[column] == pytest.approx(np.linalg.norm(expected), rel=ACCURACY)
            for number in range(2):
                assert differences[column][f"number {number}"] == pytest.approx(
                    expected[number], rel=ACCURACY
                )


def test_the_validation_judges_each_state_by_its_own_runs(results):
    folder, judged = results / "validation/refined", SETTINGS["validation"]["properties"]
    table = pd.read_csv(folder / "properties.csv").set_index(["property", "state"])
    curves = read_arrays(folder / "curves.npz", "curves").arrays
    assert not (folder / "140K").exists()
    for label, measured, viscosity in (("94K", 2.36, 0.23), ("120K", 4.0, 0.12)):
        own = read_state(results, "refined", label)
        everywhere = np.full(SETTINGS["states"][0]["atoms"], True)
        found = validation_by_hand.properties(
            own.ensembles, own.trajectories, everywhere, INTERVAL, judged["judged_diffusion"]["window"]
        )
        diffusion, error = found.pop("diffusion")
        # Yeh & Hummer, J. Phys. Chem. B 108, 15873 (2004), eq. 12
        thermal = 1.380649e-23 * own.kelvin
        missing = 2.837297 * thermal / (6.0 * np.pi * 1e-3 * viscosity * 1e-10 * own.liquid.edge)
        found["judged_diffusion: in the finite cell"] = diffusion, error
        found["judged_diffusion"] = diffusion + 1e9 * missing, error
        found["viscosity"] = validation_by_hand.viscosity(
            own.trajectories, INTERVAL, judged["viscosity"]["limit"], own.kelvin, own.liquid.edge**3
        )
        averages = {
            name: np.mean(values)
            for name, values in {
                "diffusion": [
                    green_kubo(autocorrelation(in_order_of_time(series), LAGS), INTERVAL)
                    for series in own.trajectories[0].series["velocities"]
                ],
                "pressure": [
                    own.liquid.virial_pressure(own.parameters, x)
                    for chunk in own.ensembles
                    for records in chunk.recorded_positions
                    for x in records
                ],
            }.items()
        }
        for name, (value, error) in found.items():
            row = table.loc[name, label]
            assert (row.value, row.standard_error) == pytest.approx((value, error), rel=1e-6), name
            assert not row.fitted
        assert table.measured["judged_diffusion", label] == measured
        if label not in STATES:  # the targets of the objective were measured at others
            assert np.isnan(table.measured.loc[[(name, label) for name in OBSERVABLES]]).all()
            assert not table.fitted.xs(label, level="state").any()
            continue
        for name, (loss, _) in own.losses_and_slopes(averages).items():
            assert table.value[f"{name} loss", label] == pytest.approx(loss, rel=1e-6)
            assert table.fitted[name, label]
            assert table.measured[name, label] == OBSERVABLES[name]["target"]
            assert table.measured_error[name, label] == OBSERVABLES[name]["target_error"]
        chains = validation_by_hand.radial_distribution(own.ensembles, (0, 0), judged["rdf"])
        np.testing.assert_allclose(curves[f"rdf/{label}/prediction"], chains.mean(axis=0), rtol=1e-9)
        spread = chains.std(axis=0, ddof=1) / np.sqrt(len(chains))
        np.testing.assert_allclose(curves[f"rdf/{label}/prediction_error"], spread, rtol=1e-9)
        assert table.value["rdf: first maximum", label] == pytest.approx(
            validation_by_hand.first_maximum(own.ensembles, (0, 0), judged["rdf"])
        )


def test_the_report_has_the_comparisons_of_the_gradient_but_no_training(results):
    """Of two stages that are the same."""
    files = {
        name: [results / f"validation/refined/{name}{suffix}"] * 2
        for name, suffix in (("properties", ".csv"), ("errors", ".csv"), ("curves", ".npz"))
    }
    files |= {name: results / f"check_gradient/{name}.csv" for name in ("gradient_check", "total_derivative")}
    files |= {
        "history": results / "refinement/001/history.csv",
        "objectives": [results / f"refinement/{part}/objective.npz" for part in ITERATIONS],
    }
    of_surfaces = (
        "surface_learning_curves",
        "surface_errors",
        "surface_parities",
        "frames",
        "own_frames",
        "summary",
    )
    not_asked_for = (
        "horizon",
        "covariance",
        "sensitivities",
        "left_open",
        "path_integrals",
        "teacher",
        "targets",
    )
    files |= dict.fromkeys((*of_surfaces, *not_asked_for), [])
    folders = {name: str(results / name) for name in ("benchmarks", "logs")}
    settings = WriteReport.model_construct(configuration=CONFIG, surfaces=[], **folders)
    page = render_page(read_results(files, settings))
    text = " ".join(
        re.sub(r"<[^>]+>", " ", re.sub(r"<(svg|style)\b.*?</\1>", " ", page, flags=re.DOTALL)).split()
    )
    for row in pd.read_csv(results / "check_gradient/total_derivative.csv").itertuples():
        assert value_with_error(row.gradient, row.gradient_error) in text
        assert value_with_error(row.difference, row.difference_error) in text
    assert "ab initio" not in text


def test_the_depth_of_the_gradient_is_chosen_by_a_pilot_and_an_exact_reversal_comes_home(
    finished_argon, tmp_path
):
    """What the pilot finds at such short depths means nothing: any depth passes a threshold of nearly zero."""
    campaign = finished_argon.copy_to(tmp_path / "campaign")
    horizon = {"replicas": 2, "depths": 2, "shortest": 32.0, "threshold": 1e-9}
    automatic = campaign.configure(
        "automatic.yaml",
        gradient={"depth": "auto", "horizon": horizon},
        trajectory={"reversal": "exact"},
    )
    target = "refinement/000/94K/gradient_01.npz"
    assert campaign.run(f"results/argon/{target}", configuration=automatic, cores=2) == {
        "gradient_horizon": 1,
        "run_trajectories": 4,
        "evaluate_objective": 1,
        "adjoint_gradient": 1,
    }
    table = pd.read_csv(campaign.results / "gradient_horizon/horizon.csv")
    assert table.depth_fs.tolist() == [32.0, 80.0]
    assert table.depth_fs[table.chosen].tolist() == [80.0]
    written, _ = load_gradient(campaign.results / target)
    np.testing.assert_array_equal(written.reversal_error, 0.0)
    expected = read_state(campaign.results, "000", "94K").rows(FRAMES)[1]
    # Positions are held to 2⁻³² of the cell, 4e-9 Å: changes of the forces by a few 1e-8, hardly amplified in 80 fs.
    np.testing.assert_allclose(written.trajectory, expected, atol=1e-5 * np.abs(expected).max())
