"""Leapfrog trajectories, run forwards or backwards in time, with quantities observed on the way.

A node of the trajectory takes the velocity u from half a step before to w half a step after the positions x:

    v = u + dt/2 F(x)/m,   w = v + dt/2 F(x)/m,   then the drift   x <- x + dt w,

and quantities are observed at (x, v). The first node starts from v itself. The same nodes, walked backwards, undo
the trajectory: `dynrefine.adjoint` does so. A trajectory back in time is one with a negative time step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.dynamics.force_field import ForceField, ListFaults, list_faults
from dynrefine.neighbours import NeighbourList
from dynrefine.system import System, kinetic_energy, temperature
from dynrefine.units import ACCELERATION

Observe = Callable[[System, jax.Array, jax.Array, NeighbourList], Any]


@dataclass(frozen=True)
class Frames:
    """When a trajectory is observed; static under jit.

    Attributes:
        timestep: fs.
        count: observed frames, the first at the start.
        stride: steps between frames.
        kept: frames after which the state is kept, for the adjoint to begin from.
    """

    timestep: float
    count: int
    stride: int
    kept: int

    @classmethod
    def spanning(cls, length: float, interval: float, timestep: float, kept: float | None = None) -> "Frames":
        """Frames every `interval` fs over `length` fs, the state kept after `kept` fs (the whole length)."""
        count = max(round(length / interval), 1)
        kept_count = count if kept is None else max(round(kept / interval), 1)
        return cls(timestep, count, round(interval / timestep), kept_count)

    def kept_part(self) -> "Frames":
        """The frames until the kept state."""
        return replace(self, count=self.kept)

    def per_list(self, rebuild_interval: int) -> int:
        """Frames that one neighbour list serves: the largest divisor of their count within the interval."""
        most = max(rebuild_interval // self.stride, 1)
        return max(n for n in range(1, most + 1) if self.count % n == 0)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["series", "energies", "temperatures", "positions", "velocities"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Leg:
    """One trajectory in one direction of time.

    Attributes:
        series: what was observed, a tree of arrays [frames, ...].
        energies: total energy [frames], eV.
        temperatures: kinetic temperature [frames], K.
        positions: kept, after the drift that ends the last frame to keep [N, 3], Å.
        velocities: of that drift [N, 3], Å/fs.
    """

    series: Any
    energies: jax.Array
    temperatures: jax.Array
    positions: jax.Array
    velocities: jax.Array


def propagate(
    field: ForceField,
    frames: Frames,
    observe: Observe,
    parameters: Mapping[str, Any],
    system: System,
    positions: jax.Array,
    velocities: jax.Array,
    direction: jax.Array,
    rematerialise: bool = False,
) -> tuple[Leg, ListFaults]:
    """Integrate one trajectory.

    Arguments:
        field: force field.
        frames: when to observe.
        observe: (system, positions, velocities, neighbours) -> tree of arrays.
        parameters: of the potential.
        system: atoms and cell.
        positions: at the start [N, 3], Å.
        velocities: at the start [N, 3], Å/fs.
        direction: +1 forwards, -1 backwards in time, scalar.
        rematerialise: compute each step again when backpropagating through it, for comparisons.
    """
    dt = direction * jnp.asarray(frames.timestep, positions.dtype)
    frames_per_list = frames.per_list(field.rebuild_interval)

    def run_list(carry: Any, first_frame: jax.Array) -> tuple[Any, Any]:
        positions = carry[0][0]
        neighbours = field.neighbours(positions, system.cell)

        def node(carry: Any, is_start: jax.Array) -> tuple[Any, Any]:
            x, u = carry
            energy, force = field.energy_and_forces(parameters, system, x, neighbours)
            kick = 0.5 * dt * ACCELERATION * force / system.masses[:, None]
            v = u + jnp.where(is_start, 0.0, kick)
            w = v + kick
            return (x + dt * w, w), (x, v, energy)

        def frame(carry: Any, number: jax.Array) -> tuple[Any, Any]:
            state, kept = carry
            is_start = number * frames.stride + jnp.arange(frames.stride) == 0
            step = jax.checkpoint(node) if rematerialise else node
            state, (x, v, energy) = jax.lax.scan(step, state, is_start)
            observed = observe(system, x[0], v[0], neighbours)
            kept = jax.tree.map(lambda new, old: jnp.where(number < frames.kept, new, old), state, kept)
            total = energy[0] + kinetic_energy(system.masses, v[0])
            return (state, kept), (observed, total, temperature(system.masses, v[0]))

        carry, observed = jax.lax.scan(frame, carry, first_frame + jnp.arange(frames_per_list))
        return carry, (observed, list_faults(neighbours, positions, carry[0][0], field.skin))

    starts = jnp.arange(0, frames.count, frames_per_list)
    start = (positions, velocities)
    (_, (positions, velocities)), (observed, faults) = jax.lax.scan(run_list, (start, start), starts)
    observed = jax.tree.map(lambda a: a.reshape(frames.count, *a.shape[2:]), observed)
    leg = Leg(*observed, positions, velocities)
    return leg, jax.tree.map(jnp.any, faults)
