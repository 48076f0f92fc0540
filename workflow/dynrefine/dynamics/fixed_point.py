"""Leapfrog states in fixed point, which the reversed steps undo to the last bit however long the trajectory.

Positions are fractions of the cell in units of 2⁻³², as 32-bit integers whose overflow is the periodic boundary;
velocities are what they add in a step. A kick is the force's, rounded to an integer: adding and subtracting it are
exact inverses, so that the way back meets the same states provided that it computes the same forces. To the last
bit a force depends on the order of its neighbours and on how the compiler fuses it with what surrounds it. So

- each neighbour list is built at positions rounded to 2⁻¹⁶ of the cell, which are recorded for the way back;
- list and force are compiled behind a condition of which the compiler does not know that it holds, alike in every
  program, and hand over one array: what one program does not use is not left out of its computation alone.

Both directions therefore have to run with the same shapes on the same type of device. Derivatives are those of the
trajectory before rounding. Fixed point for exact reversal: Levesque & Verlet, J. Stat. Phys. 72, 519 (1993).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import ForceField
from dynrefine.geometry.neighbours import NeighbourList, to_cartesian
from dynrefine.geometry.system import System
from dynrefine.units import ACCELERATION

UNIT = 2.0**-32  # of the cell
_RECORDED_BITS = 16


@dataclass(frozen=True)
class FixedPoint:
    """Positions in 2⁻³² of the cell, velocities in that per time step; see `floating_point.FloatingPoint`."""

    # On GPUs sums would otherwise be taken in whatever order the threads come, and algorithms chosen by a stopwatch.
    compiler_options: ClassVar[dict[str, Any] | None] = {"xla_gpu_deterministic_ops": True}

    field: ForceField
    parameters: Mapping[str, Any]
    system: System
    timestep: float
    direction: jax.Array

    @staticmethod
    def represented(
        positions: jax.Array, velocities: jax.Array, system: System, timestep: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Starting points (Å, Å/fs, any leading axes) as integers; in double precision, whatever the dynamics'."""
        return _integers(positions, system), _integers(timestep * np.asarray(velocities, float), system)

    @staticmethod
    def distances(reached: jax.Array, starts: jax.Array, system: System) -> np.ndarray:
        """Largest distance in Å of an atom of either leg [S, 2, N, 3] from its start [S, N, 3] (Å): [S]."""
        apart = np.asarray(reached) - _integers(starts, system)[:, None]
        return np.linalg.norm(UNIT * apart @ np.asarray(system.cell, float), axis=-1).max(axis=(1, 2))

    @property
    def dt(self) -> jax.Array:
        """Time step with its sign, fs."""
        dtype = self.system.masses.dtype
        return jnp.asarray(self.direction, dtype) * jnp.asarray(self.timestep, dtype)

    def start(self, positions: jax.Array, velocities: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The state before the first node."""
        return positions, jnp.asarray(self.direction, jnp.int32) * velocities

    def reference(self, x: jax.Array, record: jax.Array | None = None) -> jax.Array:
        """Where the neighbour list is built that serves from the state x on, or from the one recorded."""
        if record is None:
            record = self.record(x + (1 << (_RECORDED_BITS - 1)))
        return record.astype(jnp.int32) << _RECORDED_BITS

    def record(self, reference: jax.Array) -> jax.Array:
        """What is kept of it for the way back, int16 [N, 3]."""
        return (reference >> _RECORDED_BITS).astype(jnp.int16)

    def neighbours(self, reference: jax.Array) -> NeighbourList:
        """The list."""

        def build(system: System, reference: jax.Array) -> NeighbourList:
            return self.field.neighbours(_positions(system, reference, reference), system.cell)

        return self._isolated(build, self.system, reference)

    def half_kicks(
        self, x: jax.Array, reference: jax.Array, neighbours: NeighbourList
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """What the force adds to the velocity before and after the node, and the potential energy, eV."""

        def evaluate(
            parameters: Any, system: System, x: jax.Array, reference: jax.Array, neighbours: Any
        ) -> Any:
            positions = _positions(system, x, reference)
            energy, force = self.field.energy_and_forces(parameters, system, positions, neighbours)
            kick = self.timestep**2 * ACCELERATION * force / system.masses[:, None]
            rows = to_cartesian(kick.T, _reciprocal(system.cell).T).T / UNIT
            return jnp.concatenate([rows, jnp.broadcast_to(energy, (1, 3))])

        rows = self._isolated(evaluate, self.parameters, self.system, x, reference, neighbours)
        kick = jnp.round(rows[:-1]).astype(jnp.int32)
        return kick >> 1, kick - (kick >> 1), rows[-1, 0]

    def half_kicks_and_pullback(
        self, x: jax.Array, reference: jax.Array, neighbours: NeighbourList
    ) -> tuple[jax.Array, jax.Array, Callable[[jax.Array], tuple[jax.Array, Any]]]:
        """The half kicks, and g [N, 3] -> (∂F/∂x)ᵀ g, (∂F/∂θ)ᵀ g from an evaluation of its own."""
        positions = self.positions(x, reference)
        _, pull = self.field.forces_and_pullback(self.parameters, self.system, positions, neighbours)
        return *self.half_kicks(x, reference, neighbours)[:2], pull

    def drift(self, w: jax.Array) -> jax.Array:
        """What a velocity adds to the positions in a step."""
        return w

    def positions(self, x: jax.Array, reference: jax.Array) -> jax.Array:
        """Positions [N, 3] in Å, continuous in x as long as a list serves."""
        return _positions(self.system, x, reference)

    def velocities(self, v: jax.Array) -> jax.Array:
        """Velocities [N, 3] in Å/fs."""
        return to_cartesian(UNIT / self.dt * v.T.astype(self.dt.dtype), self.system.cell).T

    def _isolated(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """function(*arguments), compiled apart from its surroundings."""

        def absent(*arguments: Any) -> Any:
            return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(function, *arguments))

        holds = jax.lax.optimization_barrier(self.system.masses[0] > 0.0)
        return jax.lax.cond(holds, function, absent, *arguments)


def _integers(lengths: Any, system: System) -> np.ndarray:
    """Vectors [..., 3] in Å in units of 2⁻³² of the cell, modulo the cell."""
    fractions = np.asarray(lengths, float) @ np.linalg.inv(np.asarray(system.cell, float))
    return np.round(fractions / UNIT).astype(np.int64).astype(np.int32)


def _positions(system: System, x: jax.Array, reference: jax.Array) -> jax.Array:
    dtype = system.cell.dtype
    fractions = UNIT * reference.astype(dtype) + UNIT * (x - reference).astype(dtype)
    return to_cartesian(fractions.T, system.cell).T


def _reciprocal(cell: jax.Array) -> jax.Array:
    """Rows a*, b*, c* with a* · a = 1; written out, since a factorisation would be a library call at each step."""
    normals = jnp.cross(jnp.roll(cell, -1, axis=0), jnp.roll(cell, -2, axis=0))
    return normals / jnp.sum(normals[0] * cell[0])
