"""From chunks to the objective: three states with temperatures, densities and targets of their own."""

import numpy as np
import pytest
from systems import ELEMENTS, made_up_ensemble

from dynrefine.config.dynamics import State, TrajectorySettings
from dynrefine.config.gradient import LocalitySettings
from dynrefine.config.objective import TargetsSettings
from dynrefine.config.properties import Observables
from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import InfraredSettings
from dynrefine.config.properties.thermodynamics import PressureSettings
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.config.steps import EvaluateObjective
from dynrefine.files.trajectories import Trajectories
from dynrefine.properties.finite_size import finite_size_correction
from dynrefine.refinement import gathering
from dynrefine.refinement.gathering import evaluate_objective, observables_of

pytestmark = pytest.mark.usefixtures("fast_compilation")

BOLTZMANN = 8.617333262e-5  # eV/K
STATES = {
    "280K": State(temperature=280.0, density=1.0),
    "350K_0.9": State(temperature=350.0, density=0.9),
    "350K_0.8": State(temperature=350.0, density=0.8),
}
CELLS = {
    "280K": np.diag([5.0, 6.0, 7.0]),
    "350K_0.9": np.array([[6.5, 0.0, 0.0], [1.0, -6.0, 0.0], [0.0, 0.5, 7.0]]),
    "350K_0.8": np.diag([8.0, 5.0, 7.5]),
}
VOLUMES = {"280K": 210.0, "350K_0.9": 273.0, "350K_0.8": 300.0}
SPECIES = {
    "280K": np.array([0, 1, 1, 0]),
    "350K_0.9": np.array([1, 1, 0, 1, 1]),
    "350K_0.8": np.array([0, 1, 0, 1]),
}
HYDROGEN = {"280K": [1, 2], "350K_0.9": [0, 1, 3, 4], "350K_0.8": [1, 3]}
TARGETS = {"280K": (2.0, 100.0), "350K_0.9": (3.1, -400.0), "350K_0.8": (4.2, 100.0)}  # 1e-9 m²/s, bar
WEIGHTS = {"280K": (3.0, 0.25), "350K_0.9": (0.5, 0.25), "350K_0.8": (3.0, 0.25)}
VISCOSITIES = {"280K": 0.5, "350K_0.9": 0.5, "350K_0.8": 0.3}  # mPa s
INTERVAL, FRAMES = 2.0, 6  # fs, frames each way in time
STARTS, FOLLOWED = 3, 2  # starting points of each of two chunks, and trajectories from the first of them
BEGUN = np.tile(np.arange(STARTS) < FOLLOWED, 2)
OBSERVABLES = Observables(
    diffusion=DiffusionSettings(
        element="H",
        target=2.0,
        targets={"350K_0.9": 3.1, "350K_0.8": 4.2},
        window=10.0,
        viscosity=0.5,
        viscosities={"350K_0.8": 0.3},
        weight=3.0,
        weights={"350K_0.9": 0.5},
    ),
    pressure=PressureSettings(target=100.0, targets={"350K_0.9": -400.0}, scale=5000.0, weight=0.25),
)


def settings_of(observables):
    """Of the step that evaluates these."""
    return EvaluateObjective.model_construct(
        elements=ELEMENTS,
        trajectory=TrajectorySettings(sampling_interval=INTERVAL),
        objective=TargetsSettings(observables=observables),
        gradient=LocalitySettings(),
    )


def chunk(label, seed):
    """Random starting points, energies at two potentials, and trajectories of a state."""
    generator, atoms = np.random.default_rng(seed), len(SPECIES[label])
    ensemble = made_up_ensemble(
        SPECIES[label],
        CELLS[label],
        generator.uniform(0.0, 5.0, (STARTS, atoms, 3)),
        energies_by_potential=np.array([[1.0], [-2.0]]) + generator.normal(0.0, 0.02, (2, STARTS)),
    )
    velocities = generator.normal(0.0, 0.02, (FOLLOWED, 2, FRAMES, atoms, 3))
    velocities[:, 1, 0] = velocities[:, 0, 0]
    ends, nothing = np.zeros((FOLLOWED, 2, atoms, 3)), np.zeros((FOLLOWED, 2))
    statics = {"virial_pressure": generator.normal(-2000.0, 3000.0, STARTS)}
    return ensemble, Trajectories({"velocities": velocities}, ends, ends, nothing, nothing, statics)


@pytest.fixture(scope="module")
def chunks():
    """Ensembles and trajectories of all states, two chunks each, by label."""
    return {label: [chunk(label, 10 * n + k) for k in range(2)] for n, label in enumerate(STATES)}


@pytest.fixture(scope="module")
def objective(chunks):
    """What the campaign makes of them."""
    ensembles, trajectories = (
        {label: [pair[place] for pair in chunks[label]] for label in STATES} for place in (0, 1)
    )
    return evaluate_objective(settings_of(OBSERVABLES), STATES, ensembles, trajectories)


def statistics_of(chunks, label):
    """Velocity autocorrelation of the hydrogen atoms [F, 6] and virial pressure [S] of the starting points."""
    correlations, pressures = [], []
    for _, trajectories in chunks[label]:
        pressures += list(trajectories.at_start["virial_pressure"])
        for forwards, backwards in trajectories.series["velocities"]:
            joined = [*backwards[:0:-1], *forwards]
            products = [
                [
                    np.mean([joined[n][i] @ joined[n + lag][i] for i in HYDROGEN[label]])
                    for n in range(len(joined) - lag)
                ]
                for lag in range(6)
            ]
            correlations.append([np.mean(own) for own in products])
    return np.array(correlations), np.array(pressures)


