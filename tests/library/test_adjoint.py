"""The reversible adjoint against automatic differentiation of the trajectory and against finite differences."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import POTENTIAL, TRICLINIC, SoftPairs, cast, field_of, random_model, water_box

from dynrefine.dynamics.adjoint import adjoint_leg
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation, propagate
from dynrefine.files.models import flat_parameters
from dynrefine.geometry.system import thermal_velocities
from dynrefine.quantities.base import Observer

pytestmark = pytest.mark.usefixtures("fast_compilation")

FRAMES = ObservationTimes(timestep=0.5, count=6, stride=3, kept=6)
DIRECTIONS = jnp.array([1.0, -1.0])
NOTHING = Observer({}, {})


def observe(potential, system, point, neighbours):
    """Series that are not linear in the state: of positions, of velocities, of both, and of a potential of pairs.

    Networks compile for long: what is observed of them is tested with the pressure.
    """
    positions, velocities = point.positions, point.velocities
    series = {
        "positions": jnp.sin(positions),
        "velocities": 10.0 * velocities**2,
        "both": jnp.sum(positions[:, :, None] * velocities[:, None, :], axis=0),
    }
    if not isinstance(potential.architecture, SoftPairs):
        return series
    own = potential.parameters, system.species, positions, point.cell, neighbours
    energy, gradient = jax.value_and_grad(potential.architecture.energy, argnums=2)(*own)
    virial = jnp.sum(positions[:, :, None] * gradient[:, None, :], axis=0)
    return {**series, "energy": energy, "virial": virial}


def random_seeds(**shapes):
    """dL/d(series) [2, frames, ...] for both directions of time."""
    generator = np.random.default_rng(5)
    return {name: jnp.asarray(generator.normal(size=(2, FRAMES.count, *s))) for name, s in shapes.items()}


def loss(field, rematerialise, parameters, system, seeds, direction, trainable, positions, velocities):
    """The loss of one leg whose derivative by its series are the seeds."""
    own = Simulation(field, FRAMES, observe, NOTHING, {**parameters, "trainable": trainable}, system)
    leg, _ = propagate(own, system.points(positions, velocities), direction, rematerialise)
    return sum(jax.tree.leaves(jax.tree.map(lambda seed, series: jnp.sum(seed * series), seeds, leg.series)))


@partial(jax.jit, static_argnums=(0, 1))
def gradient_of_each(field, rematerialise, parameters, system, positions, velocities, seeds):
    """dL/d(trainable, positions, velocities) by automatic differentiation of each direction of time."""

    def one(seeds, direction):
        own_loss = partial(loss, field, rematerialise, parameters, system, seeds, direction)
        return jax.grad(own_loss, argnums=(0, 1, 2))(parameters["trainable"], positions, velocities)

    return jax.vmap(one)(seeds, DIRECTIONS)


@partial(jax.jit, static_argnums=(0, 1))
def gradient_of_sum(field, rematerialise, parameters, system, positions, velocities, seeds):
    """The same of the sum of both, which differentiates what is vectorised, not the other way about."""

    def total(trainable, positions, velocities):
        own_loss = partial(loss, field, rematerialise, parameters, system)
        return jnp.sum(
            jax.vmap(own_loss, in_axes=(0, 0, None, 0, 0))(
                seeds, DIRECTIONS, trainable, positions, velocities
            )
        )

    both = jnp.stack([positions, positions]), jnp.stack([velocities, velocities])
    return jax.grad(total, argnums=(0, 1, 2))(parameters["trainable"], *both)


@partial(jax.jit, static_argnums=0)
def by_adjoint(field, parameters, system, positions, velocities, seeds):
    """Forwards, then the adjoint from where the leg ended; for both directions of time."""

    def one(seeds, direction):
        simulation = Simulation(field, FRAMES, observe, NOTHING, parameters, system)
        leg, _ = propagate(simulation, system.points(positions, velocities), direction)
        return adjoint_leg(simulation, system.points(leg.positions, leg.velocities), direction, seeds)

    return jax.vmap(one)(seeds, DIRECTIONS.astype(positions.dtype))


def derivatives(leg):
    """What the adjoint found, as `differentiated` returns it."""
    return leg.gradient, leg.position_cotangent, leg.velocity_cotangent


def relative_difference(found, reference) -> float:
    """The largest of all leaves' differences by their norms."""

    def ratio(a, b):
        return jnp.linalg.norm(a.astype(b.dtype) - b) / jnp.linalg.norm(b)

    ratios = jax.tree.map(ratio, found, reference)
    return max(map(float, jax.tree.leaves(ratios)))


