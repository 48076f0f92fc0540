"""Potential energies of configurations at several potentials."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.sufficient_lists import over_points
from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point


def potential_energies(
    field: ForceField, potentials: Sequence[Model], species: Int[Array, " N"], points: Point
) -> Float[np.ndarray, "K S"]:
    """Energies in eV of S points at each potential, all of one architecture."""
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *(potential.parameters for potential in potentials))
    return np.asarray(over_points(_at_all, field, (stacked, species), points)).T


def _at_all(field: ForceField, common: Any, point: Point, neighbours: NeighbourList) -> Float[Array, " K"]:
    stacked, species = common

    def at_one(parameters: Mapping[str, Any]) -> jax.Array:
        return field.architecture.energy(parameters, species, point.positions, point.cell, neighbours)

    return jax.lax.map(at_one, stacked)
