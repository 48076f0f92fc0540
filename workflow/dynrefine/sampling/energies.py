"""Potential energies of configurations at several potentials."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.dynamics.force_field import ForceField, over_configurations
from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import System


def potential_energies(
    field: ForceField, potentials: Sequence[Model], system: System, positions: Float[Array, "S N 3"]
) -> Float[np.ndarray, "K S"]:
    """Energies in eV at each potential, of one architecture, of configurations in Å."""

    def at_all(
        field: ForceField, parameters: Mapping[str, Any], x: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        def at_one(own: Mapping[str, Any]) -> jax.Array:
            return field.architecture.energy(own, system.species, x, system.cell, neighbours)

        return jax.lax.map(at_one, parameters)

    stacked = jax.tree.map(lambda *each: jnp.stack(each), *(potential.parameters for potential in potentials))
    return np.asarray(over_configurations(at_all, field, stacked, system, positions)).T
