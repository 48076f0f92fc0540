"""Embedded atom neural network potential (Zhang, Hu, Jiang, J. Phys. Chem. Lett. 10, 4962 (2019))."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import Element
from dynrefine.config.surfaces.embedded_atoms import EmbeddedAtomSettings
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, shortest_distances
from dynrefine.geometry.neighbours import NeighbourList, displacements, lengths
from dynrefine.surfaces.networks.environment_network import (
    EnvironmentNetwork,
    Environments,
    NetworkSurface,
    described_invariants,
)
from dynrefine.surfaces.networks.repulsion import core_repulsion

# The repulsion begins at this fraction of the shortest distance seen in training, outside all data.
REPULSION_ONSET = 0.97


@dataclass(frozen=True)
class EmbeddedAtomNetwork(NetworkSurface):
    """Architecture of the potential.

    Attributes:
        network: from neighbours to the energy of each atom, eV.
        repulsion_strength: of the short-range repulsion, eV.
    """

    repulsion_strength: float

    @classmethod
    def from_settings(
        cls, settings: EmbeddedAtomSettings, elements: Sequence[Element]
    ) -> "EmbeddedAtomNetwork":
        """The architecture that the configuration section `potential` describes."""
        invariants = described_invariants(settings, len(elements))
        network = EnvironmentNetwork(invariants, tuple(settings.hidden_layers), outputs=1)
        return cls(network, settings.repulsion_strength)

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """Random trainable parameters; constants are set from the training frames before training."""
        parameters = super().initial_parameters(key)
        elements = self.network.basis.elements
        parameters["constants"]["repulsion_radii"] = jnp.full((elements, elements), 0.5)
        return parameters

    def fitted_constants(
        self, parameters: Mapping[str, Any], training: FramesWithNeighbours
    ) -> dict[str, np.ndarray]:
        """Constants that normalise the features over the training frames, and the radii of the repulsion."""
        elements = self.network.basis.elements
        shortest = shortest_distances(training, elements)
        unseen = REPULSION_ONSET * min(self.cutoff, 1.0)
        radii = np.where(np.isfinite(shortest), REPULSION_ONSET * shortest, unseen)
        return super().fitted_constants(parameters, training) | {"repulsion_radii": radii}

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Potential energy relative to the element offsets, eV.

        Arguments:
            parameters: {"trainable", "constants"} as from `initial_parameters`.
            species: element index of each atom, -1 for padding, int32 [N].
            positions: [N, 3], Å.
            cell: cell vectors as rows [3, 3], Å.
            neighbours: complete within the cutoff.
        """
        vectors = displacements(positions, cell, neighbours)
        return self.network.sum_over_atoms(
            self._energy_of_atoms, parameters, species, vectors, neighbours.indices
        )

    def atomic_energies(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """What each atom contributes to the energy [N], eV; arguments as for `energy`."""
        vectors = tuple(displacements(positions, cell, neighbours))
        return self._energies(parameters, Environments(species, species[neighbours.indices], vectors))

    def _energy_of_atoms(self, parameters: Mapping[str, Any], atoms: Environments) -> jax.Array:
        return jnp.sum(self._energies(parameters, atoms))

    def _energies(self, parameters: Mapping[str, Any], atoms: Environments) -> jax.Array:
        _, atomic = self.network.evaluate(parameters, atoms)
        radii = parameters["constants"]["repulsion_radii"][atoms.species[:, None], atoms.elements]
        repulsion = core_repulsion(lengths(jnp.stack(atoms.vectors)), radii, self.repulsion_strength)
        return atomic[:, 0] + 0.5 * jnp.sum(repulsion, axis=1)


SURFACE = EmbeddedAtomNetwork
