"""Forces and stress of any potential."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.neighbours import NeighbourList


def energy_and_forces(
    potential: Any,
    parameters: Mapping[str, Any],
    species: jax.Array,
    positions: jax.Array,
    cell: jax.Array,
    neighbours: NeighbourList,
) -> tuple[jax.Array, jax.Array]:
    """Energy in eV and forces [N, 3] in eV/Å; arguments as for the potential's `energy`."""
    energy, gradient = jax.value_and_grad(potential.energy, argnums=2)(
        parameters, species, positions, cell, neighbours
    )
    return energy, -gradient


def energy_forces_stress(
    potential: Any,
    parameters: Mapping[str, Any],
    species: jax.Array,
    positions: jax.Array,
    cell: jax.Array,
    neighbours: NeighbourList,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Energy in eV, forces [N, 3] in eV/Å and stress [3, 3] in eV/Å³ (positive under tension, as in ASE).

    The stress is the derivative of the energy with respect to a homogeneous strain, by the volume.
    """

    def strained(positions: jax.Array, strain: jax.Array) -> jax.Array:
        deformation = jnp.eye(3, dtype=positions.dtype) + 0.5 * (strain + strain.T)
        return potential.energy(parameters, species, positions @ deformation, cell @ deformation, neighbours)

    zero = jnp.zeros((3, 3), dtype=positions.dtype)
    energy, (gradient, virial) = jax.value_and_grad(strained, argnums=(0, 1))(positions, zero)
    return energy, -gradient, virial / jnp.abs(jnp.linalg.det(cell))
