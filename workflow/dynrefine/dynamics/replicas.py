"""Many replicas at once, in both directions of time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.adjoint import AdjointLeg, adjoint_leg
from dynrefine.dynamics.force_field import ForceField, with_sufficient_lists
from dynrefine.dynamics.langevin import Chain, Thermostat, sample_chain
from dynrefine.dynamics.leapfrog import Leg, RecordedLists, Simulation, propagate
from dynrefine.errors import CampaignError
from dynrefine.mapping import for_each
from dynrefine.system import System

DIRECTIONS = (1.0, -1.0)
RECORD_INTERVAL = 20.0  # fs between records of a chain, about


def sample_chains(
    field: ForceField,
    thermostat: Thermostat,
    duration: float,
    equilibration: float,
    parameters: Mapping[str, Any],
    system: System,
    positions: jax.Array,
    velocities: jax.Array,
    key: jax.Array,
) -> Chain:
    """Sample all replicas of a chunk.

    Arguments:
        field: force field.
        thermostat: see there.
        duration: of the recorded part, fs.
        equilibration: before it, fs.
        parameters: of the potential.
        system: atoms and cell.
        positions: at the start [R, N, 3], Å.
        velocities: at the start [R, N, 3], Å/fs.
        key: random key of the chunk.

    Returns:
        the chains, replicas first.

    Raises:
        CampaignError: neighbour lists cannot follow, or the energy is not finite.
    """
    keys = jax.random.split(key, len(positions))

    def run(field: ForceField) -> Any:
        lists = max(round(RECORD_INTERVAL / (field.rebuild_interval * thermostat.timestep)), 1)
        interval = lists * field.rebuild_interval * thermostat.timestep
        records = max(round(duration / interval), 1)

        @jax.jit
        def all_chains(parameters: Any, system: Any, intervals_before: Any, *starts: Any) -> Any:
            def chain(*start: Any) -> Any:
                return sample_chain(
                    field, thermostat, records, lists, parameters, system, *start, intervals_before
                )

            return for_each(chain)(*starts)

        return all_chains(
            parameters, system, jnp.asarray(round(equilibration / interval)), positions, velocities, keys
        )

    chains = with_sufficient_lists(run, field)
    _require_finite(chains.energies, thermostat.timestep)
    return chains


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
    frames = simulation.frames

    @partial(jax.jit, compiler_options=frames.arithmetic.compiler_options)
    def all_legs(simulation: Simulation, positions: Any, velocities: Any) -> Any:
        return for_each(both_ways(partial(propagate, simulation)))(positions, velocities)

    starts = frames.arithmetic.represented(positions, velocities, simulation.system, frames.timestep)
    legs = with_sufficient_lists(
        lambda field: all_legs(replace(simulation, field=field), *starts), simulation.field
    )
    _require_finite(legs.energies, frames.timestep)
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

    @partial(jax.jit, compiler_options=simulation.frames.arithmetic.compiler_options)
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


def join_directions(series: jax.Array) -> jax.Array:
    """One series in order of time [S, 2 n - 1, ...] from both directions [S, 2, n, ...]."""
    return jnp.concatenate([series[:, 1, :0:-1], series[:, 0]], axis=1)


def split_directions(series: jax.Array) -> jax.Array:
    """The transpose of `join_directions`: cotangents of each direction, those of the start to the first."""
    frames = (series.shape[1] + 1) // 2
    backwards = series[:, frames - 1 :: -1]
    return jnp.stack([series[:, frames - 1 :], backwards.at[:, 0].set(0.0)], axis=1)


def _require_finite(energies: jax.Array, timestep: float) -> None:
    finite = np.isfinite(np.asarray(energies)).reshape(len(energies), -1).all(axis=1)
    if not finite.all():
        raise CampaignError(
            f"replica {int(np.argmin(finite))} blew up: its energy is not finite; shorten the time step (now "
            f"{timestep} fs) or train the potential on more frames (labelling.geometries)."
        )
