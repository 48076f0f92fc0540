"""What is simulated: atoms, and their points of phase space, each in its periodic cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.data import Element
from dynrefine.units import BOLTZMANN, KINETIC


@partial(
    jax.tree_util.register_dataclass, data_fields=["species", "numbers", "masses"], meta_fields=["kinds"]
)
@dataclass(frozen=True)
class System:
    """The atoms; the same for all replicas of a state.

    Attributes:
        species: element index of each atom, int32 [N].
        numbers: atomic numbers, int32 [N].
        masses: u [N].
        kinds: how many elements there are; static under jit.
    """

    species: jax.Array
    numbers: jax.Array
    masses: jax.Array
    kinds: int


@partial(jax.tree_util.register_dataclass, data_fields=["positions", "velocities", "cell"], meta_fields=[])
@dataclass(frozen=True)
class Point:
    """A point of phase space in its periodic cell, or several points with leading axes.

    Attributes:
        positions: [N, 3], Å.
        velocities: [N, 3], Å/fs.
        cell: cell vectors as rows [3, 3], Å.
    """

    positions: jax.Array
    velocities: jax.Array
    cell: jax.Array

    @property
    def volume(self) -> Float[Array, "..."]:
        """Volume of the cell, Å³."""
        return jnp.abs(jnp.linalg.det(self.cell))

    def first(self, count: int) -> "Point":
        """The first of several points."""
        return jax.tree.map(lambda each: each[:count], self)


def system_of(species: Int[np.ndarray, " N"], elements: Sequence[Element], dtype: Any) -> System:
    """The system of these atoms.

    Arguments:
        species: element index of each atom.
        elements: of the configuration.
        dtype: of the masses.
    """
    numbers = np.array([element.number for element in elements])[species]
    masses = np.array([element.mass for element in elements])[species]
    kinds, numbers = (jnp.asarray(each, jnp.int32) for each in (species, numbers))
    return System(kinds, numbers, jnp.asarray(masses, dtype), len(elements))


def with_masses(elements: Sequence[Element], masses: Mapping[str, float]) -> list[Element]:
    """The elements with these masses (u), by symbol, instead of their own."""
    return [
        element.model_copy(update={"mass": masses.get(element.symbol, element.mass)}) for element in elements
    ]


def kinetic_energy(
    masses: Float[Array, " N"], velocities: Float[Array, "*leading N 3"]
) -> Float[Array, "*leading"]:
    """Kinetic energy in eV of velocities in Å/fs."""
    of_each = jnp.expand_dims(masses, (*range(velocities.ndim - 2), -1))
    return 0.5 * KINETIC * jnp.sum(of_each * velocities**2, axis=(-2, -1))


def temperature(
    masses: Float[Array, " N"], velocities: Float[Array, "*leading N 3"]
) -> Float[Array, "*leading"]:
    """Kinetic temperature in K of velocities in Å/fs, the centre of mass at rest."""
    degrees_of_freedom = 3 * len(masses) - 3
    return 2.0 * kinetic_energy(masses, velocities) / (degrees_of_freedom * BOLTZMANN)


def thermal_variance(masses: Any, kelvin: float) -> Any:
    """Variance kT/m of a velocity component for masses in u, a number or an array, (Å/fs)²."""
    return BOLTZMANN * kelvin / (KINETIC * masses)


def thermal_velocities(key: jax.Array, masses: Float[Array, " N"], kelvin: float) -> Float[Array, "N 3"]:
    """Maxwell-Boltzmann velocities in Å/fs with the centre of mass at rest."""
    spread = jnp.sqrt(thermal_variance(masses, kelvin))[:, None]
    velocities = spread * jax.random.normal(key, (len(masses), 3), dtype=masses.dtype)
    return without_drift(masses, velocities)


def drawn_velocities(
    key: jax.Array, system: System, kelvin: float, count: int
) -> Float[Array, "{count} N 3"]:
    """Maxwell-Boltzmann velocities of several replicas, Å/fs."""
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, kelvin))
    return draw(jax.random.split(key, count))


def without_drift(masses: Float[Array, " N"], velocities: Float[Array, "N 3"]) -> Float[Array, "N 3"]:
    """Velocities minus that of the centre of mass."""
    momentum = jnp.sum(masses[:, None] * velocities, axis=0, keepdims=True)
    return velocities - momentum / jnp.sum(masses)
