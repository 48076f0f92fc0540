"""Fitting: finds what is known, goes on where it was killed to the bit, and knows when to stop."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from systems import DIPOLE, ELEMENTS, POTENTIAL, TRICLINIC, random_model, water_box

from dynrefine.config.objective import AnchorSettings
from dynrefine.config.surfaces.training import PotentialTrainingSettings
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import read_arrays
from dynrefine.files.models import create_model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import shortest_distances, with_neighbours
from dynrefine.geometry.neighbours import displacements
from dynrefine.refinement.anchor import anchor_gradient
from dynrefine.surfaces.eann import REPULSION_ONSET
from dynrefine.surfaces.networks.environment_network import feature_statistics
from dynrefine.training.checkpoint import Checkpoint
from dynrefine.training.fit import Schedule, fit
from dynrefine.training.potential import (
    LabelWeights,
    evaluate,
    fit_energy_offsets,
    label_errors,
    label_loss,
    less_offsets,
    parity,
)
from dynrefine.training.soap import soap
from dynrefine.training.tables import curve_table

pytestmark = pytest.mark.usefixtures("fast_compilation")

SCHEDULE = Schedule(
    epochs=60,
    batch_size=8,
    optimiser="adam",
    learning_rate=0.1,
    final_learning_rate=1e-3,
    patience=60,
    checkpoint_interval=20,
    seed=3,
)
SLOPE = np.array([1.5, -0.5])


def squared_error(trainable, data):
    """Of a linear model with an offset."""
    predicted = data["x"] @ trainable["slope"] + trainable["offset"]
    return jnp.mean((predicted - data["y"]) ** 2)


def line(rows, seed, noise=0.0):
    """Data of y = SLOPE · x + 0.7."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2))
    return {"x": jnp.asarray(x), "y": jnp.asarray(x @ SLOPE + 0.7 + noise * generator.normal(size=rows))}


START = {"slope": jnp.zeros(2), "offset": jnp.zeros(())}


