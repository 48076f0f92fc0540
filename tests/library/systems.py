"""Small systems for the tests: boxes of water-like molecules, random models on them, and analytic potentials."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import WATER
from dynrefine.config.surfaces.base import SurfaceSettings
from dynrefine.config.surfaces.embedded_atoms import DipoleSettings, EmbeddedAtomSettings
from dynrefine.dynamics.force_field import ForceField
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model, create_model, flat_parameters
from dynrefine.geometry.cell import volume
from dynrefine.geometry.neighbours import NeighbourList, displacements, images_per_axis, neighbour_list
from dynrefine.geometry.system import Point, System, system_of
from dynrefine.surfaces.networks.environment_network import feature_statistics

ELEMENTS = list(WATER)
POTENTIAL = EmbeddedAtomSettings(
    cutoff=3.0, radial_functions=3, angular_momentum=2, hidden_layers=[5], repulsion_strength=20.0
)
DIPOLE = DipoleSettings(cutoff=2.5, radial_functions=2, angular_momentum=1, hidden_layers=[4])
CUBIC = np.diag([5.2, 5.2, 5.2])
TRICLINIC = np.array([[5.4, 0.0, 0.0], [0.7, 5.0, 0.0], [-0.5, 0.6, 5.6]])
ALL = 64  # room for every neighbour in the boxes of these tests


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["species", "numbers", "masses", "cell"],
    meta_fields=["kinds"],
)
@dataclass(frozen=True)
class Box(System):
    """Atoms with the one cell that a test has them in, [3, 3] in Å."""

    cell: jax.Array

    @property
    def volume(self) -> float:
        """Å³."""
        return volume(self.cell)

    def points(self, positions: Any, velocities: Any) -> Point:
        """One point [N, 3] or several [S, N, 3] in this cell."""
        cells = jnp.broadcast_to(self.cell, (*positions.shape[:-2], 3, 3))
        return Point(jnp.asarray(positions), jnp.asarray(velocities), cells)


def box_of(species: Any, cell: Any, elements: Any, dtype: Any) -> Box:
    """Atoms of these elements in a cell."""
    return Box(**vars(system_of(np.asarray(species), elements, dtype)), cell=jnp.asarray(cell, dtype))


def water_box(molecules: int, cell: np.ndarray, seed: int = 0) -> tuple[Box, jax.Array]:
    """Bent molecules O, H, H on a shaken grid, each turned at random, and their positions [N, 3] in Å."""
    generator = np.random.default_rng(seed)
    per_axis = int(np.ceil(molecules ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(per_axis)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    centres = (grid[:molecules] + 0.25) / per_axis @ cell
    shape = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
    positions = np.concatenate([centre + shape @ rotation(generator).T for centre in centres])
    positions += generator.normal(0.0, 0.05, positions.shape)
    species = np.tile([0, 1, 1], molecules)
    return box_of(species, cell, ELEMENTS, jnp.float64), jnp.asarray(positions)


def rotation(generator: np.random.Generator) -> np.ndarray:
    """A random proper rotation [3, 3]."""
    matrix, triangle = np.linalg.qr(generator.normal(size=(3, 3)))
    matrix = matrix * np.sign(np.diag(triangle))
    return matrix * np.sign(np.linalg.det(matrix))


_find = jax.jit(neighbour_list, static_argnames=("cutoff", "capacity", "images"))


def all_neighbours(positions: Any, cell: Any, cutoff: float, **options: Any) -> NeighbourList:
    """A neighbour list with room for all."""
    return _find(positions, cell, cutoff, ALL, images_per_axis(np.asarray(cell), cutoff), **options)


def random_model(
    settings: SurfaceSettings, system: Box, positions: jax.Array, seed: int = 1, scale: float = 0.3
) -> Model:
    """A random potential or dipole surface, its features normalised on one configuration so that it is tame.

    Arguments:
        settings: `POTENTIAL` or `DIPOLE`.
        system: on whose atoms it is normalised.
        positions: [N, 3], Å.
        seed: of the parameters.
        scale: factor on the last layer's weights: how rough the surface is.
    """
    model = create_model(settings, ELEMENTS, jax.random.key(seed))
    network = model.architecture.network
    neighbours = all_neighbours(positions, system.cell, network.basis.cutoff)
    vectors = displacements(positions, system.cell, neighbours)
    features = jax.jit(network.features)(model.parameters, system.species, vectors, neighbours.indices)
    constants = feature_statistics(
        np.asarray(features)[None], np.asarray(system.species)[None], len(ELEMENTS)
    )
    constants = model.parameters["constants"] | {k: 3.0 * jnp.asarray(v) for k, v in constants.items()}
    if "repulsion_radii" in constants:
        constants["repulsion_radii"] = jnp.array([[2.0, 1.1], [1.1, 1.4]])
    trainable = model.parameters["trainable"]
    *hidden, last = trainable["layers"]
    trainable = trainable | {"layers": [*hidden, {**last, "weights": scale * last["weights"]}]}
    return replace(model, parameters={"trainable": trainable, "constants": constants}).cast(jnp.float64)


def vector_of(model: Model) -> np.ndarray:
    """Its trainable parameters [P]."""
    return np.asarray(flat_parameters(model.parameters["trainable"])[0])


def cast(tree: Any, dtype: Any) -> Any:
    """A tree with its floating-point arrays in another precision."""
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def field_of(
    architecture: Any, cell: Any, skin: float = 1.0, capacity: int = ALL, rebuild_interval: int = 10
) -> ForceField:
    """A force field with room for all neighbours, if not told otherwise."""
    images = images_per_axis(np.asarray(cell), architecture.cutoff + skin)
    return ForceField(architecture, skin, capacity, images, rebuild_interval)


@dataclass(frozen=True)
class SoftPairs:
    """U = Σ over pairs of a exp(-b r²) (1 - r²/c²)⁴, smooth at the cutoff c; trainable a (eV) and b (1/Å²)."""

    cutoff: float = 3.0

    def initial_parameters(self) -> dict[str, Any]:
        """A repulsion of some tenths of an eV at contact."""
        return {"trainable": {"a": jnp.array(0.4), "b": jnp.array(0.3)}, "constants": {}}

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: Any,
        positions: Any,
        cell: Any,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Interface of a potential."""
        squared = jnp.sum(displacements(positions, cell, neighbours) ** 2, axis=0)
        own = parameters["trainable"]
        envelope = jnp.maximum(1.0 - squared / self.cutoff**2, 0.0) ** 4
        return 0.5 * own["a"] * jnp.sum(jnp.exp(-own["b"] * squared) * envelope)


