"""Nequix, an equivariant network that passes messages between atoms (Koker, Kotak, Smidt, arXiv:2508.16067).

It is the network of the package nequix, function for function; here its edges come from a neighbour list, and its
weights from a tree of parameters. Constants from the training frames scale messages by the number of neighbours and
energies by the forces, and shift energies by element.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from dynrefine.config.data import Element
from dynrefine.config.foundation import ARGUMENTS
from dynrefine.config.surfaces.nequix import FoundationFile, NequixSettings
from dynrefine.datasets.isotopes import element_of
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours
from dynrefine.geometry.neighbours import NeighbourList, displacements
from dynrefine.surfaces.networks.nequix_package import load_foundation, package

_EDGE_LAYERS = "layers/{}/radial_mlp/layers/{}/weights"


@dataclass(frozen=True)
class NequixPotential:
    """The potential.

    Attributes:
        arguments: of the network in the package, by their names there.
        numbers: atomic numbers of the elements that the network knows, in rising order.
        places: indices of the elements of the campaign among them.
        foundation: path and SHA-256 of the file with its first weights; None for random ones.
    """

    arguments: tuple[tuple[str, Any], ...]
    numbers: tuple[int, ...]
    places: tuple[int, ...]
    foundation: tuple[str, str] | None = None

    @classmethod
    def from_settings(cls, settings: NequixSettings, elements: Sequence[Element]) -> "NequixPotential":
        """The potential that the configuration describes."""
        symbols = [element_of(element.symbol) for element in elements]
        numbers = sorted({atomic_numbers[symbol] for symbol in settings.known_elements or symbols})
        places = tuple(numbers.index(atomic_numbers[symbol]) for symbol in symbols)
        arguments = tuple((name, getattr(settings, own)) for name, own in ARGUMENTS.items())
        file = settings.foundation
        foundation = None if file is None else (file.path, file.sha256)
        return cls(arguments, tuple(numbers), places, foundation)

    @property
    def cutoff(self) -> float:
        """Å."""
        return dict(self.arguments)["cutoff"]

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """Random weights; constants are set from the training frames before training."""
        shifts = jnp.zeros(len(self.places))
        return _parameters(self, _random_network(self, key), jnp.ones(()), jnp.ones(()), shifts)

    def first_parameters(self, key: jax.Array) -> dict[str, Any]:
        """The parameters that training starts from: random ones, or those of the foundation file.

        Raises:
            CampaignError: the file is not the one that the configuration describes.
        """
        if self.foundation is None:
            return self.initial_parameters(key)
        path, sha256 = self.foundation
        settings = NequixSettings(
            kind="nequix",
            **{ARGUMENTS[name]: value for name, value in self.arguments},
            known_elements=[chemical_symbols[number] for number in self.numbers],
            foundation=FoundationFile(path=path, sha256=sha256),
        )
        network, file = load_foundation(settings)
        shifts = file["shift"] + network.atom_energies[jnp.asarray(self.places)]
        messages = jnp.asarray(file["avg_n_neighbors"] ** -0.5)
        return _parameters(self, network, messages, jnp.asarray(file["scale"]), shifts)

    def fitted_constants(
        self, parameters: Mapping[str, Any], training: FramesWithNeighbours
    ) -> dict[str, np.ndarray]:
        """Constants that normalise messages and energies over the training frames.

        Those of a foundation are kept, except for the energies of the elements, which belong to other labels.
        """
        constants = dict(parameters["constants"])
        present = np.asarray(training.frames.species) >= 0
        if self.foundation is None:
            neighbours = np.sum(training.neighbours.filled, axis=-1)[present].mean()
            forces = np.asarray(training.frames.forces, float)[present]
            constants |= {
                "message_scale": np.maximum(neighbours, 1.0) ** -0.5,
                "energy_scale": np.sqrt(np.mean(forces**2)),
            }
        unshifted = constants | {"energy_shifts": jnp.zeros_like(constants["energy_shifts"])}
        energies = _energies(self, {**parameters, "constants": unshifted}, training)
        species = np.asarray(training.frames.species)
        counts = np.stack([np.sum(species == place, axis=1) for place in range(len(self.places))], axis=1)
        missing = np.asarray(training.frames.energies, float) - energies
        return constants | {"energy_shifts": np.linalg.lstsq(counts.astype(float), missing, rcond=None)[0]}

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Potential energy relative to the element offsets, eV; arguments as for any potential."""
        return jnp.sum(self.atomic_energies(parameters, species, positions, cell, neighbours))

    def atomic_energies(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """What each atom contributes to the energy [N], eV; arguments as for any potential."""
        constants, element = parameters["constants"], jnp.maximum(species, 0)
        places = jnp.asarray(self.places, jnp.int32)[element]
        of_atoms = _of_atoms(self, parameters, places, edges_of(positions, cell, neighbours))
        shifted = constants["energy_scale"] * of_atoms + constants["energy_shifts"][element]
        return jnp.where(species >= 0, shifted, jnp.zeros_like(shifted))


class Edges(NamedTuple):
    """The pairs of a neighbour list as a graph; those of empty places are longer than any cutoff.

    Attributes:
        senders: the neighbours, int32 [E].
        receivers: the atoms that have them, int32 [E], in rising order.
        vectors: from receivers to senders, Å, [E, 3].
    """

    senders: jax.Array
    receivers: jax.Array
    vectors: jax.Array


def edges_of(positions: jax.Array, cell: jax.Array, neighbours: NeighbourList) -> Edges:
    """The edges of a list: one for each of its places, so that they suffice where the list does."""
    receivers = jnp.broadcast_to(
        jnp.arange(positions.shape[0], dtype=jnp.int32)[:, None], neighbours.indices.shape
    )
    vectors = displacements(positions, cell, neighbours).reshape(3, -1).T
    return Edges(neighbours.indices.reshape(-1), receivers.reshape(-1), vectors)


def network_of(potential: NequixPotential, parameters: Mapping[str, Any]) -> Any:
    """The network of the package with these weights; the weights of its edges include the scale of messages."""
    skeleton = _skeleton(potential)
    weights = dict(parameters["trainable"])
    for name in skeleton.last_of_edges:
        weights[name] = parameters["constants"]["message_scale"] * weights[name]
    dtype = next(iter(weights.values())).dtype
    leaves = [
        weights[name] if name in weights else jnp.zeros(shape.shape, dtype)
        for name, shape in zip(skeleton.names, skeleton.shapes, strict=True)
    ]
    return skeleton.joined(leaves)


def _of_atoms(
    potential: NequixPotential, parameters: Mapping[str, Any], places: jax.Array, edges: Edges
) -> jax.Array:
    """The output of the network for each atom [N], from the indices of the elements among those it knows [N]."""
    network = network_of(potential, parameters)
    return network.node_energies(edges.vectors, places, edges.senders, edges.receivers)[:, 0]


def _random_network(potential: NequixPotential, key: jax.Array) -> Any:
    return package().Nequix(key, len(potential.numbers), **dict(potential.arguments))


class _Skeleton(NamedTuple):
    """A network without its weights.

    Attributes:
        names: names of its arrays, in the order of its leaves.
        shapes: shapes of its arrays.
        last_of_edges: names of the last layers of the networks of the distance, one for each round of messages.
        joined: builds the network from its arrays.
    """

    names: list[str]
    shapes: list[Any]
    last_of_edges: list[str]
    joined: Any


@cache
def _skeleton(potential: NequixPotential) -> _Skeleton:
    equinox, arguments = package().eqx, dict(potential.arguments)
    network = equinox.filter_eval_shape(_random_network, potential, jax.random.key(0))
    arrays, rest = equinox.partition(network, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    paths, structure = jax.tree_util.tree_flatten_with_path(arrays)

    def joined(leaves: list[jax.Array]) -> Any:
        return equinox.combine(jax.tree_util.tree_unflatten(structure, leaves), rest)

    last = [_EDGE_LAYERS.format(n, arguments["radial_mlp_layers"]) for n in range(arguments["n_layers"])]
    return _Skeleton([_name(path) for path, _ in paths], [shape for _, shape in paths], last, joined)


def _name(path: tuple[Any, ...]) -> str:
    """The name of an array: its path in the network, without the numbers in those of e3nn's weights."""
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    return re.sub(r"_weights/w\[\d+,\d+\] ", "", name).replace(",", "_")


def _parameters(
    potential: NequixPotential, network: Any, messages: jax.Array, energies: jax.Array, shifts: jax.Array
) -> dict[str, Any]:
    equinox = package().eqx
    leaves = jax.tree.leaves(equinox.filter(network, equinox.is_array))
    trainable = dict(zip(_skeleton(potential).names, leaves, strict=True))
    del trainable["atom_energies"]
    constants = {"message_scale": messages, "energy_scale": energies, "energy_shifts": shifts}
    return {"trainable": trainable, "constants": constants}


def _energies(
    potential: NequixPotential, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> np.ndarray:
    """The energy of each frame, one after another, since the messages of all would need much memory."""

    @jax.jit
    def of_frames(parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
        labels = data.frames
        frames = labels.species, labels.positions, labels.cells, data.neighbours
        return jax.lax.map(lambda frame: potential.energy(parameters, *frame), frames)

    return np.asarray(of_frames(parameters, data), float)


SURFACE = NequixPotential