def fit_line(folder, schedule=SCHEDULE, validation=None, fingerprint="line", loss=squared_error):
    """Fit the line, its checkpoint in the folder."""
    validation = line(10, 2) if validation is None else validation
    data = {"train": line(36, 1), "validation": validation}
    return fit(loss, START, data, schedule, Checkpoint(folder / "checkpoint.npz", fingerprint))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The fit that nobody disturbed."""
    return fit_line(tmp_path_factory.mktemp("fit"))


def test_a_linear_model_is_recovered(fitted, tmp_path):
    trainable, curve = fitted
    np.testing.assert_allclose(trainable["slope"], SLOPE, atol=1e-3)
    np.testing.assert_allclose(trainable["offset"], 0.7, atol=1e-3)
    np.testing.assert_array_equal(curve[:, 0], [20, 40, 60])
    assert np.all(np.diff(curve[:, 2]) < 0)
    assert list(curve_table(curve).columns) == ["epoch", "training_loss", "validation_loss"]


@pytest.mark.parametrize("written", [1, 2])
def test_a_fit_that_was_killed_goes_on_with_the_same_bits(fitted, tmp_path, monkeypatch, written):
    genuine, count = Checkpoint.write, 0

    def killed_after(checkpoint, state):
        nonlocal count
        genuine(checkpoint, state)
        count += 1
        if count == written:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", killed_after)
        with pytest.raises(KeyboardInterrupt):
            fit_line(tmp_path)
    assert read_arrays(tmp_path / "checkpoint.npz", "checkpoint").arrays["curve"][-1, 0] == 20 * written
    trainable, curve = fit_line(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, trainable, fitted[0])
    np.testing.assert_array_equal(curve, fitted[1])
    again, _ = fit_line(tmp_path)  # what comes after a fit may be killed too
    jax.tree.map(np.testing.assert_array_equal, again, fitted[0])


def test_a_checkpoint_of_other_data_is_not_used(fitted, tmp_path):
    fit_line(tmp_path, replace(SCHEDULE, epochs=20), fingerprint="another")
    assert (tmp_path / "checkpoint.npz").exists()
    trainable, curve = fit_line(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, trainable, fitted[0])
    np.testing.assert_array_equal(curve, fitted[1])


def test_the_fit_stops_when_validation_no_longer_improves_and_returns_the_best(tmp_path):
    # Validation wants the first parameters, from which training only leads away.
    away = {"x": jnp.ones((4, 2)), "y": jnp.zeros(4)}
    schedule = replace(SCHEDULE, epochs=1000, checkpoint_interval=1, patience=5, learning_rate=0.02)
    trainable, curve = fit_line(tmp_path, schedule, validation=away)
    best = int(np.argmin(curve[:, 2]))
    assert curve[-1, 0] == curve[best, 0] + 5
    assert len(curve) < 50
    np.testing.assert_allclose(squared_error(trainable, away), curve[best, 2], rtol=1e-12)


def test_an_interval_that_does_not_divide_the_epochs_ends_with_them(tmp_path):
    _, curve = fit_line(tmp_path, replace(SCHEDULE, epochs=7, checkpoint_interval=5))
    np.testing.assert_array_equal(curve[:, 0], [5, 7])


def test_a_fit_that_diverges_is_an_error(tmp_path):
    def infinite(trainable, data):
        return squared_error(trainable, data) / 0.0

    with pytest.raises(CampaignError, match=r"diverged at epoch 20.*learning rate.*dataset/frames\.csv"):
        fit_line(tmp_path, loss=infinite)


def test_batches_larger_than_the_data_are_the_data(tmp_path):
    schedule = replace(SCHEDULE, batch_size=100)
    assert schedule.steps_per_epoch(36) == 1
    assert SCHEDULE.steps_per_epoch(36) == 4
    trainable, _ = fit_line(tmp_path, replace(schedule, epochs=200, patience=200, checkpoint_interval=200))
    np.testing.assert_allclose(trainable["slope"], SLOPE, atol=0.02)


def test_a_schedule_comes_from_its_settings():
    settings = PotentialTrainingSettings(
        epochs=5,
        batch_size=2,
        optimiser="soap",
        learning_rate=0.1,
        final_learning_rate=0.01,
        patience=3,
        checkpoint_interval=1,
    )
    assert Schedule.from_settings(settings, 9) == Schedule(5, 2, "soap", 0.1, 0.01, 3, 1, 9)


def soap_by_loops(start, gradients, rate, turned=True):
    """The steps of SOAP for one matrix in plain NumPy, its basis turned at every tenth of them; or Adam's."""
    weights, mean, squares = start.copy(), np.zeros_like(start), np.zeros_like(start)
    rows, columns = (np.zeros((size, size)) for size in start.shape)
    left, right = (np.eye(size) for size in start.shape)
    for number, gradient in enumerate(gradients):
        rows = 0.95 * rows + 0.05 * gradient @ gradient.T
        columns = 0.95 * columns + 0.05 * gradient.T @ gradient
        if number % 10 == 0 and turned:
            left, right = np.linalg.qr(rows @ left)[0], np.linalg.qr(columns @ right)[0]
        mean = 0.95 * mean + 0.05 * gradient
        squares = 0.95 * squares + 0.05 * (left.T @ gradient @ right) ** 2
        correction = 1.0 - 0.95 ** (number + 1)
        direction = (left.T @ mean @ right / correction) / (np.sqrt(squares / correction) + 1e-8)
        weights = weights - rate * left @ direction @ right.T
    return weights


def test_soap_takes_the_steps_of_its_algorithm():
    """A stack of two matrices each by itself, and a vector as Adam would."""
    generator = np.random.default_rng(4)
    gradients = {"stack": generator.normal(size=(25, 2, 3, 3)), "vector": generator.normal(size=(25, 3))}
    start = {"stack": generator.normal(size=(2, 3, 3)), "vector": generator.normal(size=3)}
    optimiser = soap(lambda _: 0.1)

    @jax.jit
    def run(weights):
        def step(carry, gradient):
            weights, state = carry
            updates, state = optimiser.update(gradient, state, weights)
            return (optax.apply_updates(weights, updates), state), None

        return jax.lax.scan(step, (weights, optimiser.init(weights)), gradients)[0][0]

    found = run(jax.tree.map(jnp.asarray, start))
    for number in range(2):
        expected = soap_by_loops(start["stack"][number], gradients["stack"][:, number], 0.1)
        np.testing.assert_allclose(found["stack"][number], expected, rtol=1e-9)
    expected = soap_by_loops(start["vector"][None], gradients["vector"][:, None], 0.1, turned=False)
    np.testing.assert_allclose(found["vector"], expected[0], rtol=1e-9)


