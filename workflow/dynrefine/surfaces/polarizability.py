"""A polarizability surface: the cell's polarizability as a sum over atoms of a scalar and of symmetric tensors.

The tensors of an atom are its l = 2 orbitals and the products of two vectors of its l = 1 orbitals, weighted by a
network of its invariants, as in the tensorial embedded atom network of Zhang et al., J. Phys. Chem. B 124, 7284
(2020). The sum rotates with the atoms and is invariant under translations.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import Element
from dynrefine.config.surfaces.embedded_atoms import PolarizabilitySettings
from dynrefine.geometry.neighbours import NeighbourList, displacements, with_nearest
from dynrefine.surfaces.networks.environment_network import (
    EnvironmentNetwork,
    Environments,
    NetworkSurface,
    described_invariants,
)
from dynrefine.surfaces.networks.time_derivative import sum_of, time_derivative

_VECTOR, _TENSOR = slice(1, 4), slice(4, 10)  # monomials of l = 1, and of l = 2: xx, xy, xz, yy, yz, zz
_PLACES = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
# Monomials carry the square roots of their multinomial weights.
_UNWEIGHTED = np.where(np.eye(3, dtype=bool), 1.0, 1.0 / math.sqrt(2.0))


@dataclass(frozen=True)
class PolarizabilitySurface(NetworkSurface):
    """Architecture of the polarizability surface.

    Attributes:
        network: from neighbours to a scalar and to the weights of three sets of orbitals, Å³.
    """

    @classmethod
    def from_settings(
        cls, settings: PolarizabilitySettings, elements: Sequence[Element]
    ) -> "PolarizabilitySurface":
        """The architecture that the configuration describes."""
        outputs = 1 + 3 * settings.radial_functions
        invariants = described_invariants(settings, len(elements))
        return cls(EnvironmentNetwork(invariants, tuple(settings.hidden_layers), outputs))

    def local_polarizabilities(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """The contribution of each atom [N, 3, 3] in Å³; arguments as for a potential's `energy`."""
        vectors = tuple(displacements(positions, cell, neighbours))
        return self._of_each(parameters, Environments(species, species[neighbours.indices], vectors))

    def _of_each(self, parameters: Mapping[str, Any], atoms: Environments) -> jax.Array:
        density, outputs = self.network.evaluate(parameters, atoms)
        dtype = density.dtype
        tensor, first, second = jnp.split(outputs[:, 1:], 3, axis=1)
        weighted = jnp.einsum("ixn,in->ix", density[:, _TENSOR], tensor)
        left, right = (jnp.einsum("ixn,in->ix", density[:, _VECTOR], weights) for weights in (first, second))
        product = left[:, :, None] * right[:, None, :]
        scalar = outputs[:, 0, None, None] * jnp.eye(3, dtype=dtype)[None]
        symmetric = weighted[:, _PLACES] * jnp.asarray(_UNWEIGHTED, dtype)[None]
        return scalar + symmetric + product + jnp.swapaxes(product, 1, 2)

    def _of_atoms(self, parameters: Mapping[str, Any], atoms: Environments) -> jax.Array:
        return jnp.sum(self._of_each(parameters, atoms), axis=0)

    def polarizability(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Polarizability of the cell [3, 3] in Å³; arguments as for a potential's `energy`."""
        return sum_of(self.network, self._of_atoms, parameters, species, (positions, cell, neighbours))

    def polarizability_derivative(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        velocities: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """dα/dt of the cell [3, 3] in Å³/fs along velocities [N, 3] in Å/fs."""

        def derivative(neighbours: NeighbourList) -> jax.Array:
            geometry = positions, cell, neighbours
            return time_derivative(self.network, self._of_atoms, parameters, species, geometry, velocities)

        return with_nearest(derivative, positions, cell, neighbours, self.cutoff)


SURFACE = PolarizabilitySurface
