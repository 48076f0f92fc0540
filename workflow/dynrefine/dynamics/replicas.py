"""Many replicas at once, in both directions of time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.adjoint import AdjointLeg, adjoint_leg
from dynrefine.dynamics.force_field import ForceField, with_sufficient_lists
from dynrefine.dynamics.leapfrog import Leg, RecordedLists, Simulation, propagate
from dynrefine.dynamics.mapping import for_each
from dynrefine.errors import CampaignError

DIRECTIONS = (1.0, -1.0)


def run_legs(
    simulation: Simulation,
    positions: jax.Array,
    velocities: jax.Array,
) -> Leg:
    """Trajectories both ways in time from every starting point.

    Arguments:
        simulation: see there.
        positions: starting points [S, N, 3], Å.
        velocities: [S, N, 3], Å/fs.

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


def walk_legs_back(
    simulation: Simulation,
    positions: jax.Array,
    velocities: jax.Array,
    seeds: Any,
    lists: RecordedLists | None = None,
) -> AdjointLeg:
    """The adjoint of `run_legs`; arguments as there, but where each leg ended [S, 2, N, 3], its seeds and its lists.

    Returns:
        adjoint legs with two leading axes: starting point, direction of time.
    """

    @partial(jax.jit, compiler_options=simulation.times.arithmetic.compiler_options)
    def all_legs(simulation: Simulation, *ends: Any) -> Any:
        def legs(positions: Any, velocities: Any, seeds: Any, lists: Any) -> Any:
            directions = jnp.asarray(DIRECTIONS, positions.dtype)
            leg = partial(adjoint_leg, simulation)
            return for_each(leg)(positions, velocities, directions, seeds, lists)

        return for_each(legs)(*ends)

    def run(field: ForceField) -> Any:
        return all_legs(replace(simulation, field=field), positions, velocities, seeds, lists)

    if lists is not None:  # they sufficed on the way there
        return run(simulation.field.with_capacity(int(jnp.max(lists.capacity))))[0]
    return with_sufficient_lists(run, simulation.field)


def both_ways(leg: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """From leg(positions, velocities, direction) a function that takes both directions of time from a start."""

    def both(positions: jax.Array, velocities: jax.Array) -> Any:
        directions = jnp.asarray(DIRECTIONS, positions.dtype)
        return for_each(partial(leg, positions, velocities))(directions)

    return both


def require_finite(energies: jax.Array, timestep: float) -> None:
    """Make sure that no replica blew up, from energies [S, ...] in eV and the time step in fs.

    Raises:
        CampaignError: an energy is not finite.
    """
    finite = np.isfinite(np.asarray(energies)).reshape(len(energies), -1).all(axis=1)
    if not finite.all():
        raise CampaignError(
            f"replica {int(np.argmin(finite))} blew up: its energy is not finite; shorten the time step (now "
            f"{timestep} fs) or train the potential on more frames (labelling.geometries)."
        )