@pytest.fixture(scope="module")
def network():
    """Two molecules on a random network potential: field, parameters and start."""
    system, positions = water_box(2, TRICLINIC)
    model = random_model(POTENTIAL, system, positions)
    velocities = thermal_velocities(jax.random.key(1), system.masses, 300.0)
    return (
        field_of(model.architecture, system.cell, rebuild_interval=6),
        model.parameters,
        (
            system,
            positions,
            velocities,
        ),
    )


@pytest.fixture(scope="module")
def pairs(network):
    """The same on a pair potential, which compiles faster."""
    architecture = SoftPairs()
    field = field_of(architecture, network[2][0].cell, rebuild_interval=9)
    return field, architecture.initial_parameters(), network[2]


@pytest.fixture(scope="module")
def seeds():
    """Cotangents of all series."""
    return random_seeds(positions=(6, 3), velocities=(6, 3), both=(3, 3), energy=(), virial=(3, 3))


@pytest.fixture(scope="module")
def seeds_of_network(seeds):
    """Cotangents of what is observed on the network potential."""
    return {name: seeds[name] for name in ("positions", "velocities", "both")}


@pytest.fixture(scope="module")
def adjoint(network, seeds_of_network):
    """The adjoint legs on the network potential."""
    field, parameters, start = network
    leg, faults = by_adjoint(field, parameters, *start, seeds_of_network)
    assert not jnp.any(faults.overflow | faults.outrun)
    return leg


@pytest.fixture(scope="module")
def adjoint_of_pairs(pairs, seeds):
    """The adjoint legs on the pair potential."""
    field, parameters, start = pairs
    return by_adjoint(field, parameters, *start, seeds)[0]


def test_the_adjoint_of_the_network_is_its_rematerialised_backpropagation(network, seeds_of_network, adjoint):
    field, parameters, start = network
    reference = gradient_of_each(field, True, parameters, *start, seeds_of_network)
    # States are regenerated to 1e-14, and 18 steps at 300 K hardly amplify that.
    assert relative_difference(derivatives(adjoint), reference) < 1e-10


def test_the_adjoint_of_pairs_is_their_naive_backpropagation(pairs, seeds, adjoint_of_pairs):
    field, parameters, start = pairs
    reference = gradient_of_sum(field, False, parameters, *start, seeds)
    gradient, *cotangents = derivatives(adjoint_of_pairs)
    summed = jax.tree.map(lambda leaf: leaf.sum(axis=0), gradient)
    assert relative_difference((summed, *cotangents), reference) < 1e-10


def test_the_reversed_trajectory_comes_back_to_its_start(network, adjoint):
    _, _, (_, positions, velocities) = network
    for direction in range(2):
        np.testing.assert_allclose(adjoint.positions[direction], positions, atol=1e-12)
        np.testing.assert_allclose(adjoint.velocities[direction], velocities, atol=1e-13)


