"""What the rules of an iteration leave, read from the finished toy campaign."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from campaigns import ROOT

from dynrefine.config import load_config
from dynrefine.ensembles import load_ensemble
from dynrefine.gathering import observables_of
from dynrefine.gradient import load_gradient
from dynrefine.models import flat_parameters, load_model
from dynrefine.objective import load_objective
from dynrefine.reweighting import mixture_weights
from dynrefine.storage import read_arrays
from dynrefine.trajectories import load_trajectories
from dynrefine.units import BOLTZMANN, GRAM_PER_CUBIC_CENTIMETRE, KINETIC
from dynrefine.update import optimiser_of

ITERATIONS = ("000", "001")
CHUNKS = ("00", "01")
KELVIN = 300.0


@pytest.fixture(scope="module")
def settings():
    return load_config(ROOT / "tests/config/toy.yaml").model_dump()


@pytest.fixture(scope="module", params=ITERATIONS)
def iteration(request, finished_toy):
    """The folder of an iteration."""
    return finished_toy.results / "refinement" / request.param


def of_chunks(iteration, kind, load):
    return [load(iteration / f"300K/{kind}_{chunk}.npz") for chunk in CHUNKS]


def potential_before(iteration, settings):
    number = int(iteration.name)
    path = iteration.parents[1] / "pretraining/potential.npz"
    if number > 0:
        path = iteration.parent / f"{number - 1:03d}/updated_potential.npz"
    return load_model(path, settings["potential"], settings["elements"])


def masses_of(ensemble, settings):
    return np.array([settings["elements"][kind]["mass"] for kind in ensemble.species])


def test_starting_points_fill_the_cell_of_the_state(iteration, settings):
    ensembles = of_chunks(iteration, "ensemble", load_ensemble)
    for ensemble in ensembles:
        assert ensemble.positions.shape == ensemble.velocities.shape == (2, 48, 3)
        assert ensemble.positions.dtype == np.float32
        assert np.bincount(ensemble.species).tolist() == [16, 32]
        density = masses_of(ensemble, settings).sum() / np.linalg.det(ensemble.cell.astype(float))
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


def test_the_second_iteration_goes_on_where_the_first_ended(finished_toy):
    """In 20 fs an atom moves less than an ångström; a chain begun anew in the data set would be elsewhere."""
    first, second = (
        load_ensemble(finished_toy.results / f"refinement/{number}/300K/ensemble_00.npz")
        for number in ITERATIONS
    )
    moved = np.linalg.norm(second.chain_positions - first.chain_positions, axis=-1)
    assert moved.mean() > 1e-3 and moved.max() < 1.0


def test_both_directions_of_time_begin_at_the_same_point(iteration):
    for trajectories in of_chunks(iteration, "trajectories", load_trajectories):
        series = trajectories.series["dipole_derivative"]
        assert series.shape == (2, 2, 10, 3)
        np.testing.assert_array_equal(series[:, 0, 0], series[:, 1, 0])
        assert trajectories.central_series()["dipole_derivative"].shape == (2, 19, 3)


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

    chosen = settings["objective"]["observables"]["infrared"]
    chosen = {"infrared": chosen | {"target": str(ROOT / chosen["target"])}}
    ensemble = load_ensemble(iteration / "300K/ensemble_00.npz")
    interval = settings["trajectory"]["sampling_interval"]
    observable = observables_of(chosen, {"temperature": KELVIN}, ensemble, settings["elements"], interval)[
        "infrared"
    ]
    chunks = of_chunks(iteration, "trajectories", load_trajectories)
    series = np.concatenate([chunk.central_series()["dipole_derivative"] for chunk in chunks])
    mean = observable.statistic({"dipole_derivative": jnp.asarray(series, float)}).mean(axis=0)
    assert evaluation.loss == pytest.approx(float(observable.loss(mean)), rel=1e-4)
    scale = np.abs(evaluation.prediction).max()
    np.testing.assert_allclose(evaluation.prediction, observable.predict(mean), atol=1e-4 * scale)
    np.testing.assert_allclose(state.targets["infrared"], observable.target, rtol=1e-5)


def test_the_ensemble_part_follows_the_covariance_of_energy_and_loss(iteration):
    """f_s = -β w_s (l_s - <l>): its sum is zero, so that a constant added to the energy changes nothing."""
    state = load_objective(iteration / "objective.npz").states["300K"]
    losses = state.evaluations["infrared"].contributions.astype(float)
    expected = -(losses - losses.mean()) / (len(losses) * BOLTZMANN * KELVIN)
    np.testing.assert_allclose(state.coefficients, expected, atol=1e-4 * np.abs(expected).max())
    assert abs(state.coefficients.sum()) < 1e-4 * np.abs(state.coefficients).max()


def test_gradients_have_both_parts_and_reversed_trajectories_come_home(iteration, settings):
    size = len(flat_parameters(potential_before(iteration, settings).parameters["trainable"])[0])
    for gradient, seconds in of_chunks(iteration, "gradient", load_gradient):
        assert gradient.trajectory.shape == gradient.ensemble.shape == (2, size)
        assert np.linalg.norm(gradient.trajectory) > 0.0 and np.linalg.norm(gradient.ensemble) > 0.0
        assert 0.0 < gradient.reversal_error.max() < settings["gradient"]["reversal_tolerance"]
        assert seconds > 0.0


def test_an_exact_reversal_comes_home_to_the_last_bit_in_another_job(toy):
    path = "results/toy/refinement/000/300K/gradient_00.npz"
    before, _ = load_gradient(toy.folder / path)
    toy.configure("exact.yaml", trajectory={"reversal": "exact"})
    toy.run(path, configuration="exact.yaml")
    gradient, _ = load_gradient(toy.folder / path)
    np.testing.assert_array_equal(gradient.reversal_error, 0.0)
    # Forces in single precision, 1e-6 of them, hardly amplified in 16 fs.
    difference = np.linalg.norm(gradient.trajectory - before.trajectory)
    assert difference < 1e-3 * np.linalg.norm(before.trajectory)


def test_the_anchor_pulls_the_potential_to_its_data(iteration, settings):
    """A step against the anchor's gradient; at the fitted potential it is small beside the spectrum's."""
    anchor = read_arrays(iteration / "anchor.npz", "anchor").arrays
    size = len(flat_parameters(potential_before(iteration, settings).parameters["trainable"])[0])
    assert anchor["gradient"].shape == (size,)
    assert 0.0 < float(anchor["loss"]) < 1.0
    assert np.linalg.norm(anchor["gradient"]) > 0.0


def sum_with_noise(rows):
    """The sum of independent rows, and its squared standard error, added up over the components."""
    return rows.sum(axis=0), len(rows) / (len(rows) - 1) * ((rows - rows.mean(axis=0)) ** 2).sum()


def resolved(total, noise):
    """The share of a sum that stands out of its standard error."""
    return max(0.0, 1.0 - noise / (total**2).sum())


def parts_of_gradient(iteration, settings):
    """Trajectory and ensemble part with their noise, and the anchor part, from the files of an iteration."""
    chunks = [gradient for gradient, _ in of_chunks(iteration, "gradient", load_gradient)]
    rows = np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
    lengths = np.linalg.norm(rows, axis=1)
    rows *= np.minimum(1.0, settings["optimiser"]["outlier_limit"] * np.median(lengths) / lengths)[:, None]
    coefficients = np.concatenate([chunk.coefficients for chunk in chunks]).astype(float)
    energy_gradients = np.concatenate([chunk.energy_gradients for chunk in chunks]).astype(float)
    centred = energy_gradients - energy_gradients.mean(axis=0)
    anchor = read_arrays(iteration / "anchor.npz", "anchor").arrays["gradient"]
    return (
        sum_with_noise(rows),
        sum_with_noise(coefficients[:, None] * centred),
        (settings["objective"]["anchor"]["weight"] * anchor).astype(float),
    )


def total_gradient(iteration, settings):
    """The gradient that the step is made with [P]; so few starting points would leave nothing beyond their noise."""
    (trajectory, _), (ensemble, _), anchor = parts_of_gradient(iteration, settings)
    return anchor + (trajectory + ensemble)


def parameters_after(path, settings):
    return np.asarray(
        flat_parameters(
            load_model(path, settings["potential"], settings["elements"]).parameters["trainable"]
        )[0]
    )


def probes_of(finished_toy):
    path = finished_toy.results / "pretraining/force_metric.npz"
    return read_arrays(path, "force metric").arrays["probes"]


def test_the_optimiser_on_the_gathered_gradients_gives_the_potentials_to_the_bit(finished_toy, settings):
    folder = finished_toy.results / "refinement"
    optimiser = optimiser_of(settings["optimiser"], probes_of(finished_toy))
    with jax.enable_x64(False):  # as in the jobs of a campaign in single precision
        vector = jnp.asarray(parameters_after(folder.parent / "pretraining/potential.npz", settings))
        state = optimiser.init(vector)
        for number in ITERATIONS:
            gradient = jnp.asarray(total_gradient(folder / number, settings), jnp.float32)
            updates, state = optimiser.update(gradient, state, vector)
            vector = vector + updates
            written = parameters_after(folder / number / "updated_potential.npz", settings)
            np.testing.assert_array_equal(np.asarray(vector), written)


def test_the_first_step_is_the_natural_gradient_of_the_wanted_length(finished_toy, settings):
    """By the dense matrix G + λ in place of the inverse of the probes' matrix."""
    chosen = settings["optimiser"]
    probes = probes_of(finished_toy).astype(float)
    metric = probes.T @ probes / len(probes)
    damped = metric + chosen["damping"] * np.trace(metric) / len(metric) * np.eye(len(metric))
    gradient = total_gradient(finished_toy.results / "refinement/000", settings)
    direction = -np.linalg.solve(damped, gradient)
    expected = 1e-3 * chosen["force_change"] * direction / np.sqrt(direction @ damped @ direction)
    before = parameters_after(finished_toy.results / "pretraining/potential.npz", settings)
    after = parameters_after(finished_toy.results / "refinement/000/updated_potential.npz", settings)
    step = after.astype(float) - before
    assert step @ expected / (np.linalg.norm(step) * np.linalg.norm(expected)) > 0.999
    assert np.linalg.norm(step) == pytest.approx(np.linalg.norm(expected), rel=1e-2)