@dataclass(frozen=True)
class Springs:
    """U = k/2 Σ |x - x0|²: every atom on its own spring; trainable k (eV/Å²), constants x0 (Å)."""

    cutoff: float = 1.0

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: Any,
        positions: Any,
        cell: Any,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Interface of a potential."""
        away = positions - parameters["constants"]["centres"]
        return 0.5 * parameters["trainable"]["stiffness"] * jnp.sum(away**2)


@dataclass(frozen=True)
class PointCharges:
    """A dipole surface of formal charges (e) alone, atom by atom, repeated as often as there is room."""

    charges: tuple[float, ...]

    def atomic_charges(self, parameters: Any, species: Any, dtype: Any) -> jax.Array:
        """Interface of a dipole surface."""
        return jnp.tile(jnp.asarray(self.charges, dtype), len(species) // len(self.charges))

    def learned_dipole(self, parameters: Any, species: Any, positions: Any, *geometry: Any) -> jax.Array:
        """Interface of a dipole surface: none."""
        return jnp.zeros(3, positions.dtype)


def made_up_ensemble(species: Any, cell: Any, positions: Any, **given: Any) -> Ensemble:
    """An ensemble of starting points [S, N, 3] in one cell, what is not given zero or the same as these."""
    count, nothing = len(positions), np.zeros((0, len(positions)))
    recorded = given.get("recorded_positions", positions[None])
    cells = np.broadcast_to(cell, (count, 3, 3))
    values = {
        "velocities": np.zeros_like(positions),
        "energies_by_potential": np.zeros((1, count)),
        "sampled_by": np.zeros(count, int),
        "chain_positions": positions,
        "chain_velocities": np.zeros_like(positions),
        "chain_cells": cells,
        "recorded_positions": recorded,
        "recorded_cells": np.broadcast_to(cell, (*recorded.shape[:2], 3, 3)),
        "energies": nothing,
        "temperatures": nothing,
        "metadata": {},
    }
    return Ensemble(species=np.asarray(species), cells=cells, positions=positions, **values | given)


def autoregressive(generator: np.random.Generator, chains: int, samples: int, memory: float) -> np.ndarray:
    """Chains [chains, samples] of normal numbers, each of which remembers so much of the one before."""
    steps = generator.normal(size=(chains, samples))
    for number in range(1, samples):
        steps[:, number] = memory * steps[:, number - 1] + np.sqrt(1 - memory**2) * steps[:, number]
    return steps
