"""Many replicas at once, in both directions of time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.dynamics.force_field import require_finite, with_sufficient_lists
from dynrefine.dynamics.leapfrog import Leg, Simulation, propagate
from dynrefine.dynamics.mapping import for_each

DIRECTIONS = (1.0, -1.0)


def run_legs(
    simulation: Simulation, positions: Float[Array, "S N 3"], velocities: Float[Array, "S N 3"]
) -> Leg:
    """Trajectories both ways in time from every starting point.

    Arguments:
        simulation: what the trajectories have in common.
        positions: starting points, Å.
        velocities: Å/fs.

    Returns:
        legs with two leading axes: starting point, direction of time (forwards, backwards).

    Raises:
        CampaignError: neighbour lists cannot follow, or the energy is not finite.
    """
    times = simulation.times

    @partial(jax.jit, compiler_options=times.arithmetic.compiler_options)
    def all_legs(simulation: Simulation, positions: Any, velocities: Any) -> Any:
        return for_each(both_ways(partial(propagate, simulation)))(positions, velocities)

    starts = times.arithmetic.represented(positions, velocities, simulation.system, times.timestep)
    legs = with_sufficient_lists(
        lambda field: all_legs(replace(simulation, field=field), *starts), simulation.field
    )
    require_finite(legs.energies, times.timestep)
    return legs


def both_ways(leg: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """From leg(positions, velocities, direction) a function that takes both directions of time from a start."""

    def both(positions: jax.Array, velocities: jax.Array) -> Any:
        directions = jnp.asarray(DIRECTIONS, positions.dtype)
        return for_each(partial(leg, positions, velocities))(directions)

    return both