def test_soap_needs_fewer_steps_than_adam_where_inputs_are_correlated(tmp_path):
    """A linear map of inputs of which the spreads along the eigenvectors of their correlation differ tenfold."""
    generator = np.random.default_rng(5)
    turn = np.linalg.qr(generator.normal(size=(6, 6)))[0]
    x = generator.normal(size=(64, 6)) * np.geomspace(0.1, 1.0, 6) @ turn
    data = {"x": jnp.asarray(x), "y": jnp.asarray(x @ generator.normal(size=(6, 4)))}

    def error(trainable, data):
        return jnp.mean((data["x"] @ trainable["map"] - data["y"]) ** 2)

    left = {}
    for name in ("adam", "soap"):
        schedule = replace(SCHEDULE, optimiser=name, epochs=40, checkpoint_interval=40)
        start = {"map": jnp.zeros((6, 4))}
        both = {"train": data, "validation": data}
        _, curve = fit(error, start, both, schedule, Checkpoint(tmp_path / "checkpoint.npz", name))
        left[name] = curve[-1, 2]
    assert left["soap"] < 0.1 * left["adam"]


def padded_boxes():
    """Three frames of two molecules, one of them lacking the last atom."""
    system, positions = water_box(2, TRICLINIC)
    shaken = np.asarray(positions) + np.random.default_rng(7).normal(0.0, 0.05, (3, *positions.shape))
    frames = LabelledFrames.unlabelled(np.asarray(system.species), shaken, TRICLINIC)
    species = frames.species.copy()
    species[2, 5] = -1
    return random_model(POTENTIAL, system, positions), replace(frames, species=species)


@pytest.fixture(scope="module")
def labelled():
    """A potential, and frames that it labelled itself: but for padding, and one frame without stress."""
    model, frames = padded_boxes()
    data = with_neighbours(frames, POTENTIAL.cutoff, jnp.float64)
    energies, forces, stresses = (values.copy() for values in evaluate(model, data))
    stresses[1] = np.nan
    forces[2, 5] = np.nan
    return model, replace(frames, energies=energies, forces=forces, stresses=stresses)


WEIGHTS = LabelWeights(energy=100.0, force=1.0, stress=10.0)


@pytest.fixture(scope="module")
def loss_of():
    """(model, frames) -> label loss."""
    compiled = jax.jit(label_loss, static_argnums=(0, 3))

    def run(model, frames):
        data = with_neighbours(frames, POTENTIAL.cutoff, jnp.float64)
        return float(compiled(model.architecture, model.parameters, data, WEIGHTS))

    return run


def test_the_loss_of_a_models_own_labels_is_zero(labelled, loss_of):
    assert loss_of(*labelled) < 1e-20


def test_the_loss_is_the_weighted_mean_of_squares(labelled, loss_of):
    model, frames = labelled
    energies, forces, stresses = frames.energies.copy(), frames.forces.copy(), frames.stresses.copy()
    energies[0] += 0.6  # of 6 atoms
    forces[1, 2, 0] += 0.3  # of 18 components
    stresses[2, 0, 1] += 1e-3  # of 9 components, 5 atoms
    volume = abs(np.linalg.det(TRICLINIC))
    expected = (100.0 * 0.1**2 + 0.09 / 18 + 10.0 * (1e-3 * volume / 5) ** 2 / 9) / 3
    found = loss_of(model, replace(frames, energies=energies, forces=forces, stresses=stresses))
    assert found == pytest.approx(expected, rel=1e-9)