def expected_from(chunks, label, change=0.0, energies=0.0):
    """Predictions and losses by name, where the energies of the starting points are larger by change · energies."""
    kelvin, volume = STATES[label].temperature, VOLUMES[label]
    former, present = np.concatenate([own.energies_by_potential for own, _ in chunks[label]], axis=1)
    factors = np.exp(-(present - former + 3.0 + change * energies) / (BOLTZMANN * kelvin))
    correlations, virials = statistics_of(chunks, label)
    correlation = factors[BEGUN] @ correlations / factors[BEGUN].sum()
    integral = INTERVAL * (np.sum(correlation) - 0.5 * (correlation[0] + correlation[-1]))
    correction = finite_size_correction(kelvin, VISCOSITIES[label], CELLS[label])
    ideal = len(SPECIES[label]) * 1.380649e-23 * kelvin / (volume * 1e-30) / 1e5
    predictions = {
        "diffusion": 1e4 / 3 * integral + correction,
        "pressure": ideal + factors @ virials / factors.sum(),
    }
    diffusion, pressure = TARGETS[label]
    losses = {
        "diffusion": (predictions["diffusion"] / diffusion - 1.0) ** 2,
        "pressure": ((predictions["pressure"] - pressure) / 5000.0) ** 2,
    }
    return factors / factors.sum(), predictions, losses


@pytest.mark.parametrize("label", STATES)
def test_observables_know_the_conditions_of_their_state(chunks, label):
    found = observables_of(settings_of(OBSERVABLES), STATES[label], [chunks[label][0][0]])
    assert list(found) == ["diffusion", "pressure"]
    np.testing.assert_array_equal(found["diffusion"].diffusing, HYDROGEN[label])
    assert (found["diffusion"].window.depth, found["diffusion"].window.interval) == (5, INTERVAL)
    assert found["pressure"].abscissa == [STATES[label].temperature]
    expected = len(SPECIES[label]) * 1.380649e-23 * STATES[label].temperature / (VOLUMES[label] * 1e-25)
    assert found["pressure"].ideal == pytest.approx(expected, rel=1e-9)


def test_observables_are_told_mass_pressure_and_cell(chunks, monkeypatch):
    told = []
    monkeypatch.setattr(gathering, "create_observables", lambda *given: told.append(given[-1]))
    for label in STATES:
        state = STATES[label].model_copy(update={"pressure": 7.0})
        observables_of(settings_of(OBSERVABLES), state, [chunks[label][0][0]])
        masses = np.array([15.999, 1.008])[SPECIES[label]]
        assert (told[-1].mass, told[-1].pressure) == pytest.approx((masses.sum(), 7.0))
        np.testing.assert_allclose(told[-1].cell, CELLS[label], rtol=1e-12)
        assert told[-1].elements == ("O", "H")


def test_measured_curves_are_read_from_their_files(chunks, tmp_path):
    path = tmp_path / "target.csv"
    path.write_text(
        "# Made up\nwavenumber,n_alpha\n" + "".join(f"{x},{x * 1e-2}\n" for x in range(10, 4000, 10))
    )
    bands = [Band(range=[500.0, 900.0])]
    infrared = InfraredSettings(target=str(path), window=8.0, resolution=100.0, bands=bands)
    settings = settings_of(Observables(infrared=infrared))
    found = {
        label: observables_of(settings, state, [chunks[label][0][0]])["infrared"]
        for label, state in STATES.items()
    }
    np.testing.assert_allclose(found["280K"].abscissa, np.arange(100.0, 901.0, 100.0))
    # 1 / (6 ε0 c V kT) in SI, e²Å²/fs being 2.566969e-43 C² m²/s, and 1/m in 1/cm.
    for label, state in STATES.items():
        energy = 1.380649e-23 * state.temperature
        expected = 0.01 * 1.602176634e-19**2 * 1e-5
        expected /= 6 * 8.8541878128e-12 * 299792458.0 * VOLUMES[label] * 1e-30 * energy
        assert found[label].prefactor == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("label", STATES)
def test_predictions_and_losses_of_each_state_are_those_of_plain_loops(chunks, objective, label):
    shares, predictions, losses = expected_from(chunks, label)
    state = objective.states[label]
    np.testing.assert_allclose(state.weights, shares, rtol=1e-8)
    assert np.ptp(shares) > 0.05  # or equal weights would do
    for name, prediction in predictions.items():
        np.testing.assert_allclose(state.evaluations[name].prediction, [prediction], rtol=1e-8)
        assert state.evaluations[name].loss == pytest.approx(losses[name], rel=1e-7)
    assert (state.targets["diffusion"], state.targets["pressure"]) == TARGETS[label]


@pytest.mark.parametrize("label", STATES)
def test_coefficients_are_the_derivative_of_the_weighted_losses_by_the_energies(chunks, objective, label):
    energies = np.random.default_rng(5).normal(size=2 * STARTS)

    def total(change):
        losses = expected_from(chunks, label, change, energies)[2]
        return WEIGHTS[label][0] * losses["diffusion"] + WEIGHTS[label][1] * losses["pressure"]

    expected = (total(1e-6) - total(-1e-6)) / 2e-6
    assert objective.states[label].coefficients @ energies == pytest.approx(expected, rel=1e-6)


def test_the_table_has_a_row_for_each_observable_and_state_with_its_weight(chunks, objective):
    table = objective.table().set_index(["term", "state"])
    assert len(table) == 6
    for label in STATES:
        losses = expected_from(chunks, label)[2]
        for name, weight in zip(("diffusion", "pressure"), WEIGHTS[label], strict=True):
            assert table.loc[(name, label), "weight"] == weight
            assert table.loc[(name, label), "loss"] == pytest.approx(losses[name], rel=1e-7)
