"""Leapfrog states in fixed point, which the reversed steps undo to the last bit, however long the trajectory.

Positions are fractions of the cell in units of 2⁻³², as 32-bit integers whose overflow is the periodic boundary;
velocities are what they add in a step. A kick by the force is rounded to an integer. Adding and subtracting it are
exact inverses, so the way back meets the same states if it computes the same forces. The last bit of a force depends
on the order of its neighbours and on how the compiler fuses it with the code around it. So

- each neighbour list is built at positions rounded to 2⁻¹⁶ of the cell, which are recorded for the way back;
- list and force are compiled, alike in every program, behind a condition that the compiler cannot know to hold, and
  return one array, so that no program can drop a part that it alone does not use.

Both directions must therefore run with the same shapes on the same type of device. Derivatives are those of the
trajectory before rounding. Fixed point for exact reversal: Levesque & Verlet, J. Stat. Phys. 72, 519 (1993).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import ForceField
from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.units import ACCELERATION

UNIT = 2.0**-32  # of the cell
_RECORDED_BITS = 16


@dataclass(frozen=True)
class FixedPoint:
    """Positions in 2⁻³² of the cell, velocities in that per time step; see `floating_point.FloatingPoint`."""

    # GPUs would otherwise sum in the order in which threads arrive and choose algorithms by timing them.
    compiler_options: ClassVar[dict[str, Any] | None] = {"xla_gpu_deterministic_ops": True}

    field: ForceField
    parameters: Mapping[str, Any]
    system: System
    cell: jax.Array
    timestep: float
    direction: jax.Array

    @staticmethod
    def represented(starts: Point, timestep: float) -> Point:
        """Starting points (any leading axes) as integers; in double precision, whatever that of the dynamics."""
        velocities = timestep * np.asarray(starts.velocities, float)
        return replace(
            starts,
            positions=jnp.asarray(_integers(starts.positions, starts.cell)),
            velocities=jnp.asarray(_integers(velocities, starts.cell)),
        )

    @staticmethod
    def distances(reached: jax.Array, starts: Point) -> np.ndarray:
        """Largest distance in Å of an atom of either leg [S, 2, N, 3] from its start: [S]."""
        apart = np.asarray(reached) - _integers(starts.positions, starts.cell)[:, None]
        cells = np.asarray(starts.cell, float)[:, None]
        return np.linalg.norm(UNIT * apart @ cells, axis=-1).max(axis=(1, 2))

    @property
    def dt(self) -> jax.Array:
        """Time step with its sign, fs."""
        dtype = self.system.masses.dtype
        return jnp.asarray(self.direction, dtype) * jnp.asarray(self.timestep, dtype)

    def start(self, positions: jax.Array, velocities: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The state before the first node."""
        return positions, jnp.asarray(self.direction, jnp.int32) * velocities

    def reference(self, x: jax.Array, record: jax.Array | None = None) -> jax.Array:
        """Where the neighbour list that is used from state x on is built; from the record, if given."""
        if record is None:
            record = self.record(x + (1 << (_RECORDED_BITS - 1)))
        return record.astype(jnp.int32) << _RECORDED_BITS

    def record(self, reference: jax.Array) -> jax.Array:
        """What is kept of a reference for the way back, int16 [N, 3]."""
        return (reference >> _RECORDED_BITS).astype(jnp.int16)

    def neighbours(self, reference: jax.Array) -> NeighbourList:
        """The neighbour list."""

        def build(cell: jax.Array, reference: jax.Array) -> NeighbourList:
            return self.field.neighbours(_positions(cell, reference, reference), cell)

        return self._isolated(build, self.cell, reference)

    def half_kicks(
        self, x: jax.Array, reference: jax.Array, neighbours: NeighbourList
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """What the force adds to the velocity before and after the node, and the potential energy, eV."""

        def evaluate(
            parameters: Any,
            system: System,
            cell: jax.Array,
            x: jax.Array,
            reference: jax.Array,
            neighbours: Any,
        ) -> Any:
            positions = _positions(cell, x, reference)
            energy, force = self.field.energy_and_forces(
                parameters, system.species, positions, cell, neighbours
            )
            kick = self.timestep**2 * ACCELERATION * force / system.masses[:, None]
            rows = to_fractional(kick.T, cell).T / UNIT
            return jnp.concatenate([rows, jnp.broadcast_to(energy, (1, 3))])

        rows = self._isolated(evaluate, self.parameters, self.system, self.cell, x, reference, neighbours)
        kick = jnp.round(rows[:-1]).astype(jnp.int32)
        return kick >> 1, kick - (kick >> 1), rows[-1, 0]

    def half_kicks_and_products(
        self, x: jax.Array, reference: jax.Array, neighbours: NeighbourList, g: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, Any]:
        """The half kicks, and for g [N, 3] the products (∂F/∂x)ᵀ g and (∂F/∂θ)ᵀ g from a separate evaluation."""
        positions = self.positions(x, reference)
        _, by_x, by_parameters = self.field.forces_and_products(
            self.parameters, self.system.species, positions, self.cell, neighbours, g
        )
        before, after, _ = self.half_kicks(x, reference, neighbours)
        return before, after, by_x, by_parameters

    def drift(self, w: jax.Array) -> jax.Array:
        """What a velocity adds to the positions in a step."""
        return w

    def positions(self, x: jax.Array, reference: jax.Array) -> jax.Array:
        """Positions [N, 3] in Å, continuous in x as long as one list is used."""
        return _positions(self.cell, x, reference)

    def velocities(self, v: jax.Array) -> jax.Array:
        """Velocities [N, 3] in Å/fs."""
        return to_cartesian(UNIT / self.dt * v.T.astype(self.dt.dtype), self.cell).T

    def _isolated(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """function(*arguments), compiled separately from its surroundings."""

        def absent(*arguments: Any) -> Any:
            return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(function, *arguments))

        holds = jax.lax.optimization_barrier(self.system.masses[0] > 0.0)
        return jax.lax.cond(holds, function, absent, *arguments)


def _integers(lengths: Any, cell: Any) -> np.ndarray:
    """Vectors [..., N, 3] in Å in units of 2⁻³² of the cell [..., 3, 3], modulo the cell."""
    fractions = np.asarray(lengths, float) @ np.linalg.inv(np.asarray(cell, float))
    return np.round(fractions / UNIT).astype(np.int64).astype(np.int32)


def _positions(cell: jax.Array, x: jax.Array, reference: jax.Array) -> jax.Array:
    fractions = UNIT * reference.astype(cell.dtype) + UNIT * (x - reference).astype(cell.dtype)
    return to_cartesian(fractions.T, cell).T
