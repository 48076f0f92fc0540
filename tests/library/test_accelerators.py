"""The programs that a GPU would run: lowered for CUDA, and run on the CPU beside those of the CPU."""

from functools import partial

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from systems import CUBIC, DIPOLE, POTENTIAL, cast, field_of, random_model, water_box

from dynrefine.dynamics.adjoint import adjoint_leg
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation, propagate
from dynrefine.dynamics.mapping import for_each
from dynrefine.dynamics.replicas import DIRECTIONS, both_ways
from dynrefine.geometry.system import thermal_velocities
from dynrefine.quantities.base import Observer

pytestmark = pytest.mark.usefixtures("fast_compilation")


def simulation(reversal, dtype, observed="dipole_derivative"):
    """Four molecules of water with their dipole, or what is asked for, observed, and two starting points."""
    system, positions = water_box(4, CUBIC)
    model, dipole = (random_model(each, system, positions) for each in (POTENTIAL, DIPOLE))
    system, positions, parameters = cast((system, positions, model.parameters), dtype)
    observe = Observer.of([observed], {"dipole": dipole.cast(dtype)})
    times = ObservationTimes(timestep=0.5, count=4, stride=2, kept=4, reversal=reversal)
    field = field_of(model.architecture, CUBIC, rebuild_interval=4)
    velocities = thermal_velocities(jax.random.key(0), system.masses, 300.0)
    starts = system.points(
        jnp.stack([positions, positions + 0.01]), jnp.stack([velocities, 0.9 * velocities])
    )
    starts = times.arithmetic.represented(starts, times.timestep)
    return Simulation(field, times, observe, Observer({}, {}), parameters, system), starts


def legs(simulation, starts):
    """Forward legs of all starting points."""
    return for_each(both_ways(partial(propagate, simulation)))(starts)


def legs_back(simulation, legs):
    """Their adjoint, the series as seeds."""

    def one(positions, velocities, *others):
        return adjoint_leg(simulation, simulation.system.points(positions, velocities), *others)

    def both(positions, velocities, seeds, lists):
        directions = jnp.asarray(DIRECTIONS, simulation.system.masses.dtype)
        return for_each(one)(positions, velocities, directions, seeds, lists)

    return for_each(both)(legs.positions, legs.velocities, legs.series, legs.lists)


@pytest.mark.slow
@pytest.mark.parametrize("reversal", ["floating", "exact"])
def test_trajectories_and_adjoints_are_lowered_for_cuda(reversal, monkeypatch):
    own, starts = simulation(reversal, jnp.float32)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    there = jax.export.export(jax.jit(legs), platforms=["cuda"])(own, starts)
    ends = jax.eval_shape(legs, own, starts)[0]
    back = jax.export.export(jax.jit(legs_back), platforms=["cuda"])(own, ends)
    assert there.platforms == back.platforms == ("cuda",)


@pytest.mark.slow
def test_replicas_all_at_once_run_as_one_by_one(monkeypatch):
    own, starts = simulation("floating", jnp.float64, "velocities")

    def both():
        there = jax.jit(lambda *arguments: legs(*arguments))(own, starts)
        return there, jax.jit(lambda *arguments: legs_back(*arguments))(own, there[0])

    one_by_one = both()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    at_once = both()
    for found, expected in zip(jax.tree.leaves(at_once), jax.tree.leaves(one_by_one), strict=True):
        scale = np.max(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)  # sums in another order
