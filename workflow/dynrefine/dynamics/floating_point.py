"""Leapfrog states in floating point: undone to within rounding, which grows exponentially along a trajectory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import ForceField
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.units import ACCELERATION


@dataclass(frozen=True)
class FloatingPoint:
    """Positions in Å and velocities in Å/fs, and the steps between them.

    Attributes:
        field: force field.
        parameters: of the potential.
        system: the atoms.
        cell: of the trajectory, cell vectors as rows [3, 3], Å.
        timestep: fs.
        direction: +1 forwards, -1 backwards in time, scalar.
    """

    compiler_options: ClassVar[dict[str, Any] | None] = None

    field: ForceField
    parameters: Mapping[str, Any]
    system: System
    cell: jax.Array
    timestep: float
    direction: jax.Array

    @staticmethod
    def represented(starts: Point, timestep: float) -> Point:
        """Starting points as this arithmetic holds them, any leading axes."""
        return starts

    @staticmethod
    def distances(reached: jax.Array, starts: Point) -> np.ndarray:
        """Largest distance in Å of an atom of either leg [S, 2, N, 3] from its start: [S]."""
        apart = reached - starts.positions[:, None]
        return np.asarray(jnp.max(jnp.linalg.norm(apart, axis=-1), axis=(1, 2)))

    @property
    def dt(self) -> jax.Array:
        """Time step with its sign, fs."""
        return self.direction * jnp.asarray(self.timestep, self.system.masses.dtype)

    def start(self, positions: jax.Array, velocities: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The state before the first node."""
        return positions, velocities

    def reference(self, x: jax.Array, record: None = None) -> jax.Array:
        """Where the neighbour list that is used from state x on is built."""
        return x

    def record(self, reference: jax.Array) -> None:
        """What is kept of a reference for the way back: nothing, since lists are built again there."""

    def neighbours(self, reference: jax.Array) -> NeighbourList:
        """The neighbour list."""
        return self.field.neighbours(reference, self.cell)

    def half_kicks(
        self, x: jax.Array, reference: jax.Array, neighbours: NeighbourList
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """What the force adds to the velocity before and after the node, and the potential energy, eV."""
        energy, force = self.field.energy_and_forces(
            self.parameters, self.system.species, x, self.cell, neighbours
        )
        kick = 0.5 * self.dt * ACCELERATION * force / self.system.masses[:, None]
        return kick, kick, energy

    def half_kicks_and_products(
        self, x: jax.Array, reference: jax.Array, neighbours: NeighbourList, g: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array, Any]:
        """The half kicks, and for g [N, 3] the products (∂F/∂x)ᵀ g and (∂F/∂θ)ᵀ g, from one evaluation."""
        force, by_x, by_parameters = self.field.forces_and_products(
            self.parameters, self.system.species, x, self.cell, neighbours, g
        )
        kick = 0.5 * self.dt * (ACCELERATION / self.system.masses[:, None]) * force
        return kick, kick, by_x, by_parameters

    def drift(self, w: jax.Array) -> jax.Array:
        """What a velocity adds to the positions in a step."""
        return self.dt * w

    def positions(self, x: jax.Array, reference: jax.Array) -> jax.Array:
        """Positions [N, 3] in Å."""
        return x

    def velocities(self, v: jax.Array) -> jax.Array:
        """Velocities [N, 3] in Å/fs."""
        return v
