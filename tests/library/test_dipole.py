"""The dipole surface: vector under rotation, defined modulo the polarisation quantum, exact in its derivative."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from systems import DIPOLE, TRICLINIC, all_neighbours, cast, random_model, rotation, water_box

from dynrefine.errors import CampaignError
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.training import local_dipole
from dynrefine.training.dipole import TASK, dipole_errors, dipole_loss, nearest_branch, prepared

pytestmark = pytest.mark.usefixtures("fast_compilation")

# Dipoles of some e Å from charges times positions of some 10 Å, in double precision.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def box():
    """Two molecules in a skewed cell, and a random dipole surface."""
    system, positions = water_box(2, TRICLINIC)
    return system, positions, random_model(DIPOLE, system, positions)


@pytest.fixture(scope="module")
def evaluate(box):
    """(positions, cell) -> learned dipole, total dipole, with a fresh list."""
    system, _, model = box
    surface = model.architecture

    @jax.jit
    def both(*point):
        return (
            surface.learned_dipole(model.parameters, system.species, *point),
            surface.dipole(model.parameters, system.species, *point),
        )

    def run(positions, cell):
        positions, cell = jnp.asarray(positions), jnp.asarray(cell)
        return both(positions, cell, all_neighbours(positions, cell, surface.cutoff))

    return run


def test_the_dipole_turns_with_atoms_and_cell(box, evaluate):
    system, positions, _ = box
    turn = rotation(np.random.default_rng(8))
    learned, total = evaluate(positions, system.cell)
    assert jnp.linalg.norm(learned) > 0.1
    turned_learned, turned_total = evaluate(positions @ turn.T, system.cell @ turn.T)
    np.testing.assert_allclose(turned_learned, turn @ learned, atol=ROUNDING)
    np.testing.assert_allclose(turned_total, turn @ total, atol=ROUNDING)


def test_the_dipole_changes_sign_under_inversion(box, evaluate):
    system, positions, _ = box
    learned, total = evaluate(positions, system.cell)
    inverted_learned, inverted_total = evaluate(-positions, system.cell)
    np.testing.assert_allclose(inverted_learned, -learned, atol=ROUNDING)
    np.testing.assert_allclose(inverted_total, -total, atol=ROUNDING)


def test_the_dipole_of_a_neutral_box_is_the_same_wherever_the_origin_lies(box, evaluate):
    system, positions, _ = box
    learned, total = evaluate(positions, system.cell)
    moved_learned, moved_total = evaluate(positions + jnp.array([[2.0, -7.0, 0.4]]), system.cell)
    np.testing.assert_allclose(moved_learned, learned, atol=ROUNDING)
    np.testing.assert_allclose(moved_total, total, atol=20 * ROUNDING)


def test_wrapping_atoms_changes_the_dipole_by_whole_quanta(box, evaluate):
    system, positions, model = box
    cells_away = np.random.default_rng(9).integers(-2, 3, positions.shape).astype(float)
    learned, total = evaluate(positions, system.cell)
    wrapped_learned, wrapped_total = evaluate(positions + cells_away @ system.cell, system.cell)
    np.testing.assert_allclose(wrapped_learned, learned, atol=ROUNDING)
    charges = np.asarray(model.architecture.atomic_charges(model.parameters, system.species, jnp.float64))
    quanta = (wrapped_total - total) @ jnp.linalg.inv(system.cell)
    np.testing.assert_allclose(quanta, charges @ cells_away, atol=20 * ROUNDING)
    assert np.any(charges @ cells_away != 0)


def test_the_derivative_is_that_along_the_velocities(box, evaluate):
    system, positions, model = box
    velocities = jnp.asarray(np.random.default_rng(10).normal(0.0, 0.02, positions.shape))
    lists = all_neighbours(positions, system.cell, model.architecture.cutoff)
    derivative = jax.jit(model.architecture.dipole_derivative)(
        model.parameters, system.species, positions, velocities, system.cell, lists
    )
    step = 1e-3  # fs: atoms move by 1e-5 Å, and the error is of second order in that
    _, after = evaluate(positions + step * velocities, system.cell)
    _, before = evaluate(positions - step * velocities, system.cell)
    np.testing.assert_allclose(derivative, (after - before) / (2 * step), rtol=1e-7, atol=1e-9)


def test_the_written_gradient_of_the_derivative_is_that_of_finite_differences(box):
    system, positions, model = box
    generator = np.random.default_rng(12)
    velocities = jnp.asarray(generator.normal(0.0, 1.0, positions.shape))
    # which makes the cell count
    positions += generator.integers(-2, 3, positions.shape).astype(float) @ system.cell
    lists = all_neighbours(positions, system.cell, model.architecture.cutoff)

    @jax.jit
    def derivative(trainable, positions, velocities, cell):
        own = {**model.parameters, "trainable": trainable}
        return model.architecture.dipole_derivative(own, system.species, positions, velocities, cell, lists)

    point = (model.parameters["trainable"], positions, velocities, system.cell)
    # Defaults: steps of 1e-5 in double precision, to a relative 1e-5.
    check_grads(derivative, point, order=1, modes=["rev"])


def test_the_derivative_does_not_see_wrapping_nor_a_common_velocity(box):
    system, positions, model = box
    generator = np.random.default_rng(11)
    velocities = jnp.asarray(generator.normal(0.0, 0.02, positions.shape))
    compiled = jax.jit(model.architecture.dipole_derivative)

    def derivative(positions, velocities):
        lists = all_neighbours(positions, system.cell, model.architecture.cutoff)
        return compiled(model.parameters, system.species, positions, velocities, system.cell, lists)

    wrapped = positions + generator.integers(-2, 3, positions.shape).astype(float) @ system.cell
    reference = derivative(positions, velocities)
    np.testing.assert_allclose(derivative(wrapped, velocities), reference, atol=ROUNDING)
    drifting = derivative(positions, velocities + jnp.array([[0.1, 0.0, -0.2]]))
    np.testing.assert_allclose(drifting, reference, atol=ROUNDING)


def test_single_precision_agrees_to_its_rounding(box, evaluate):
    system, positions, model = box
    _, total = evaluate(positions, system.cell)
    system, positions, model = (
        cast(system, jnp.float32),
        positions.astype(jnp.float32),
        model.cast(jnp.float32),
    )
    lists = all_neighbours(positions, system.cell, model.architecture.cutoff)
    single = jax.jit(model.architecture.dipole)(
        model.parameters, system.species, positions, system.cell, lists
    )
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, total, atol=1e-5)


def test_padding_has_neither_charge_nor_dipole(box, evaluate):
    system, positions, model = box
    species = jnp.append(system.species, jnp.array([-1], system.species.dtype))
    padded = jnp.concatenate([positions, jnp.array([[1.0, 2.0, 3.0]])])
    lists = all_neighbours(padded, system.cell, model.architecture.cutoff, present=species >= 0)
    found = jax.jit(model.architecture.dipole)(model.parameters, species, padded, system.cell, lists)
    np.testing.assert_allclose(found, evaluate(positions, system.cell)[1], atol=ROUNDING)


def test_the_nearest_branch_is_found_in_skewed_cells():
    generator = np.random.default_rng(12)
    small = generator.uniform(-0.4, 0.4, (20, 3)) @ TRICLINIC
    quanta = generator.integers(-5, 6, (20, 3)) @ TRICLINIC
    cells = jnp.broadcast_to(jnp.asarray(TRICLINIC), (20, 3, 3))
    np.testing.assert_allclose(nearest_branch(jnp.asarray(small + quanta), cells), small, atol=ROUNDING)


def test_the_loss_is_blind_to_the_branch_of_the_labels(box, evaluate):
    system, positions, model = box
    _, total = evaluate(positions, system.cell)
    error = np.array([0.03, -0.01, 0.02])
    frames = LabelledFrames.unlabelled(system.species, positions[None], system.cell)
    for quanta in ([0, 0, 0], [1, -2, 3]):
        label = np.asarray(total) + error + np.array(quanta) @ TRICLINIC
        frames.dipoles[0] = label
        data = with_neighbours(frames, model.architecture.cutoff, jnp.float64)
        loss = dipole_loss(model.architecture, model.parameters, data)
        # Mean over three components, per atom: |error|² / (3 · 6).
        np.testing.assert_allclose(loss, error @ error / 18, rtol=1e-9)


def test_the_dipoles_around_atoms_add_up_and_their_loss_is_a_mean_of_squares(box, evaluate):
    system, positions, model = box
    learned, _ = evaluate(positions, system.cell)
    frames = LabelledFrames.unlabelled(
        np.append(system.species, -1), np.append(positions, [[0.0] * 3], axis=0)[None], system.cell
    )
    data = with_neighbours(frames, model.architecture.cutoff, jnp.float64)
    local = local_dipole.predictions(model.architecture, model.parameters, data)
    np.testing.assert_allclose(np.sum(local[0], axis=0), learned, atol=ROUNDING)
    np.testing.assert_array_equal(local[0, -1], 0.0)
    errors = np.random.default_rng(13).normal(0.0, 0.1, local.shape)
    labelled = replace(data, frames=replace(data.frames, local_dipoles=local + errors))
    expected = np.mean(errors[0, :-1] ** 2)
    loss = local_dipole.loss(model.architecture, model.parameters, labelled)
    np.testing.assert_allclose(loss, expected, rtol=1e-9)
    said = local_dipole.errors((np.asarray(local), np.asarray(local + errors)), frames, ["O", "H"])
    oxygens = np.asarray(frames.species) == 0
    assert said["dipole around O"] == (pytest.approx(np.sqrt(np.mean(errors[oxygens] ** 2))), "e Å")
    relative = 100 * said["dipole around O"][0] / np.std((local + errors)[oxygens])
    assert said["dipole around O, relative to its spread"] == (pytest.approx(relative), "%")


def test_errors_and_parity_are_blind_to_how_frames_are_wrapped(box):
    system, positions, model = box
    generator = np.random.default_rng(14)
    shaken = np.asarray(positions) + generator.normal(0.0, 0.05, (3, *positions.shape))
    images = generator.integers(-1, 2, shaken.shape) @ TRICLINIC
    labels = generator.normal(0.0, 0.3, (3, 3))

    def judged(positions):
        frames = LabelledFrames.unlabelled(system.species, positions, TRICLINIC)
        frames.dipoles[:] = labels
        evaluated = TASK.evaluate(model, with_neighbours(frames, model.architecture.cutoff, jnp.float64))
        (pairs,) = TASK.parity(evaluated, frames)
        errors = TASK.errors(evaluated, frames, ["O", "H"])
        return [value for value, _ in errors.values()], pairs.labelled, pairs.predicted

    for found, expected in zip(judged(shaken + images), judged(shaken), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_single_label_has_no_spread_that_an_error_could_be_part_of():
    one = np.array([[1.0, 2.0, 3.0]])
    frames = LabelledFrames.unlabelled(np.array([0]), one[None], np.eye(3))
    found = dipole_errors((one + 0.1, one), frames, ["O"])
    assert found == {"dipole": (pytest.approx(0.1), "e Å"), "spread of the labels": (0.0, "e Å")}


def test_frames_without_dipoles_around_atoms_are_named():
    frames = LabelledFrames.unlabelled(np.array([0, 1, 1]), np.zeros((2, 3, 3)), np.eye(3))
    with pytest.raises(CampaignError, match=r"validation\.extxyz has dipoles around its atoms"):
        local_dipole.prepared({"validation": frames}, 2)
    frames.local_dipoles[1] = 0.5
    chosen, _ = local_dipole.prepared({"validation": frames}, 2)
    np.testing.assert_array_equal(chosen["validation"].local_dipoles, np.full((1, 3, 3), 0.5))


def test_frames_without_dipoles_are_named():
    frames = LabelledFrames.unlabelled(np.array([0, 1, 1]), np.zeros((2, 3, 3)), np.eye(3))
    with pytest.raises(CampaignError, match=r"validation\.extxyz has a dipole.*files of the data set"):
        prepared({"validation": frames}, 2)
    frames.dipoles[1] = 0.5
    chosen, _ = prepared({"train": frames}, 2)
    np.testing.assert_array_equal(chosen["train"].dipoles, [[0.5, 0.5, 0.5]])
