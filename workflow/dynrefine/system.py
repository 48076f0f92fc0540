"""What is simulated: atoms in a periodic cell, and their phase-space points."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.units import BOLTZMANN, KINETIC


@partial(jax.tree_util.register_dataclass, data_fields=["species", "masses", "cell"], meta_fields=[])
@dataclass(frozen=True)
class System:
    """Atoms in a periodic cell; equal for all replicas of a state point.

    Attributes:
        species: element index of each atom, int32 [N].
        masses: u [N].
        cell: cell vectors as rows [3, 3], Å.
    """

    species: jax.Array
    masses: jax.Array
    cell: jax.Array

    @property
    def volume(self) -> jax.Array:
        """Å³."""
        return jnp.abs(jnp.linalg.det(self.cell))


def kinetic_energy(masses: jax.Array, velocities: jax.Array) -> jax.Array:
    """Kinetic energy in eV of velocities [..., N, 3] in Å/fs."""
    return 0.5 * KINETIC * jnp.sum(masses[:, None] * velocities**2, axis=(-2, -1))


def temperature(masses: jax.Array, velocities: jax.Array) -> jax.Array:
    """Kinetic temperature in K of velocities [..., N, 3] in Å/fs, the centre of mass at rest."""
    degrees_of_freedom = 3 * len(masses) - 3
    return 2.0 * kinetic_energy(masses, velocities) / (degrees_of_freedom * BOLTZMANN)


def thermal_velocities(key: jax.Array, masses: jax.Array, kelvin: float) -> jax.Array:
    """Maxwell-Boltzmann velocities [N, 3] in Å/fs with the centre of mass at rest."""
    spread = jnp.sqrt(BOLTZMANN * kelvin / (KINETIC * masses))[:, None]
    velocities = spread * jax.random.normal(key, (len(masses), 3), dtype=masses.dtype)
    return without_drift(masses, velocities)


def without_drift(masses: jax.Array, velocities: jax.Array) -> jax.Array:
    """Velocities [N, 3] less that of the centre of mass."""
    return velocities - jnp.sum(masses[:, None] * velocities, axis=0) / jnp.sum(masses)


def cubic_edge(masses: np.ndarray, density: float) -> float:
    """Edge in Å of the cubic cell that holds the masses (u) at a density in u/Å³."""
    return float(np.sum(masses) / density) ** (1.0 / 3.0)
