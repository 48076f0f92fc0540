"""Surfaces that are refined with the potential: one model, one gradient, and steps of their own length."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import CUBIC, DIPOLE, ELEMENTS, POTENTIAL, all_neighbours, random_model, vector_of, water_box

from dynrefine.config.base import TrainableSettings
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.config.optimiser import RowSettings, StepSettings
from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import InfraredSettings
from dynrefine.config.surfaces.embedded_atoms import PolarizabilitySettings
from dynrefine.config.surfaces.joined import JoinedSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.dynamics import mapping
from dynrefine.dynamics.force_field import ForceField, force_field
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.errors import CampaignError
from dynrefine.files.models import (
    create_model,
    joined,
    load_model,
    read_surfaces,
    save_model,
)
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.system import thermal_velocities
from dynrefine.properties.base import Conditions
from dynrefine.properties.infrared import Infrared
from dynrefine.quantities.base import Observer
from dynrefine.refinement.gradient_check import (
    CheckedLosses,
    compare_with_backpropagation,
    compare_with_finite_differences,
)
from dynrefine.refinement.natural_gradient import Rows, Ruler
from dynrefine.refinement.refined_surface import LabelledSurface, surface_anchor, surface_probes
from dynrefine.refinement.total_gradient import (
    Gradient,
    parameter_scales,
    placed,
    refined_parameters,
    surface_scales,
)
from dynrefine.refinement.update import step
from dynrefine.registry import plug_in
from dynrefine.statistics import Estimate
from dynrefine.surfaces.joined import JoinedSurfaces, architectures_of, joined_parameters

pytestmark = pytest.mark.usefixtures("fast_compilation")

KELVIN = 300.0
TIMES = ObservationTimes(timestep=0.5, count=6, stride=2, kept=6)
SETTINGS = JoinedSettings.of({"potential": POTENTIAL, "dipole": DIPOLE})
POLARIZABILITY = PolarizabilitySettings(cutoff=2.5, radial_functions=2, hidden_layers=[4])


@pytest.fixture(scope="module")
def box():
    return water_box(2, CUBIC)


@pytest.fixture(scope="module")
def surfaces(box):
    potential, dipole = (random_model(settings, *box) for settings in (POTENTIAL, DIPOLE))
    potential = potential.with_trainable(potential.parameters["trainable"], energy_offsets_eV=[-3.0, -1.0])
    return {"potential": potential, "dipole": dipole}


@pytest.fixture(scope="module")
def model(surfaces):
    return joined(surfaces, SETTINGS, ELEMENTS)


def assert_same_model(found, expected):
    assert found.architecture == expected.architecture and found.settings == expected.settings
    jax.tree.map(np.testing.assert_array_equal, found.parameters, expected.parameters)


def test_a_joined_model_is_read_as_it_was_written_and_comes_apart_again(model, surfaces, tmp_path):
    path = tmp_path / "updated_potential.npz"
    save_model(path, model.with_trainable(model.parameters["trainable"], iteration=3))
    found = load_model(path, SETTINGS, ELEMENTS)
    assert_same_model(found, model)
    apart = read_surfaces(path)
    assert list(apart) == ["potential", "dipole"]
    for name, each in apart.items():
        assert_same_model(each, surfaces[name])
        assert each.metadata["iteration"] == 3
    assert apart["potential"].metadata["energy_offsets_eV"] == [-3.0, -1.0]


def test_a_single_surface_is_itself(surfaces):
    assert surfaces["potential"].surfaces() == {"potential": surfaces["potential"]}
    assert surfaces["dipole"].surfaces("dipole") == {"dipole": surfaces["dipole"]}
    assert architectures_of(surfaces["potential"].architecture) == [surfaces["potential"].architecture]


@pytest.mark.parametrize("kind", ["network", "pairs with products of their own"])
def test_forces_and_their_products_are_those_of_the_potential(box, surfaces, kind):
    """And the dipole surface has no part in them."""
    system, positions = box
    potential = surfaces["potential"]
    if kind != "network":
        pairs = LennardJonesSettings(kind="lennard_jones", sigma=1.5, epsilon=1.0, cutoff=2.6)
        potential = create_model(pairs, ELEMENTS[:1], jax.random.key(0))
    species = system.species if kind == "network" else 0 * system.species
    both = JoinedSurfaces(potential.architecture, (("dipole", surfaces["dipole"].architecture),))
    parameters = joined_parameters(
        {"potential": potential.parameters, "dipole": surfaces["dipole"].parameters}
    )
    neighbours = all_neighbours(positions, system.cell, both.cutoff)
    g = jnp.asarray(np.random.default_rng(2).normal(size=positions.shape))

    def products(architecture, parameters):
        field = ForceField(architecture, 0.0, 64, (1, 1, 1), 1)
        return jax.jit(field.forces_and_products)(parameters, species, positions, system.cell, neighbours, g)

    of_both = products(both, parameters)
    of_potential = products(potential.architecture, potential.parameters)
    for own, expected in zip(of_both[:2], of_potential[:2], strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-12, atol=1e-14)
    by_parameters = of_both[2]
    jax.tree.map(
        lambda own, expected: np.testing.assert_allclose(own, expected, rtol=1e-12, atol=1e-14),
        by_parameters["potential"],
        of_potential[2],
    )
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(by_parameters["dipole"]))


@pytest.fixture(scope="module")
def infrared(box, model):
    """The loss of an infrared spectrum whose dipole surface belongs to what is differentiated."""
    system, positions = box
    shifts = np.random.default_rng(3).normal(0.0, 0.05, (3, *positions.shape))
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, KELVIN))
    starts = system.points(positions[None] + shifts, draw(jax.random.split(jax.random.key(4), 3)))
    observer = Observer.of(["dipole_derivative"], {})
    field = force_field(
        architectures_of(model.architecture),
        np.asarray(starts.cell),
        len(system.species),
        NeighbourSettings(neighbour_skin=1.0, neighbour_capacity=64),
    )
    simulation = Simulation(field, TIMES, observer, Observer({}, {}), model.parameters, system)
    settings = InfraredSettings(
        target=None, window=8.0, resolution=300.0, bands=[Band(range=(300.0, 4500.0), weight=1.0)]
    )
    conditions = Conditions(KELVIN, system.volume, len(system.species), 1.0)
    curve = np.array([[0.0, 0.0], [2000.0, 3000.0], [5000.0, 500.0]])
    observable = Infrared.from_settings(settings, curve, conditions)
    return CheckedLosses(simulation, {"infrared": observable}, KELVIN, starts)


def test_the_gradient_by_all_parameters_is_that_of_backpropagation_and_of_differences(infrared, model):
    rows, adjoint = compare_with_backpropagation(infrared, tolerance=1e-9, precision="float64")
    assert rows[0]["relative_error"] < 1e-10
    for surface in ("potential", "dipole"):
        own = np.flatnonzero(surface_scales(model, surface, TrainableSettings()))
        assert np.linalg.norm(adjoint[0][own]) > 1e-3 * np.linalg.norm(adjoint)
    for row in compare_with_finite_differences(infrared, adjoint, displacement=1e-5, count=2, seed=0):
        # displacement² times third derivatives of some hundred times the first, and rounding
        assert row["relative_error"] < 1e-6, row


def labelled_frames(box):
    """Shaken boxes with labels of all kinds that are nobody's predictions."""
    system, positions = box
    generator = np.random.default_rng(6)
    shaken = np.asarray(positions) + generator.normal(0.0, 0.1, (5, *positions.shape))
    frames = LabelledFrames.unlabelled(np.asarray(system.species), shaken, np.asarray(system.cell))
    return replace(
        frames,
        dipoles=generator.normal(0.0, 0.4, frames.dipoles.shape),
        local_dipoles=generator.normal(0.0, 0.4, frames.local_dipoles.shape),
        polarizabilities=generator.normal(2.0, 0.4, frames.polarizabilities.shape),
    )


