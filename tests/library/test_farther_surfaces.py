"""A surface that sees farther than the potential: lists reach as far, and the potential has one of its own."""

from dataclasses import replace
from functools import partial

import ase.neighborlist
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import DIPOLE, TRICLINIC, SoftPairs, all_neighbours, random_model, water_box
from test_adjoint import relative_difference

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.dynamics.adjoint import adjoint_leg
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation, propagate
from dynrefine.geometry.system import thermal_velocities
from dynrefine.quantities.base import Observer
from dynrefine.surfaces.base import Surface

pytestmark = pytest.mark.usefixtures("fast_compilation")

CUTOFF = 4.5  # of the dipole surface, Å; that of the potential is 3
SKIN = 0.4
LISTS = NeighbourSettings(neighbour_skin=SKIN, rebuild_interval=4, neighbour_capacity=160)
TIMES = ObservationTimes(timestep=0.5, count=6, stride=2, kept=6)
POTENTIAL = SoftPairs()


@pytest.fixture(scope="module")
def start():
    system, positions = water_box(2, TRICLINIC)
    return system, system.points(positions, thermal_velocities(jax.random.key(1), system.masses, 300.0))


@pytest.fixture(scope="module")
def dipole(start):
    system, point = start
    model = random_model(DIPOLE.model_copy(update={"cutoff": CUTOFF}), system, point.positions)
    return Surface(model.architecture, model.parameters)


@pytest.fixture(scope="module")
def simulation(start, dipole):
    """Trajectories along which the dipole surface is observed, and positions and velocities with it."""
    system, point = start
    observer = Observer.of(["dipole_derivative", "positions", "velocities"], {"dipole": dipole})
    seen = [POTENTIAL, *observer.architectures]
    field = force_field(seen, np.asarray(point.cell)[None], len(system.species), LISTS)
    return Simulation(field, TIMES, observer, Observer({}, {}), POTENTIAL.initial_parameters(), system)


@pytest.fixture(scope="module")
def leg(start, simulation):
    return jax.jit(partial(propagate, simulation))(start[1], jnp.array(1.0))


def test_lists_hold_what_the_surface_sees_and_a_shorter_one_what_the_potential_sees(start, simulation):
    _, point = start
    found = simulation.field.neighbours(point.positions, point.cell)
    for each, reach in ((found, CUTOFF + SKIN), (found.of_potential, POTENTIAL.cutoff + SKIN)):
        pairs = ase.neighborlist.primitive_neighbor_list(
            "i", [True] * 3, np.asarray(point.cell), np.asarray(point.positions), reach
        )
        assert not each.overflow
        np.testing.assert_array_equal(each.filled.sum(axis=1), np.bincount(pairs, minlength=6))
    assert found.of_potential.indices.shape[1] < found.indices.shape[1]


def test_the_surface_is_observed_with_all_that_it_sees(start, dipole, leg):
    system, point = start
    (own, _), (architecture, parameters) = leg, dipole

    @jax.jit
    def by_itself(positions, velocities):
        neighbours = all_neighbours(positions, point.cell, CUTOFF)
        return neighbours.overflow, architecture.dipole_derivative(
            parameters, system.species, positions, velocities, point.cell, neighbours
        )

    for frame in range(TIMES.count):
        series = {name: values[frame] for name, values in own.series.items()}
        overflow, expected = by_itself(series["positions"], series["velocities"])
        assert not overflow
        np.testing.assert_allclose(series["dipole_derivative"], expected, rtol=1e-10)


def test_the_adjoint_is_that_of_backpropagation(start, simulation, leg):
    _, point = start
    generator = np.random.default_rng(3)
    seeds = {name: jnp.asarray(generator.normal(size=each.shape)) for name, each in leg[0].series.items()}

    @jax.jit
    def backpropagated(trainable):
        def loss(trainable):
            own = {**simulation.parameters, "trainable": trainable}
            found, _ = propagate(
                replace(simulation, parameters=own), point, jnp.array(1.0), rematerialise=True
            )
            return sum(jnp.sum(seeds[name] * found.series[name]) for name in seeds)

        return jax.grad(loss)(trainable)

    @jax.jit
    def adjoint(end):
        return adjoint_leg(simulation, end, jnp.array(1.0), seeds)[0].gradient

    end = start[0].points(leg[0].positions, leg[0].velocities)
    expected = backpropagated(simulation.parameters["trainable"])
    assert relative_difference(adjoint(end), expected) < 1e-10


def test_a_list_without_room_for_what_the_surface_sees_is_told(start, simulation):
    _, point = start
    field = simulation.field.with_capacity(8)
    found = field.neighbours(point.positions, point.cell)
    assert found.overflow
    assert not field.with_more_room(*found.needed.tolist()).neighbours(point.positions, point.cell).overflow
