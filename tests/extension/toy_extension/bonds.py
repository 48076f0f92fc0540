"""A dipole surface of charges and of a dipole along each pair: Σ q_i x_i + Σ_ij p(e_i, e_j) d_ij (1 - r²/c²)²."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.config.data import Element
from dynrefine.geometry.neighbours import NeighbourList, displacements
from toy_extension.bonds_settings import Settings


@dataclass(frozen=True)
class Bonds:
    """The surface.

    Attributes:
        charges: formal charge of each element, e.
        cutoff: Å.
    """

    charges: tuple[float, ...]
    cutoff: float

    @classmethod
    def from_settings(cls, settings: Settings, elements: Sequence[Element]) -> "Bonds":
        """The surface that the configuration describes."""
        return cls(tuple(float(element.charge) for element in elements), settings.cutoff)

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """Nothing is known of the bonds at first."""
        elements = len(self.charges)
        return {"trainable": {"polarity": jnp.zeros((elements, elements))}, "constants": {}}

    def dipole(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """[3] in e Å, modulo e times the cell vectors."""
        vectors = displacements(positions, cell, neighbours)
        envelope = jnp.maximum(1.0 - jnp.sum(vectors**2, axis=0) / self.cutoff**2, 0.0) ** 2
        polarity = parameters["trainable"]["polarity"][species[:, None], species[neighbours.indices]]
        bonds = jnp.where(species[:, None] >= 0, polarity * envelope, 0.0)
        charges = jnp.where(species >= 0, jnp.asarray(self.charges, positions.dtype)[species], 0.0)
        return charges @ positions + jnp.sum(bonds * vectors, axis=(1, 2))


SURFACE = Bonds