def test_a_potential_knows_the_iteration_it_is_from(iteration, settings):
    updated = load_model(iteration / "updated_potential.npz", settings["potential"], settings["elements"])
    assert updated.metadata["iteration"] == int(iteration.name)
    assert updated.metadata["origin"]["rule"] == "update_potential"
    assert not updated.converged


def test_the_history_adds_up(finished_toy, settings):
    folder = finished_toy.results / "refinement"
    history = pd.read_csv(folder / ITERATIONS[-1] / "history.csv")
    assert history.iteration.tolist() == [0, 1]
    pd.testing.assert_frame_equal(pd.read_csv(folder / "000/history.csv"), history.iloc[:1])
    for row in history.itertuples():
        iteration = folder / f"{row.iteration:03d}"
        anchor = read_arrays(iteration / "anchor.npz", "anchor").arrays
        table = pd.read_csv(iteration / "objective.csv")
        weight = settings["objective"]["anchor"]["weight"]
        assert row.infrared_300K == pytest.approx(table.loss[0])
        assert row.total == pytest.approx((table.weight * table.loss).sum() + weight * float(anchor["loss"]))
        (trajectory, own), (ensemble, other), pull = parts_of_gradient(iteration, settings)
        assert row.gradient_norm == pytest.approx(np.linalg.norm(trajectory + ensemble + pull))
        assert row.gradient_resolved == pytest.approx(resolved(trajectory + ensemble, own + other))
        chunks = of_chunks(iteration, "trajectories", load_trajectories)
        temperatures = np.concatenate([chunk.temperatures for chunk in chunks])
        assert row.temperature_300K == pytest.approx(temperatures.mean(), rel=1e-5)
        assert row.gradient_norm_error > 0.0 and row.step_norm > 0.0 and not row.converged
        assert row.effective_sample_size == pytest.approx(1.0)


