"""What the rules of an iteration leave, read from the finished toy campaign."""

import json
from dataclasses import replace
from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from campaigns import ROOT, TOY
from quasi_newton import dense_step
from toy_steps import (
    fitted_loss,
    of_chunks,
    parameters_by_optimiser,
    parameters_in,
    parts_of_gradient,
    probes_of,
    resolved_share,
    total_gradient,
)

from dynrefine.config.dynamics import State
from dynrefine.config.objective import TargetsSettings
from dynrefine.config.properties import Observables
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.config.steps import EvaluateObjective
from dynrefine.files.arrays import read_arrays
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.gradients import load_gradient
from dynrefine.files.history import CONVERGED, EFFECTIVE_SAMPLE_SIZE, load_history
from dynrefine.files.models import flat_parameters, load_model
from dynrefine.files.objectives import load_objective
from dynrefine.files.trajectories import Observed, load_trajectories
from dynrefine.refinement.gathering import observables_of
from dynrefine.refinement.locality import Surroundings, near_contributions
from dynrefine.units import BOLTZMANN, GRAM_PER_CUBIC_CENTIMETRE, KINETIC

ITERATIONS = ("000", "001")
KELVIN = 300.0


@pytest.fixture(scope="module")
def settings():
    return TOY.model_dump()


@pytest.fixture(scope="module", params=ITERATIONS)
def iteration(request, finished_toy):
    """The folder of an iteration."""
    return finished_toy.results / "refinement" / request.param


def potential_before(iteration, settings):
    number = int(iteration.name)
    path = iteration.parents[1] / "pretraining/potential.npz"
    if number > 0:
        path = iteration.parent / f"{number - 1:03d}/updated_potential.npz"
    return load_model(path, TOY.potential, TOY.elements)


def evaluation_of(observables):
    """The settings of the step that evaluates these."""
    return EvaluateObjective.model_construct(
        elements=TOY.elements, trajectory=TOY.trajectory, objective=TargetsSettings(observables=observables)
    )


def masses_of(ensemble, settings):
    return np.array([settings["elements"][kind]["mass"] for kind in ensemble.species])


def test_starting_points_fill_the_cell_of_the_state(iteration, settings):
    ensembles = of_chunks(iteration, "ensemble", load_ensemble)
    for ensemble in ensembles:
        assert ensemble.positions.shape == ensemble.velocities.shape == (2, 48, 3)
        assert ensemble.positions.dtype == np.float32
        assert np.bincount(ensemble.species).tolist() == [16, 32]
        density = masses_of(ensemble, settings).sum() / np.linalg.det(ensemble.cells[0].astype(float))
        assert density / GRAM_PER_CUBIC_CENTIMETRE == pytest.approx(0.997, rel=1e-5)
    first, second = ensembles
    assert np.abs(first.positions - second.positions).max() > 0.1


def test_array_files_carry_units_seed_and_version(iteration):
    content = read_arrays(iteration / "300K/ensemble_00.npz", "ensemble")
    assert content.units["positions"] == "Å"
    assert content.units["velocities"] == "Å/fs"
    assert content.metadata["temperature_K"] == KELVIN
    assert (
        content.metadata["seed"]
        != read_arrays(iteration / "300K/ensemble_01.npz", "ensemble").metadata["seed"]
    )


def test_starting_velocities_are_thermal(iteration, settings):
    for ensemble in of_chunks(iteration, "ensemble", load_ensemble):
        masses = masses_of(ensemble, settings)[:, None]
        momentum = np.abs(np.sum(masses * ensemble.velocities, axis=1)).max()
        assert momentum < 1e-5 * np.sum(masses * np.abs(ensemble.velocities), axis=1).max()
        doubled_energies = KINETIC * np.sum(masses * ensemble.velocities.astype(float) ** 2, axis=(1, 2))
        kelvin = doubled_energies / (BOLTZMANN * (3 * len(masses) - 3))
        spread = KELVIN * np.sqrt(2.0 / (3 * len(masses) - 3))
        assert np.abs(kelvin - KELVIN).max() < 4.0 * spread