def test_errors_and_parity_count_atoms_not_padding(labelled):
    model, frames = labelled
    forces = frames.forces + np.where(np.arange(6) == 0, 0.05, 0.0)[:, None]  # on the first oxygen atom
    frames = replace(frames, energies=frames.energies + 0.03, forces=forces)
    predicted = evaluate(model, with_neighbours(frames, 3.0, jnp.float64))
    errors = label_errors(predicted, frames, ["O", "H"])
    assert errors["force O"] == (pytest.approx(1e3 * 0.05 / np.sqrt(2)), "meV/Å")
    assert errors["force H"] == (pytest.approx(0.0, abs=1e-9), "meV/Å")
    assert errors["force"] == (pytest.approx(1e3 * 0.05 * np.sqrt(3 / 17)), "meV/Å")
    expected = np.sqrt(np.mean([5.0**2, 5.0**2, 6.0**2]))
    assert errors["energy"] == (pytest.approx(expected), "meV/atom")
    assert errors["stress"] == (pytest.approx(0.0, abs=1e-9), "MPa")
    energies, forces = parity(predicted, frames)
    assert (energies.quantity, energies.unit, forces.quantity) == ("energies", "eV/atom", "forces")
    assert len(forces.labelled) == 3 * 17
    np.testing.assert_allclose(energies.labelled - energies.predicted, [0.005, 0.005, 0.006], rtol=1e-9)


def test_energy_offsets_are_found_and_taken_away():
    species = np.array([[0, 1, 1, 0, 1, 1], [0, 1, 1, -1, -1, -1], [0, 0, 1, 1, 1, -1]])
    frames = LabelledFrames.unlabelled(species, np.zeros((3, 6, 3)), np.eye(3))
    energies = np.array([2 * -430.0 + 4 * -13.6, -430.0 + 2 * -13.6, 2 * -430.0 + 3 * -13.6])
    frames = replace(frames, energies=energies)
    offsets = fit_energy_offsets(frames, 2)
    np.testing.assert_allclose(offsets, [-430.0, -13.6], rtol=1e-10)
    np.testing.assert_allclose(less_offsets(frames, offsets).energies, 0.0, atol=1e-9)


def test_offsets_of_a_single_composition_share_the_mean_energy():
    frames = LabelledFrames.unlabelled(np.array([0, 1, 1]), np.zeros((4, 3, 3)), np.eye(3))
    frames = replace(frames, energies=np.array([-468.0, -467.0, -469.0, -468.0]))
    relative = less_offsets(frames, fit_energy_offsets(frames, 2)).energies
    np.testing.assert_allclose(relative, [0.0, 1.0, -1.0, 0.0], atol=1e-9)


def test_constants_normalise_the_features_and_begin_the_repulsion_below_the_data():
    _, frames = padded_boxes()
    data = with_neighbours(frames, POTENTIAL.cutoff, jnp.float64)
    model = create_model(POTENTIAL, ELEMENTS, jax.random.key(2)).cast(jnp.float64).with_constants_fitted(data)
    network, constants = model.architecture.network, model.parameters["constants"]

    def features(species, positions, cell, neighbours):
        vectors = displacements(positions, cell, neighbours)
        return network.features(model.parameters, species, vectors, neighbours.indices)

    values = np.asarray(jax.jit(lambda data: data.evaluate(features))(data))
    for element in range(2):
        own = values[np.asarray(frames.species) == element]
        np.testing.assert_allclose(constants["feature_mean"][element], own.mean(axis=0), rtol=1e-9)
        scale = np.maximum(own.std(axis=0), 1e-3 * own.std(axis=0).max())
        np.testing.assert_allclose(constants["feature_scale"][element], scale, rtol=1e-6)
    radii = np.asarray(constants["repulsion_radii"])
    np.testing.assert_allclose(radii, radii.T)
    assert radii[0, 1] == pytest.approx(REPULSION_ONSET * 0.96, abs=0.2)  # the bond in a molecule, shaken
    assert 1.1 < radii[1, 1] < 1.7


