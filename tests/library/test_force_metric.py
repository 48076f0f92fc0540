"""The metric of the forces and the natural gradient step in it."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quasi_newton import dense_step
from systems import CUBIC, ELEMENTS, POTENTIAL, random_model, water_box

from dynrefine.campaign.job import Job
from dynrefine.config.steps import MeasureForceMetric
from dynrefine.datasets.arrays import from_arrays
from dynrefine.datasets.writing import write_frames
from dynrefine.dynamics import mapping
from dynrefine.files.models import flat_parameters, save_model
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.refinement import force_metric
from dynrefine.refinement.force_metric import Products, drawn_directions, force_probes
from dynrefine.refinement.natural_gradient import MEMORY, Rows, Ruler, damped, natural_step
from dynrefine.refinement.total_gradient import refined_parameters
from dynrefine.steps.loading_metric import load_metric
from dynrefine.steps.measure_force_metric import measure_force_metric
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


def walk(optimiser, gradient_at, start, count):
    """Where the steps of an optimiser lead from a place."""
    place, state, places = start, optimiser.init(jnp.asarray(start)), [start]
    for _ in range(count):
        with jax.numpy_dtype_promotion("standard"):  # Optax divides by counts of steps
            change, state = optimiser.update(jnp.asarray(gradient_at(place)), state)
        place = place + np.asarray(change)
        places.append(place)
    return np.array(places)


def first_step(optimiser, gradient):
    """What an optimiser does first."""
    return walk(optimiser, lambda place: gradient, np.zeros_like(gradient), 1)[1]


def test_step_is_the_best_of_its_length():
    generator = np.random.default_rng(2)
    rows, gradient = generator.normal(size=(7, 20)), generator.normal(size=20)
    damping, radius = 0.2, 0.01
    metric = rows.T @ rows / len(rows)
    metric += damping * np.trace(metric) / 20 * np.eye(20)
    solved = np.linalg.solve(metric, gradient)
    expected = -radius * solved / np.sqrt(gradient @ solved)
    step = first_step(natural_step(Ruler(Rows(rows), radius), damping), gradient)
    np.testing.assert_allclose(step, expected, rtol=1e-10)
    assert step @ metric @ step == pytest.approx(radius**2)
    for other in generator.normal(size=(50, 20)):
        other *= radius / np.sqrt(other @ metric @ other)
        assert gradient @ np.asarray(step) <= gradient @ other


def test_no_gradient_moves_nothing():
    optimiser = natural_step(Ruler(Rows(np.ones((2, 3))), 0.01), 0.1)
    assert np.all(np.asarray(first_step(optimiser, np.zeros(3))) == 0.0)


def test_steps_shorten_where_those_of_a_fixed_length_would_leap_over_the_optimum():
    """A paraboloid, half as curved along some directions as along others; the first step is ten times too long."""
    generator = np.random.default_rng(8)
    rows, damping = generator.normal(size=(40, 10)), 0.1
    gram = rows.T @ rows / len(rows)
    metric = gram + damping * np.trace(gram) / 10 * np.eye(10)
    root = np.linalg.cholesky(metric)
    curvature = root @ np.diag(np.linspace(1.0, 2.0, 10)) @ root.T
    start = generator.normal(size=10)
    distance = np.sqrt(start @ metric @ start)
    ruler = Ruler(Rows(rows), 10.0 * distance)
    places = walk(natural_step(ruler, damping), lambda place: curvature @ place, start, 12)
    distances = np.sqrt(np.einsum("np,pq,nq->n", places, metric, places))
    assert distances[1] > 8.0 * distance and distances[-1] < 1e-3 * distance
    # Along one direction a parabola through both slopes is exact: the second step ends at the optimum.
    along = walk(natural_step(ruler, damping), lambda place: 3.0 * metric @ place, start, 2)
    np.testing.assert_allclose(along[2], 0.0, atol=1e-9)


def test_no_step_would_bring_what_is_fitted_below_zero_as_steeply_as_it_begins():
    generator = np.random.default_rng(11)
    metric, gradient = Rows(generator.normal(size=(7, 20))), generator.normal(size=20)
    bound = np.asarray(first_step(natural_step(Ruler(metric, 10.0, fitted=0.4), 0.2), gradient))
    assert -bound @ gradient == pytest.approx(0.4)
    free = np.asarray(first_step(natural_step(Ruler(metric, 0.01, fitted=0.4), 0.2), gradient))
    assert -free @ gradient < 0.4
    assert damped(metric, 0.2, 20).length(free) == pytest.approx(0.01)


def test_steps_are_those_of_a_dense_quasi_newton_method():
    """More steps than are remembered, along some of which the objective bends downwards: those are left out."""
    generator, count = np.random.default_rng(12), MEMORY + 6
    rows = generator.normal(size=(30, 20))
    metric = rows.T @ rows / 30
    metric += 0.1 * np.mean(np.diag(metric)) * np.eye(20)
    hessian = np.diag(np.linspace(-0.2, 3.0, 20))
    seen = []

    def gradient_at(place):
        seen.append(hessian @ place + 0.1 * generator.normal(size=20))
        return seen[-1]

    places = walk(
        natural_step(Ruler(Rows(rows), 1.0), 0.1, 0.9), gradient_at, generator.normal(size=20), count
    )
    found, pairs, left_out, shorter = np.diff(places, axis=0), [], 0, 0
    for number, (step, gradient) in enumerate(zip(found, seen, strict=True)):
        radius = 0.9**number
        expected = dense_step(pairs, gradient, metric, radius)
        np.testing.assert_allclose(step, expected, rtol=1e-8, atol=1e-10)
        shorter += np.sqrt(step @ metric @ step) < 0.99 * radius
        if number + 1 < count:
            change = seen[number + 1] - gradient
            bends_upwards = step @ change > 0.0
            left_out += not bends_upwards
            pairs = [*pairs, (step, change)][-MEMORY:] if bends_upwards else pairs
    assert len(pairs) == MEMORY and left_out > 0 and shorter > 0


def test_noise_shortens_no_step():
    """Gradients of nothing else: what they say of bends is nothing, and they are followed as far as is allowed."""
    generator, size = np.random.default_rng(9), 2_000
    metric = Rows(generator.normal(size=(40, size)))
    optimiser = natural_step(Ruler(metric, 1.0), 100.0)
    places = walk(optimiser, lambda place: generator.normal(size=size), np.zeros(size), 12)
    length = damped(metric, 100.0, size).length
    np.testing.assert_allclose([length(step) for step in np.diff(places, axis=0)], 1.0, rtol=1e-9)


def test_a_step_is_shortened_by_the_share_of_its_gradient_that_is_no_noise():
    """As a whole, also where its own bend decides how long it is."""
    generator = np.random.default_rng(13)
    metric, start = Rows(generator.normal(size=(30, 6))), generator.normal(size=6)
    hessian = np.diag(np.linspace(1.0, 3.0, 6))

    def second_step(share):
        first = natural_step(Ruler(metric, 0.1), 0.1)
        change, state = first.update(jnp.asarray(hessian @ start), first.init(jnp.asarray(start)))
        then = natural_step(Ruler(metric, 1e3, share=share), 0.1)
        return np.asarray(then.update(jnp.asarray(hessian @ (start + change)), state)[0])

    np.testing.assert_allclose(second_step(0.3), 0.3 * second_step(1.0), rtol=1e-12)


@pytest.mark.parametrize("trainable", [[], ["layers/*/weights"]], ids=["all", "some"])
def test_products_make_the_same_step_as_rows_in_memory(boxes, monkeypatch, tmp_path, trainable):
    """Through the files of the step that measures them, to 1e-5; the rows are taken two at a time."""
    model, frames = boxes
    settings = MeasureForceMetric(
        elements=ELEMENTS, potential=POTENTIAL, optimiser={"probes": 8, "trainable": trainable}
    )
    save_model(tmp_path / "potential.npz", model)
    write_frames(tmp_path / "train.extxyz", from_arrays(frames, settings.symbols, "boxes"))

    def measured(name):
        files = SimpleNamespace(
            potential=tmp_path / "potential.npz",
            measured_potential=tmp_path / "potential.npz",
            train=tmp_path / "train.extxyz",
            measured_frames=tmp_path / "train.extxyz",
            metric=tmp_path / f"{name}.npz",
        )
        job = Job(files, files, seed=1, precision="float64")
        measure_force_metric(job, settings)
        return load_metric(job, settings)

    dense = measured("rows")
    refined = refined_parameters(model, settings.optimiser)
    assert isinstance(dense, Rows) and dense.rows.shape == (9, len(refined))
    monkeypatch.setattr(mapping, "LARGEST_METRIC", dense.rows.size - 1)
    monkeypatch.setattr(force_metric, "_BLOCK", 2 * len(refined))
    products = measured("gram")
    assert isinstance(products, Products)
    np.testing.assert_allclose(products.gram, dense.gram, rtol=1e-9, atol=1e-12 * np.abs(dense.gram).max())
    gradient = np.random.default_rng(4).normal(size=len(refined))
    steps = [first_step(natural_step(Ruler(metric, 5e-3), 0.1), gradient) for metric in (dense, products)]
    assert np.linalg.norm(steps[1] - steps[0]) < 1e-5 * np.linalg.norm(steps[0])


def test_products_search_for_neighbours_and_compile_once(boxes, monkeypatch):
    model, frames = boxes
    directions = np.asarray(drawn_directions(frames, 3, jax.random.key(0), jnp.float64))
    products = Products(model, frames, directions, np.eye(3), everything(model))
    change, searches = np.random.default_rng(5).normal(size=len(everything(model))), []

    def search(*arguments):
        searches.append(arguments)
        return with_neighbours(*arguments)

    monkeypatch.setattr(force_metric, "with_neighbours", search)
    first = products.along(change), products.pulled_back(np.ones(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", None)  # no program is made anew
        again = products.along(2.0 * change), products.pulled_back(2.0 * np.ones(3))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_allclose(two, 2.0 * one, rtol=1e-12)
    assert len(searches) == 1