def test_the_depth_of_the_gradient_is_chosen_by_a_pilot(toy):
    """What the pilot finds at such short depths means nothing: any depth passes a threshold of nearly zero."""
    horizon = {"replicas": 2, "depths": 2, "shortest": 8.0, "threshold": 1e-9}
    automatic = toy.configure("automatic.yaml", gradient={"depth": "auto", "horizon": horizon})
    target = "results/toy/refinement/000/300K/gradient_00.npz"
    assert toy.run(target, configuration=automatic) == {
        "gradient_horizon": 1,
        "run_trajectories": 2,
        "evaluate_objective": 1,
        "adjoint_gradient": 1,
    }
    table = pd.read_csv(toy.results / "gradient_horizon/horizon.csv")
    assert table.depth_fs.tolist() == [8.0, 20.0]
    assert table.chosen.sum() == 1
    at_fixed_depth = toy.configure(
        "fixed.yaml", gradient={"depth": float(table.depth_fs[table.chosen].iloc[0])}
    )
    by_pilot, _ = load_gradient(toy.folder / target)
    toy.run(target, configuration=at_fixed_depth)
    fixed, _ = load_gradient(toy.folder / target)
    np.testing.assert_array_equal(by_pilot.trajectory, fixed.trajectory)


def energies_at(potential, chunk, settings):
    """Energies [S] of the starting points of a chunk in double precision, eV."""
    field, system = (
        chunk.field(potential, settings["ensemble"]),
        chunk.system(settings["elements"], np.float64),
    )
    energies = []
    for x in chunk.positions.astype(float):
        lists = field.neighbours(x, system.cell)
        energies.append(
            potential.architecture.energy(potential.parameters, system.species, x, system.cell, lists)
        )
    return np.array(energies)


