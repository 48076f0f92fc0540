"""The architecture under the potential and the dipole surface: orbitals around each atom, their invariant densities,
and for each element a network of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.surfaces.embedded_atoms import DescriptorSettings
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours
from dynrefine.geometry.neighbours import displacements
from dynrefine.surfaces.networks import dense_layers
from dynrefine.surfaces.networks.blocks import block_length, sum_over_blocks
from dynrefine.surfaces.networks.embedded_density import OrbitalBasis, orbitals
from dynrefine.surfaces.networks.invariants import Invariants


@dataclass(frozen=True)
class EnvironmentNetwork:
    """From neighbours to a few numbers per atom.

    Attributes:
        invariants: the features, of Gaussian-type orbitals.
        hidden_layers: widths of the hidden layers of each element's network.
        outputs: numbers per atom.
    """

    invariants: Invariants
    hidden_layers: tuple[int, ...]
    outputs: int

    @property
    def basis(self) -> OrbitalBasis:
        """The Gaussian-type orbitals."""
        return self.invariants.basis

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """Random trainable parameters, and constants that normalise nothing yet (see `feature_statistics`)."""
        elements, features = self.basis.elements, self.invariants.features
        orbital_key, layer_key = jax.random.split(key)
        sizes = [features, *self.hidden_layers, self.outputs]
        mixing = self.invariants.initial_parameters(jax.random.fold_in(orbital_key, 1))
        return {
            "trainable": {
                "orbitals": self.basis.initial_parameters(orbital_key),
                "layers": dense_layers.initial_layers(layer_key, elements, sizes),
                **({"mixing": mixing} if mixing else {}),
            },
            "constants": {
                "feature_mean": jnp.zeros((elements, features)),
                "feature_scale": jnp.ones((elements, features)),
            },
        }

    def features(
        self, parameters: Mapping[str, Any], species: jax.Array, vectors: jax.Array, indices: jax.Array
    ) -> jax.Array:
        """Features before normalisation [N, F]; arguments as for `evaluate`."""
        trainable = parameters["trainable"]
        density = orbitals(self.basis, trainable["orbitals"], vectors, species[indices])
        return self.invariants.evaluate(trainable.get("mixing", {}), species, density)

    def evaluate(self, parameters: Mapping[str, Any], atoms: "Environments") -> tuple[jax.Array, jax.Array]:
        """Orbitals [N, A, n] and network outputs [N, outputs] of some atoms, the latter zero for padding.

        Arguments:
            parameters: {"trainable", "constants"} as from `initial_parameters`.
            atoms: with their neighbours.
        """
        trainable, constants, species = parameters["trainable"], parameters["constants"], atoms.species
        density = orbitals(self.basis, trainable["orbitals"], jnp.stack(atoms.vectors), atoms.elements)
        features = self.invariants.evaluate(trainable.get("mixing", {}), species, density)
        features = (features - constants["feature_mean"][species]) / constants["feature_scale"][species]
        return density, dense_layers.evaluate(trainable["layers"], species, features)

    def sum_over_atoms(
        self,
        contribution: Callable[[Any, "Environments"], jax.Array],
        parameters: Any,
        species: jax.Array,
        vectors: jax.Array,
        indices: jax.Array,
    ) -> jax.Array:
        """Σ contribution(parameters, atoms) over blocks of atoms.

        Arguments:
            contribution: of some atoms; closes over no traced array, and is zero for padding.
            parameters: what it depends on besides the atoms, a tree of arrays.
            species: element index of each atom, -1 for padding, int32 [N].
            vectors: displacements to the neighbours [3, N, K], Å.
            indices: of the neighbours, int32 [N, K].
        """
        far = 10.0 * self.basis.cutoff
        length = block_length(
            species.shape[0], indices.shape[1] * self.basis.radial_functions * vectors.dtype.itemsize
        )
        return sum_over_blocks(
            contribution,
            parameters,
            Environments(species, species[indices], tuple(vectors)),
            Environments(-1, 0, (far, far, far)),
            length,
        )


def described_invariants(settings: DescriptorSettings, elements: int) -> Invariants:
    """The features that the configuration of a surface describes."""
    basis = OrbitalBasis(elements, settings.cutoff, settings.radial_functions, settings.angular_momentum)
    return Invariants(basis, settings.mixed_orbitals, settings.triple_products)


class Environments(NamedTuple):
    """Atoms with their neighbours.

    Attributes:
        species: element index of each atom, -1 for padding, int32 [N].
        elements: element indices of its neighbours, int32 [N, K].
        vectors: displacements to its neighbours along x, y and z, each [N, K], Å.
    """

    species: Any
    elements: Any
    vectors: tuple[Any, Any, Any]


@dataclass(frozen=True)
class NetworkSurface:
    """Base of surfaces that are sums over atoms, computed by one network.

    Attributes:
        network: from neighbours to a few numbers per atom.
    """

    network: EnvironmentNetwork

    @property
    def cutoff(self) -> float:
        """Å."""
        return self.network.basis.cutoff

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """Random trainable parameters; constants are set from the training frames before training."""
        return self.network.initial_parameters(key)

    def fitted_constants(
        self, parameters: Mapping[str, Any], training: FramesWithNeighbours
    ) -> dict[str, np.ndarray]:
        """Constants that normalise the features over the training frames."""
        return fitted_constants(self.network, parameters, training)


def fitted_constants(
    network: EnvironmentNetwork, parameters: Mapping[str, Any], training: FramesWithNeighbours
) -> dict[str, np.ndarray]:
    """The constants that normalise the features over the training frames."""

    def features(species: Any, positions: Any, cell: Any, neighbours: Any) -> jax.Array:
        vectors = displacements(positions, cell, neighbours)
        return network.features(parameters, species, vectors, neighbours.indices)

    values = np.asarray(jax.jit(lambda data: data.evaluate(features))(training))
    return feature_statistics(values, np.asarray(training.frames.species), network.basis.elements)


def feature_statistics(features: np.ndarray, species: np.ndarray, elements: int) -> dict[str, np.ndarray]:
    """Mean and spread of each feature per element over the training frames.

    Arguments:
        features: [frames, N, F].
        species: [frames, N], -1 for padding.
        elements: number of elements.

    Returns:
        feature_mean and feature_scale, each [elements, F].
    """
    chosen = [features[species == element] for element in range(elements)]
    spread = np.stack([each.std(axis=0) for each in chosen])
    floor = 1e-3 * spread.max(axis=1, keepdims=True)
    return {
        "feature_mean": np.stack([each.mean(axis=0) for each in chosen]),
        "feature_scale": np.maximum(spread, floor),
    }
