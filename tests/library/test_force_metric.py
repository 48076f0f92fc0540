"""The metric of the forces and the natural gradient step in it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from systems import CUBIC, POTENTIAL, random_model, water_box

from dynrefine.files.models import flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.refinement import force_metric
from dynrefine.refinement.force_metric import (
    Products,
    Rows,
    drawn_directions,
    force_probes,
    gram_of,
    natural_step,
    rows_fit,
)
from dynrefine.surfaces.base import energy_forces_stress

pytestmark = pytest.mark.usefixtures("fast_compilation")


@pytest.fixture(scope="module")
def boxes():
    """A random potential and three configurations."""
    system, positions = water_box(3, CUBIC)
    model = random_model(POTENTIAL, system, positions)
    shaken = np.asarray(positions) + np.random.default_rng(3).normal(0.0, 0.05, (3, *positions.shape))
    return model, LabelledFrames.unlabelled(np.asarray(system.species), shaken, CUBIC)


def everything(model):
    """The numbers of all trainable parameters."""
    return np.arange(len(flat_parameters(model.parameters["trainable"])[0]))


def test_probes_measure_the_change_of_the_forces(boxes):
    model, frames = boxes
    count = 3000
    directions = drawn_directions(frames, count, jax.random.key(0), jnp.float64)
    rows = force_probes(model, frames, directions, everything(model), jnp.float64)
    vector, restore = flat_parameters(model.parameters["trainable"])
    direction = np.random.default_rng(1).normal(size=len(vector))
    data = with_neighbours(frames, model.architecture.cutoff, jnp.float64)

    @jax.jit
    def forces(vector):
        parameters = {**model.parameters, "trainable": restore(vector)}
        return data.evaluate(lambda *frame: energy_forces_stress(model.architecture, parameters, *frame)[1])

    shift = 1e-5 * direction
    change = (forces(vector + shift) - forces(vector - shift)) / 2e-5
    expected = float(jnp.mean(change**2))
    # a mean of squares of count normal numbers, of different variances in the three frames, has a relative error of
    # about sqrt(2 / count) = 2.6 %
    assert np.mean((rows @ direction) ** 2) == pytest.approx(expected, rel=4 * np.sqrt(2 / count) * 1.5)


def test_step_is_the_best_of_its_length():
    generator = np.random.default_rng(2)
    rows, gradient = generator.normal(size=(7, 20)), generator.normal(size=20)
    damping, radius = 0.2, 0.01
    metric = rows.T @ rows / len(rows)
    metric += damping * np.trace(metric) / 20 * np.eye(20)
    solved = np.linalg.solve(metric, gradient)
    expected = -radius * solved / np.sqrt(gradient @ solved)
    optimiser = natural_step(Rows(rows), damping, radius)
    step, _ = optimiser.update(jnp.asarray(gradient), optimiser.init(jnp.zeros(20)))
    np.testing.assert_allclose(step, expected, rtol=1e-10)
    assert step @ metric @ step == pytest.approx(radius**2)
    for other in generator.normal(size=(50, 20)):
        other *= radius / np.sqrt(other @ metric @ other)
        assert gradient @ np.asarray(step) <= gradient @ other


def test_no_gradient_moves_nothing():
    optimiser = natural_step(Rows(np.ones((2, 3))), 0.1, 0.01)
    step, _ = optimiser.update(jnp.zeros(3), optimiser.init(jnp.zeros(3)))
    assert np.all(np.asarray(step) == 0.0)


@pytest.mark.parametrize("every", [1, 2])
def test_products_make_the_same_step_as_rows_in_memory(boxes, monkeypatch, every):
    """Of a network whose parameters are refined, all or every other, to 1e-5; the rows are taken three at a time."""
    model, frames = boxes
    directions = drawn_directions(frames, 8, jax.random.key(1), jnp.float64)
    refined = everything(model)[::every]
    rows = force_probes(model, frames, directions, refined, jnp.float64)
    assert rows.shape == (9, len(refined)) and rows_fit(refined, directions)
    monkeypatch.setattr(force_metric, "_BLOCK", 3 * rows.shape[1])
    gram = gram_of(model, frames, directions, refined)
    np.testing.assert_allclose(gram, rows @ rows.T, rtol=1e-9, atol=1e-12 * np.abs(gram).max())
    products = Products(model, frames, np.asarray(directions), gram, refined)
    gradient = np.random.default_rng(4).normal(size=rows.shape[1])
    steps = [
        natural_step(metric, 0.1, 5e-3).update(jnp.asarray(gradient), optax.EmptyState())[0]
        for metric in (Rows(rows), products)
    ]
    assert np.linalg.norm(steps[1] - steps[0]) < 1e-5 * np.linalg.norm(steps[0])