def labelled_surface(box, task):
    settings = POLARIZABILITY if task == "polarizability" else DIPOLE
    own = random_model(settings, *box, scale=1.0)
    return LabelledSurface.of(own, plug_in("training", task).TASK, labelled_frames(box), jnp.float64)


TASKS = ["dipole", "local_dipole", "polarizability"]


@pytest.mark.parametrize("task", TASKS)
def test_the_anchor_is_the_relative_error_on_the_frames(box, task):
    """In units of the spread of the labels; its gradient is that of differences."""
    surface = labelled_surface(box, task)
    loss, gradient = surface_anchor(surface)
    predicted, labelled = (
        np.asarray(each)
        for each in surface.compared(surface.model.architecture, surface.model.parameters, surface.data)
    )
    spread = np.sum((labelled - labelled.mean(axis=0)) ** 2)
    assert loss == pytest.approx(np.sum((predicted - labelled) ** 2) / spread, rel=1e-10)
    vector = vector_of(surface.model)
    direction = np.random.default_rng(1).normal(size=len(vector))
    direction /= np.linalg.norm(direction)
    above, below = (
        surface_anchor(replace(surface, model=surface.model.moved(sign * 1e-5 * direction)))[0]
        for sign in (1.0, -1.0)
    )
    assert (above - below) / 2e-5 == pytest.approx(gradient @ direction, rel=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_a_surface_held_where_it_began_is_free_there_and_nowhere_else(box, task):
    """Elsewhere its anchor is the change of its predictions in units of the spread of the labels."""
    labelled = labelled_surface(box, task)
    held = replace(labelled, beginning=labelled.model)
    loss, gradient = surface_anchor(held)
    assert loss == 0.0 and not np.any(gradient)

    vector = vector_of(labelled.model)
    direction = np.random.default_rng(2).normal(size=len(vector))
    direction /= np.linalg.norm(direction)
    moved = labelled.model.moved(0.05 * direction)
    before, after = (
        np.asarray(labelled.compared(own.architecture, own.parameters, labelled.data)[0])
        for own in (labelled.model, moved)
    )
    loss, gradient = surface_anchor(replace(held, model=moved))
    assert loss == pytest.approx(np.sum((after - before) ** 2) / labelled.spread, rel=1e-10)
    above, below = (
        surface_anchor(replace(held, model=moved.moved(sign * 1e-5 * direction)))[0] for sign in (1.0, -1.0)
    )
    assert (above - below) / 2e-5 == pytest.approx(gradient @ direction, rel=1e-6)


# Probes of five frames: for each one less than 16 molecules have components of dipoles, and more than those.
RANDOM, EXACT = 235, 4000


@pytest.mark.parametrize(
    ("task", "count", "error"),
    # A mean of squares of normal numbers, of different variances in the five frames: relative error sqrt(2 / count)
    # and a little more.
    [*((task, EXACT, 1e-7) for task in TASKS), ("local_dipole", RANDOM, 4 * np.sqrt(2 / RANDOM) * 1.5)],
)
def test_the_metric_tells_how_far_predictions_move(box, task, count, error):
    """In units of the spread of the labels, along a change of parameters that are refined."""
    surface = labelled_surface(box, task)
    refined = refined_parameters(surface.model, TrainableSettings(trainable=["layers/*"]))
    rows = surface_probes(surface, refined, count, jax.random.key(0))
    vector = vector_of(surface.model)
    components = surface.compared(surface.model.architecture, surface.model.parameters, surface.data)[0].size
    assert rows.shape == (min(count, components), len(refined)) and 0 < len(refined) < len(vector)
    change = np.zeros(len(vector))
    change[refined] = np.random.default_rng(1).normal(size=len(refined))
    moved = [
        np.asarray(surface.compared(surface.model.architecture, own.parameters, surface.data)[0])
        for own in (surface.model.moved(1e-5 * change), surface.model.moved(-1e-5 * change))
    ]
    expected = np.sum(((moved[0] - moved[1]) / 2e-5) ** 2) / surface.spread
    assert np.mean((rows @ change[refined]) ** 2) == pytest.approx(expected, rel=error)


def test_a_metric_that_does_not_fit_is_told(box, monkeypatch):
    surface = labelled_surface(box, "dipole")
    refined = refined_parameters(surface.model, TrainableSettings())
    monkeypatch.setattr(mapping, "LARGEST_METRIC", 10 * len(refined) - 1)
    with pytest.raises(CampaignError, match=rf"10 probes of {len(refined)} parameters.*expected.*trainable"):
        surface_probes(surface, refined, 6, jax.random.key(0))


def test_each_surface_takes_a_step_of_its_own_and_no_other_moves(model):
    size = len(vector_of(model))
    generator = np.random.default_rng(8)
    scales = {
        "potential": parameter_scales(model, RowSettings(trainable=["layers/*"])),
        "dipole": surface_scales(model, "dipole", TrainableSettings(trainable=["!orbitals/*"])),
    }
    nothing, moved = Estimate(np.zeros(size), np.zeros(size)), model
    for own in scales.values():
        free = np.flatnonzero(own)
        rows = generator.normal(size=(3 * len(free), len(free)))
        gradient = Gradient(nothing, nothing, own * generator.normal(size=size), own)
        before = vector_of(moved)
        settings = StepSettings(shrink_noise=False, damping=0.1)
        moved, _, _ = step(moved, gradient, settings, None, Ruler(Rows(rows), 0.02))
        change = vector_of(moved) - before
        assert set(np.flatnonzero(change)) == set(free)
        metric = rows.T @ rows / len(rows)
        metric += 0.1 * np.trace(metric) / len(free) * np.eye(len(free))
        assert np.sqrt(change[free] @ metric @ change[free]) == pytest.approx(0.02, rel=1e-9)
    assert not np.any(scales["potential"] * scales["dipole"])


def test_a_vector_of_a_surface_finds_its_place(model, surfaces):
    own = vector_of(surfaces["dipole"])
    together = placed(model, "dipole", own) + placed(model, "potential", vector_of(surfaces["potential"]))
    np.testing.assert_array_equal(together, vector_of(model))