def test_features_that_hardly_change_are_not_blown_up():
    features = np.zeros((1, 3, 2))
    features[0, :, 0] = [1.0, 2.0, 3.0]  # the second is constant
    found = feature_statistics(features, np.zeros((1, 3), int), 1)
    spread = np.std([1.0, 2.0, 3.0])
    np.testing.assert_allclose(found["feature_scale"], [[spread, 1e-3 * spread]])
    np.testing.assert_allclose(found["feature_mean"], [[2.0, 0.0]])


def test_shortest_distances_are_those_of_pairs_within_the_cutoff():
    positions = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.2, 0.0], [9.0, 9.0, 9.0]]])
    frames = LabelledFrames.unlabelled(np.array([0, 1, 1, -1]), positions, 9.5 * np.eye(3))
    found = shortest_distances(with_neighbours(frames, 2.0, jnp.float64), 2)
    np.testing.assert_allclose(found, [[np.inf, 1.0], [1.0, np.sqrt(1.0 + 1.44)]])


def test_the_repulsion_of_pairs_that_were_never_seen_is_short():
    positions = np.array([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.2, 0.0]]])
    frames = LabelledFrames.unlabelled(np.array([0, 1, 1]), positions, 9.5 * np.eye(3))
    data = with_neighbours(frames, POTENTIAL.cutoff, jnp.float64)
    model = create_model(POTENTIAL, ELEMENTS, jax.random.key(2)).cast(jnp.float64).with_constants_fitted(data)
    radii = np.asarray(model.parameters["constants"]["repulsion_radii"])
    np.testing.assert_allclose(radii / REPULSION_ONSET, [[1.0, 1.0], [1.0, np.sqrt(1.0 + 1.44)]])


def test_lists_of_frames_grow_until_all_neighbours_fit():
    crowded = np.random.default_rng(1).uniform(9.0, 11.0, (1, 30, 3))
    frames = LabelledFrames.unlabelled(np.zeros(30, int), crowded, 20.0 * np.eye(3))
    data = with_neighbours(frames, 4.0, jnp.float32)
    assert not bool(np.any(data.neighbours.overflow))
    assert np.sum(data.neighbours.filled) == 30 * 29
    assert data.frames.positions.dtype == jnp.float32


def test_the_anchor_is_the_label_loss_and_its_derivative(labelled):
    model, frames = labelled
    offsets = [-3.0, 0.5]
    counts = np.stack([np.sum(frames.species == element, axis=1) for element in range(2)], axis=1)
    noisy = replace(
        frames,
        energies=frames.energies + counts @ offsets + 0.05,
        forces=frames.forces + np.random.default_rng(2).normal(0.0, 0.1, frames.forces.shape),
    )
    model = replace(model, metadata={"energy_offsets_eV": offsets})
    settings = AnchorSettings(energy_weight=50.0, force_weight=2.0, weight=1e3)
    value, gradient = anchor_gradient(model, noisy, settings, jnp.float64)

    data = with_neighbours(less_offsets(noisy, np.array(offsets)), POTENTIAL.cutoff, jnp.float64)
    vector, restore = flat_parameters(model.parameters["trainable"])

    @jax.jit
    def loss(vector):
        parameters = {**model.parameters, "trainable": restore(vector)}
        return label_loss(model.architecture, parameters, data, LabelWeights(50.0, 2.0, 0.0))

    assert value == pytest.approx(float(loss(vector)), rel=1e-10)
    direction = np.random.default_rng(3).normal(size=len(vector))
    direction /= np.linalg.norm(direction)
    # A central difference errs by step² times the third derivative, about that of the first, and rounding by 1e-9.
    difference = (loss(vector + 1e-5 * direction) - loss(vector - 1e-5 * direction)) / 2e-5
    assert gradient @ direction == pytest.approx(float(difference), rel=1e-6)


def test_dipole_surfaces_have_no_repulsion_to_set():
    _, frames = padded_boxes()
    data = with_neighbours(frames, DIPOLE.cutoff, jnp.float32)
    model = create_model(DIPOLE, ELEMENTS, jax.random.key(2)).cast(jnp.float32).with_constants_fitted(data)
    assert model.parameters["constants"].keys() == {"feature_mean", "feature_scale"}
    assert {leaf.dtype for leaf in jax.tree.leaves(model.parameters)} == {np.dtype("float32")}
