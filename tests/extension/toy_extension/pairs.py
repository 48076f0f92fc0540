"""A potential of pairs: U = 1/2 Σ_ij Σ_k c_k(e_i, e_j) exp(-(r - r_k)² / w²) (1 - r²/c²)²."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.config.data import Element
from dynrefine.geometry.neighbours import NeighbourList, displacements, lengths
from toy_extension.pairs_settings import Settings


@jax.custom_vjp
def squared(x: jax.Array) -> jax.Array:
    """x², with a rule for reverse mode that calls it again, as those of many networks do."""
    return x * x


def _squared_forwards(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return squared(x), x


def _squared_backwards(x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
    return (2.0 * x * cotangent,)


squared.defvjp(_squared_forwards, _squared_backwards)


@dataclass(frozen=True)
class Pairs:
    """The potential.

    Attributes:
        elements: how many.
        cutoff: Å.
        functions: Gaussians for each pair of elements.
    """

    elements: int
    cutoff: float
    functions: int

    @classmethod
    def from_settings(cls, settings: Settings, elements: Sequence[Element]) -> "Pairs":
        """The potential that the configuration describes."""
        return cls(len(elements), settings.cutoff, settings.functions)

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """One array; nothing is constant."""
        shape = (self.elements, self.elements, self.functions)
        return {"trainable": 0.1 * jax.random.normal(key, shape), "constants": {}}

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """eV; padding has no energy."""
        distance = lengths(displacements(positions, cell, neighbours))
        centres = jnp.linspace(0.7, self.cutoff, self.functions)
        width = centres[1] - centres[0]
        gaussians = jnp.exp(-(((distance[..., None] - centres) / width) ** 2))
        envelope = squared(jnp.maximum(1.0 - distance**2 / self.cutoff**2, 0.0))
        coefficients = parameters["trainable"][species[:, None], species[neighbours.indices]]
        pairs = jnp.sum(coefficients * gaussians, axis=-1) * envelope
        return 0.5 * jnp.sum(jnp.where(species[:, None] >= 0, pairs, 0.0))


SURFACE = Pairs