def sample_size(changes):
    """Effective sample size, as a fraction, of points whose energies have changed so much [S], eV."""
    weights = np.exp(-(changes - np.min(changes)) / (BOLTZMANN * KELVIN))
    weights /= weights.sum()
    return np.exp(-np.sum(weights * np.log(weights))) / len(weights)


def test_of_two_chunks_one_serves_again_beside_one_sampled_anew(toy, settings):
    first = of_chunks(toy.results / "refinement/000", "ensemble", load_ensemble)
    potentials = [potential_before(toy.results / "refinement" / number, settings) for number in ITERATIONS]
    former = [[energies_at(potential, chunk, settings) for potential in potentials] for chunk in first]
    changes = [after - before for before, after in former]
    with_both, with_one = sample_size(np.concatenate(changes)), (1.0 + sample_size(changes[1])) / 2.0
    assert with_both < with_one
    reusing = toy.configure("reusing.yaml", ensemble={"reuse": float((with_both + with_one) / 2.0)})
    toy.run("results/toy/refinement/001/history.csv", configuration=reusing, cores=2)
    anew, kept = of_chunks(toy.results / "refinement/001", "ensemble", load_ensemble)
    np.testing.assert_array_equal(kept.positions, first[1].positions)
    assert np.abs(kept.velocities - first[1].velocities).max() > 0.0
    assert np.abs(anew.positions - first[0].positions).max() > 0.1
    energies = [energies_at(potential, anew, settings) for potential in potentials]
    # Energies of some 10² eV in single precision: 1e-4 eV and better.
    np.testing.assert_allclose(anew.energies_by_potential, energies, atol=1e-4)
    np.testing.assert_allclose(kept.energies_by_potential, former[1], atol=1e-4)
    expected = mixture_weights(np.concatenate([energies, former[1]], axis=1), np.array([2, 2]), KELVIN)
    weights = load_objective(toy.results / "refinement/001/objective.npz").states["300K"].weights
    np.testing.assert_allclose(weights, expected, atol=0.01)
    history = pd.read_csv(toy.results / "refinement/001/history.csv")
    entropy = -np.sum(weights * np.log(weights))
    assert history.effective_sample_size[1] == pytest.approx(np.exp(entropy) / len(weights), rel=1e-4)