def test_chains_move_with_the_masses_of_the_sampling(iteration, settings):
    """Their hydrogen atoms weigh four times as much; a mean of squares of f normal numbers scatters by √(2/f)."""
    chunks = of_chunks(iteration, "ensemble", load_ensemble)
    for kind, mass in enumerate((settings["elements"][0]["mass"], settings["ensemble"]["masses"]["H"])):
        velocities = np.concatenate([chunk.chain_velocities[:, chunk.species == kind] for chunk in chunks])
        apart = KINETIC * mass * np.mean(velocities.astype(float) ** 2) / (BOLTZMANN * KELVIN) - 1.0
        assert abs(apart) < 4.5 * np.sqrt(2.0 / velocities.size), kind


def test_no_two_chunks_share_random_numbers(finished_toy):
    """Velocities of different seeds are unrelated: a correlation of n numbers scatters by 1/√n."""
    chunks = [
        chunk.velocities
        for number in ITERATIONS
        for chunk in of_chunks(finished_toy.results / "refinement" / number, "ensemble", load_ensemble)
    ]
    for one, other in combinations(chunks, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5.0 / np.sqrt(one.size)


def test_the_second_iteration_goes_on_where_each_chunk_of_the_first_ended(finished_toy):
    """In 20 fs an atom moves less than an ångström; a chain begun anew in the data set would be elsewhere."""
    first, second = (
        of_chunks(finished_toy.results / "refinement" / number, "ensemble", load_ensemble)
        for number in ITERATIONS
    )
    for former, own in zip(first, second, strict=True):
        moved = np.linalg.norm(own.chain_positions - former.chain_positions, axis=-1)
        assert moved.mean() > 1e-3 and moved.max() < 1.0
    apart = np.linalg.norm(second[0].chain_positions - first[1].chain_positions, axis=-1)
    assert apart.max() > 1.0


def test_observables_are_told_the_state_of_their_atoms(finished_toy, settings):
    """Those of hydrogen are its atoms; volume and temperature are in the correction for the size of the cell."""
    ensemble = load_ensemble(finished_toy.results / "refinement/000/300K/ensemble_00.npz")
    chosen = Observables(diffusion=DiffusionSettings(element="H", target=2.0, window=8.0, viscosity=0.89))
    state = State(temperature=330.0, density=1.0)
    diffusion = observables_of(evaluation_of(chosen), state, [ensemble])["diffusion"]
    np.testing.assert_array_equal(diffusion.diffusing, np.flatnonzero(ensemble.species == 1))
    assert (diffusion.window.depth, diffusion.window.interval) == (4, 2.0)
    edge = 1e-10 * np.linalg.det(ensemble.cells[0].astype(float)) ** (1.0 / 3.0)  # m
    correction = 2.837297 * 1.380649e-23 * 330.0 / (6.0 * np.pi * 0.89e-3 * edge)  # Yeh, Hummer; m²/s
    assert diffusion.correction == pytest.approx(1e9 * correction, rel=1e-6)


def test_both_directions_of_time_begin_at_the_same_point(iteration):
    for trajectories in of_chunks(iteration, "trajectories", load_trajectories):
        series = trajectories.series["dipole_derivative"]
        assert series.shape == (2, 2, 10, 3)
        np.testing.assert_array_equal(series[:, 0, 0], series[:, 1, 0])
        assert trajectories.observed().along["dipole_derivative"].shape == (2, 19, 3)


def test_trajectories_keep_their_energy_and_are_not_cold_or_hot(iteration, settings):
    for trajectories in of_chunks(iteration, "trajectories", load_trajectories):
        assert 0.0 < np.abs(trajectories.energy_drift).max() < settings["trajectory"]["energy_drift"]
        assert (np.abs(trajectories.temperatures / KELVIN - 1.0) < 0.5).all()


def test_the_kept_states_are_where_the_adjoint_begins(iteration, settings):
    """A depth of 16 fs: atoms are at most that far from their starts, and not at their starts."""
    for ensemble, trajectories in zip(
        of_chunks(iteration, "ensemble", load_ensemble),
        of_chunks(iteration, "trajectories", load_trajectories),
        strict=True,
    ):
        distance = np.linalg.norm(trajectories.positions - ensemble.positions[:, None], axis=-1)
        fastest = np.linalg.norm(trajectories.velocities, axis=-1).max()
        assert distance.min() > 0.0 and distance.max() < 2.0 * fastest * settings["gradient"]["depth"]


def test_the_objective_is_that_of_the_trajectories(iteration, settings):
    objective = load_objective(iteration / "objective.npz")
    state = objective.states["300K"]
    evaluation = state.evaluations["infrared"]
    row = pd.read_csv(iteration / "objective.csv").set_index(["term", "state"]).loc[("infrared", "300K")]
    assert row.loss == pytest.approx(evaluation.loss, rel=1e-6)
    assert row.standard_error == pytest.approx(evaluation.loss_error, rel=1e-6)
    assert row.loss > 0.0 and row.standard_error > 0.0

    infrared = TOY.objective.observables.infrared
    chosen = Observables(infrared=infrared.model_copy(update={"target": str(ROOT / infrared.target)}))
    ensemble = load_ensemble(iteration / "300K/ensemble_00.npz")
    observable = observables_of(evaluation_of(chosen), TOY.states[0], [ensemble])["infrared"]
    chunks = of_chunks(iteration, "trajectories", load_trajectories)
    series = np.concatenate([chunk.observed().along["dipole_derivative"] for chunk in chunks])
    mean = observable.statistic(Observed({"dipole_derivative": jnp.asarray(series, float)}, {})).mean(axis=0)
    assert evaluation.loss == pytest.approx(float(observable.loss(mean)), rel=1e-4)
    scale = np.abs(evaluation.prediction).max()
    np.testing.assert_allclose(evaluation.prediction, observable.predict(mean), atol=1e-4 * scale)
    np.testing.assert_allclose(state.targets["infrared"], observable.target, rtol=1e-5)


def test_the_ensemble_part_follows_the_covariance_of_energy_and_loss(iteration, settings):
    """f_s = -β w_s (l_s - <l>): its sum is zero, so that a constant added to the energy changes nothing.

    Each atom has its own, from the loss of what is near it.
    """
    state = load_objective(iteration / "objective.npz").states["300K"]
    weight = settings["objective"]["observables"]["infrared"]["weight"]
    losses = weight * state.evaluations["infrared"].contributions.astype(float)
    assert losses.shape == (4, 48)
    expected = -(losses - losses.mean(axis=0)) / (len(losses) * BOLTZMANN * KELVIN)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(state.coefficients, expected, atol=1e-4 * largest)
    np.testing.assert_allclose(state.coefficients.sum(axis=0), 0.0, atol=1e-4 * largest)


def test_each_atom_sees_the_loss_of_what_is_near_it(iteration, settings):
    """From what atoms contributed to the dipole along the trajectories, which is recorded."""
    state = load_objective(iteration / "objective.npz").states["300K"]
    ensembles, chunks = (
        of_chunks(iteration, *each)
        for each in (("ensemble", load_ensemble), ("trajectories", load_trajectories))
    )
    observed = Observed.joined(chunk.observed() for chunk in chunks)
    parts = np.asarray(observed.along["dipole_derivative_of_atoms"])
    np.testing.assert_allclose(parts.sum(axis=2), observed.along["dipole_derivative"], atol=1e-6)
    around = Surroundings.of(ensembles, settings["gradient"]["locality"])
    evaluation = state.evaluations["infrared"]
    infrared = TOY.objective.observables.infrared
    chosen = Observables(infrared=infrared.model_copy(update={"target": str(ROOT / infrared.target)}))
    observable = observables_of(evaluation_of(chosen), TOY.states[0], ensembles)["infrared"]
    cotangent = jnp.asarray(evaluation.cotangent)
    whole = np.asarray(jnp.tensordot(observable.statistic(observed), cotangent, axes=1))
    found = near_contributions(observable, replace(evaluation, contributions=whole), observed, around)
    np.testing.assert_allclose(evaluation.contributions, found, atol=1e-4 * np.abs(found).max())
    # What is far away is left out.
    assert np.abs(found - whole[:, None]).max() > 0.1 * np.abs(whole).max()


def test_gradients_have_both_parts_and_reversed_trajectories_come_home(iteration, settings):
    size = len(flat_parameters(potential_before(iteration, settings).parameters["trainable"])[0])
    for gradient, seconds in of_chunks(iteration, "gradient", load_gradient):
        assert gradient.trajectory.shape == gradient.ensemble.shape == (2, size)
        assert np.linalg.norm(gradient.trajectory) > 0.0 and np.linalg.norm(gradient.ensemble) > 0.0
        assert 0.0 < gradient.reversal_error.max() < settings["gradient"]["reversal_tolerance"]
        assert seconds > 0.0


def test_the_anchor_pulls_the_potential_to_its_data(iteration, settings):
    """A step against the anchor's gradient; at the fitted potential it is small beside the spectrum's."""
    anchor = read_arrays(iteration / "anchor.npz", "anchor").arrays
    size = len(flat_parameters(potential_before(iteration, settings).parameters["trainable"])[0])
    assert anchor["gradient"].shape == (size,)
    assert 0.0 < float(anchor["loss"]) < 1.0
    assert np.linalg.norm(anchor["gradient"]) > 0.0


def test_the_optimiser_on_the_gathered_gradients_gives_the_potentials_to_the_bit(finished_toy, settings):
    results = finished_toy.results
    for number, expected in zip(
        ITERATIONS, parameters_by_optimiser(results, settings, ITERATIONS), strict=True
    ):
        written = parameters_in(results / f"refinement/{number}/updated_potential.npz")
        np.testing.assert_array_equal(written, expected)


def natural_step(results, settings, gradient, pairs=()):
    """A step by the dense matrix G + λ in place of the inverse of the probes' matrix."""
    chosen = settings["optimiser"]
    probes = probes_of(results).astype(float)
    metric = probes.T @ probes / len(probes)
    metric += chosen["damping"] * np.trace(metric) / len(metric) * np.eye(len(metric))
    return dense_step(pairs, gradient, metric, 1e-3 * chosen["force_change"])


def steps(results, settings):
    """What each iteration adds to the parameters."""
    paths = [
        "pretraining/potential.npz",
        *(f"refinement/{number}/updated_potential.npz" for number in ITERATIONS),
    ]
    parameters = [parameters_in(results / path).astype(float) for path in paths]
    return np.diff(parameters, axis=0)


def test_steps_are_natural_gradients_that_know_how_the_objective_bends(finished_toy, settings):
    """The second one from how the gradient changed along the first, if that was upwards."""
    iterations = [finished_toy.results / "refinement" / number for number in ITERATIONS]
    gradients = [total_gradient(iteration, settings) for iteration in iterations]
    found = steps(finished_toy.results, settings)
    first = found[0], gradients[1] - gradients[0]
    earlier = [], [first] if first[0] @ first[1] > 0.0 else []
    for step, gradient, pairs, iteration in zip(found, gradients, earlier, iterations, strict=True):
        full = natural_step(finished_toy.results, settings, gradient, pairs)
        expected = min(1.0, fitted_loss(iteration) / (-gradient @ full)) * full
        assert step @ full / (np.linalg.norm(step) * np.linalg.norm(full)) > 0.999
        assert np.linalg.norm(step) == pytest.approx(np.linalg.norm(expected), rel=1e-2)


def test_no_step_would_bring_the_fitted_loss_below_zero(toy, settings):
    """As steeply as it begins: a longer one is shortened to that."""
    folder = toy.results / "refinement/000"
    gradient = total_gradient(folder, settings)
    wanted = natural_step(toy.results, settings, gradient)
    times = 3.0 * fitted_loss(folder) / (-gradient @ wanted)
    longest = times * settings["optimiser"]["force_change"]
    hasty = toy.configure("hasty.yaml", optimiser={"force_change": float(longest)})
    step = updated(toy, hasty)
    assert np.linalg.norm(step) == pytest.approx(times / 3.0 * np.linalg.norm(wanted), rel=1e-2)


def test_a_step_is_as_long_as_the_gradient_stands_out_of_its_noise(toy, settings):
    shrinking = toy.configure("shrinking.yaml", optimiser={"shrink_noise": True})
    share = resolved_share(toy.results / "refinement/000", settings)
    gradient = total_gradient(toy.results / "refinement/000", settings)
    expected = share * natural_step(toy.results, settings, gradient)
    before = parameters_in(toy.results / "pretraining/potential.npz")
    rounding = np.spacing(np.abs(before))
    difference = np.abs(updated(toy, shrinking) - expected)
    assert np.all(difference <= 1e-2 * np.abs(expected).max() + rounding)


def updated(toy, configuration):
    """The first step with other settings of the optimiser."""
    path = "results/toy/refinement/000/updated_potential.npz"
    assert toy.run(path, configuration=configuration) == {"update_potential": 1}
    before = parameters_in(toy.results / "pretraining/potential.npz").astype(float)
    return parameters_in(toy.folder / path) - before


def test_the_refined_potential_can_be_the_mean_of_the_last_ones(toy):
    path = "results/toy/refinement/averaged_potential.npz"
    assert toy.run(path, configuration=toy.configure("mean.yaml", optimiser={"averaged": 2})) == {
        "average_potentials": 1
    }
    both = [
        parameters_in(toy.results / f"refinement/{number}/updated_potential.npz") for number in ITERATIONS
    ]
    np.testing.assert_allclose(parameters_in(toy.folder / path), np.mean(both, axis=0), rtol=1e-6)


def test_later_iterations_find_all_programs_compiled(finished_toy):
    logs = (finished_toy.results / "logs").rglob("001*.json")
    compiled = {str(log): json.loads(log.read_text())["compiled"] for log in logs}
    assert len(compiled) == 9  # jobs of an iteration, of two chunks
    assert not any(compiled.values()), compiled


def test_a_potential_knows_the_iteration_it_is_from(iteration, settings):
    updated = load_model(iteration / "updated_potential.npz", TOY.potential, TOY.elements)
    assert updated.metadata["iteration"] == int(iteration.name)
    assert updated.metadata["origin"]["rule"] == "update_potential"
    assert not updated.converged


def test_the_history_adds_up(finished_toy, settings):
    folder = finished_toy.results / "refinement"
    history = load_history(folder / ITERATIONS[-1] / "history.csv")
    assert history.iterations == [0, 1]
    pd.testing.assert_frame_equal(
        load_history(folder / "000/history.csv").table, history.table[history.table.iteration == 0]
    )
    for number in history.iterations:
        iteration = folder / f"{number:03d}"
        rows = history.table[history.table.iteration == number].set_index(["role", "quantity", "state"])
        value, error = rows.value, rows.standard_error
        anchor = read_arrays(iteration / "anchor.npz", "anchor").arrays
        table = pd.read_csv(iteration / "objective.csv")
        weight = settings["objective"]["anchor"]["weight"]
        assert value["loss", "infrared", "300K"] == pytest.approx(table.loss[0])
        total = (table.weight * table.loss).sum() + weight * float(anchor["loss"])
        assert value["objective", "objective", ""] == pytest.approx(total)
        (trajectory, _), (ensemble, _), pull = parts_of_gradient(iteration, settings)
        whole = "gradient", "whole", ""
        assert value[whole] == pytest.approx(np.linalg.norm(trajectory + ensemble + pull))
        controls = value["control"].droplevel("state")
        assert controls["resolved share of the gradient"] == pytest.approx(
            resolved_share(iteration, settings)
        )
        chunks = of_chunks(iteration, "trajectories", load_trajectories)
        temperatures = np.concatenate([chunk.temperatures for chunk in chunks])
        temperature = value["condition", "temperature", "300K"]
        assert temperature == pytest.approx(temperatures.mean(), rel=1e-5)
        assert error[whole] > 0.0 and controls["norm of the step"] > 0.0
        assert (controls[CONVERGED], controls[EFFECTIVE_SAMPLE_SIZE]) == pytest.approx((0.0, 1.0))
