"""What is simulated: atoms in a periodic cell, and their phase-space points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import Element
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


@partial(jax.tree_util.register_dataclass, data_fields=["positions", "velocities", "cell"], meta_fields=[])
@dataclass(frozen=True)
class Point:
    """A point of phase space, with the periodic cell it lies in.

    Attributes:
        positions: [N, 3], Å.
        velocities: [N, 3], Å/fs.
        cell: cell vectors as rows [3, 3], Å.
    """

    positions: jax.Array
    velocities: jax.Array
    cell: jax.Array


def system_of(species: np.ndarray, cell: np.ndarray, elements: Sequence[Element], dtype: Any) -> System:
    """The system of these atoms.

    Arguments:
        species: element index of each atom [N].
        cell: cell vectors as rows [3, 3], Å.
        elements: of the configuration.
        dtype: of the floating-point numbers.
    """
    masses = np.array([element.mass for element in elements])[species]
    return System(jnp.asarray(species, jnp.int32), jnp.asarray(masses, dtype), jnp.asarray(cell, dtype))


def with_masses(elements: Sequence[Element], masses: Mapping[str, float]) -> list[Element]:
    """The elements with these masses (u), by symbol, instead of their own."""
    return [
        element.model_copy(update={"mass": masses.get(element.symbol, element.mass)}) for element in elements
    ]


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


def drawn_velocities(key: jax.Array, system: System, kelvin: float, count: int) -> jax.Array:
    """Maxwell-Boltzmann velocities of several replicas [count, N, 3], Å/fs."""
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, kelvin))
    return draw(jax.random.split(key, count))


def without_drift(masses: jax.Array, velocities: jax.Array) -> jax.Array:
    """Velocities [N, 3] less that of the centre of mass."""
    return velocities - jnp.sum(masses[:, None] * velocities, axis=0) / jnp.sum(masses)