def test_the_adjoint_of_the_network_is_the_finite_difference(network, seeds_of_network, adjoint):
    field, parameters, start = network
    system, positions, velocities = start
    forwards = jax.tree.map(lambda seed: seed[0], seeds_of_network)
    vector, restore = flat_parameters(parameters["trainable"])
    value = jax.jit(partial(loss, field, False, parameters, system, forwards, DIRECTIONS[0]))
    directions = [
        jax.random.normal(jax.random.key(k), a.shape) for k, a in enumerate((vector, positions, velocities))
    ]
    # Velocities are some 0.02 Å/fs, so that their displacement is smaller.
    directions[2] = 0.01 * directions[2]
    gradient = flat_parameters(jax.tree.map(lambda leaf: leaf[0], adjoint.gradient))[0]
    parts = gradient, adjoint.position_cotangent[0], adjoint.velocity_cotangent[0]
    step = 1e-5
    for index, (direction, part) in enumerate(zip(directions, parts, strict=True)):

        def displaced(sign, index=index, direction=direction):
            point = [vector, positions, velocities]
            point[index] = point[index] + sign * step * direction
            return value(restore(point[0]), *point[1:])

        expected = (displaced(1) - displaced(-1)) / (2 * step)
        # Errors: step² times the third derivative, and rounding of 1e-14 by the step.
        np.testing.assert_allclose(jnp.sum(part * direction), expected, rtol=1e-6)


def test_the_adjoint_in_single_precision(network, seeds_of_network, adjoint):
    field, parameters, start = network
    single, _ = by_adjoint(field, *cast((parameters, *start, seeds_of_network), jnp.float32))
    assert {leaf.dtype for leaf in jax.tree.leaves(single)} == {np.dtype("float32")}
    # Positions of some Å are regenerated to 1e-6 Å, which the Hessian and the derivatives turn into 1e-4 at most.
    assert relative_difference(derivatives(single), derivatives(adjoint)) < 1e-3


def test_seeds_of_the_first_frame_reach_the_start_and_the_parameters_of_what_is_observed(
    pairs, seeds, adjoint_of_pairs
):
    field, parameters, (system, positions, velocities) = pairs
    first = jax.tree.map(lambda seed: jnp.zeros_like(seed).at[:, 0].set(seed[:, 0]), seeds)
    leg, _ = by_adjoint(field, parameters, system, positions, velocities, first)
    simulation = Simulation(field, FRAMES, observe, NOTHING, parameters, system)
    neighbours = field.neighbours(positions, system.cell)
    _, pull = jax.vjp(
        lambda trainable, x, v: simulation.observed(observe, trainable, system.points(x, v), neighbours),
        parameters["trainable"],
        positions,
        velocities,
    )
    for direction in range(2):
        explicit, by_position, by_velocity = pull({name: seed[direction, 0] for name, seed in seeds.items()})
        for found, expected in zip(*map(jax.tree.leaves, (leg.gradient, explicit)), strict=True):
            np.testing.assert_allclose(found[direction], expected, rtol=1e-10)
        np.testing.assert_allclose(leg.position_cotangent[direction], by_position, atol=1e-12)
        np.testing.assert_allclose(leg.velocity_cotangent[direction], by_velocity, atol=1e-12)


def test_it_does_not_matter_when_lists_are_rebuilt(pairs, seeds, adjoint_of_pairs):
    field, parameters, start = pairs
    leg, _ = by_adjoint(replace(field, rebuild_interval=1), parameters, *start, seeds)
    assert relative_difference(derivatives(leg), derivatives(adjoint_of_pairs)) < 1e-10


def test_memory_does_not_grow_with_the_length_of_the_trajectory(pairs):
    field, parameters, (system, positions, velocities) = pairs

    def temporary_bytes(count):
        frames = ObservationTimes(0.5, count, 1, count)
        seeds = {"series": jnp.zeros((count, 3))}

        def leg(parameters, positions, velocities, seeds):
            def mean_velocity(potential, system, point, neighbours):
                return {"series": jnp.mean(point.velocities, axis=0)}

            simulation = Simulation(field, frames, mean_velocity, NOTHING, parameters, system)
            return adjoint_leg(simulation, system.points(positions, velocities), jnp.ones(()), seeds)

        compiled = jax.jit(leg).lower(parameters, positions, velocities, seeds).compile()
        return compiled.memory_analysis().temp_size_in_bytes, seeds["series"].nbytes

    short, short_seeds = temporary_bytes(40)
    long, long_seeds = temporary_bytes(400)
    assert long - long_seeds <= 1.05 * short
    assert short > short_seeds  # or nothing was measured
