"""Many replicas at once, in both directions of time."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.dynamics.fixed_point import FixedPoint
from dynrefine.dynamics.floating_point import FloatingPoint
from dynrefine.dynamics.force_field import ForceField, require_finite
from dynrefine.dynamics.leapfrog import Leg, Simulation, propagate
from dynrefine.dynamics.mapping import for_each
from dynrefine.dynamics.sufficient_lists import ListFaults, with_sufficient_lists
from dynrefine.geometry.system import Point

DIRECTIONS = (1.0, -1.0)


def run_legs(simulation: Simulation, starts: Point) -> Leg:
    """Trajectories both ways in time from every starting point.

    Arguments:
        simulation: what the trajectories have in common.
        starts: S starting points.

    Returns:
        legs with two leading axes: starting point, direction of time (forwards, backwards).

    Raises:
        CampaignError: neighbour lists cannot follow, or the energy is not finite.
    """
    return _sufficient_legs(simulation, starts)[1]


def with_enough_room(simulation: Simulation, starts: Point) -> Simulation:
    """The same simulation with neighbour lists that suffice both ways in time from every starting point.

    Raises:
        CampaignError: as `run_legs`.
    """
    return replace(simulation, field=_sufficient_legs(simulation, starts)[0])


def _sufficient_legs(simulation: Simulation, starts: Point) -> tuple[ForceField, Leg]:
    """The legs, and the force field with the lists that sufficed."""
    times = simulation.times
    all_legs = compiled(_all_legs, times.arithmetic)
    represented = times.arithmetic.represented(starts, times.timestep)

    def run(field: ForceField) -> tuple[tuple[ForceField, Leg], ListFaults]:
        legs, faults = all_legs(replace(simulation, field=field), represented)
        return (field, legs), faults

    field, legs = with_sufficient_lists(run, simulation.field)
    require_finite(legs.energies, times.timestep)
    return field, legs


def _all_legs(simulation: Simulation, starts: Point) -> Any:
    return for_each(both_ways(partial(propagate, simulation)))(starts)


@cache
def compiled(
    function: Callable[..., Any], arithmetic: type[FloatingPoint] | type[FixedPoint], *static: str
) -> Callable[..., Any]:
    """A function compiled with the options of an arithmetic: one program as long as only arrays differ.

    Arguments:
        function: defined in a module, so that it is the same object at each call.
        arithmetic: of the states.
        static: names of its arguments that are not arrays.
    """
    return jax.jit(function, static_argnames=static, compiler_options=arithmetic.compiler_options)


def both_ways(leg: Callable[[Point, Any], Any]) -> Callable[[Point], Any]:
    """A function that runs leg(start, direction) in both directions of time from a start."""

    def both(start: Point) -> Any:
        directions = jnp.asarray(DIRECTIONS, start.positions.dtype)
        return for_each(partial(leg, start))(directions)

    return both
