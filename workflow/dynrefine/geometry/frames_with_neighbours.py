"""Frames with their neighbour lists, which are found once because the atoms do not move."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.neighbours import (
    NeighbourList,
    displacements,
    expected_capacity,
    images_per_axis,
    neighbour_list,
)

jax.tree_util.register_dataclass(LabelledFrames)


@partial(jax.tree_util.register_dataclass, data_fields=["frames", "neighbours"], meta_fields=[])
@dataclass(frozen=True)
class FramesWithNeighbours:
    """Labelled frames and their neighbours within a model's cutoff; the first axis of every array is the frame."""

    frames: LabelledFrames
    neighbours: NeighbourList

    def __getitem__(self, index: slice) -> "FramesWithNeighbours":
        """Some of the frames."""
        return jax.tree.map(lambda array: array[index], self)

    def evaluate(self, function: Any) -> Any:
        """Map function(species, positions, cell, neighbours) over the frames."""
        frames = self.frames
        return jax.vmap(function)(frames.species, frames.positions, frames.cells, self.neighbours)


def with_neighbours(frames: LabelledFrames, cutoff: float, dtype: Any) -> FramesWithNeighbours:
    """Find all neighbours within the cutoff (Å), in lists as long as the densest frame needs."""
    images = tuple(np.max([images_per_axis(cell, cutoff) for cell in frames.cells], axis=0).tolist())
    atoms = np.sum(frames.species >= 0, axis=1)
    volumes = np.abs(np.linalg.det(frames.cells))
    capacity = max(expected_capacity(n, volume, cutoff) for n, volume in zip(atoms, volumes, strict=True))
    arrays = jax.tree.map(
        lambda array: (
            jnp.asarray(array, dtype) if np.issubdtype(array.dtype, np.floating) else jnp.asarray(array)
        ),
        frames,
    )

    @partial(jax.jit, static_argnames="capacity")
    def find(arrays: LabelledFrames, capacity: int) -> NeighbourList:
        def one(inputs: tuple[jax.Array, jax.Array, jax.Array]) -> NeighbourList:
            positions, cell, species = inputs
            return neighbour_list(positions, cell, cutoff, capacity, images, species >= 0)

        return jax.lax.map(one, (arrays.positions, arrays.cells, arrays.species))

    neighbours = find(arrays, capacity)
    while bool(jnp.any(neighbours.overflow)):
        capacity += 16
        neighbours = find(arrays, capacity)
    return FramesWithNeighbours(arrays, neighbours)


def parts_with_neighbours(
    parts: Mapping[str, LabelledFrames], cutoff: float, dtype: Any
) -> tuple[FramesWithNeighbours, dict[str, slice]]:
    """All parts of a data set with their neighbours, and where in it each part lies.

    One compiled program then serves all parts; separately, each part would need its own.
    """
    ends = np.cumsum([len(part) for part in parts.values()]).tolist()
    places = {
        name: slice(end - len(part), end) for (name, part), end in zip(parts.items(), ends, strict=True)
    }
    return with_neighbours(LabelledFrames.joined(parts.values()), cutoff, dtype), places


def shortest_distances(data: FramesWithNeighbours, elements: int) -> np.ndarray:
    """Shortest distance of each pair of elements in any frame [elements, elements], Å; infinite if none."""

    def distances(
        _: jax.Array, positions: jax.Array, cell: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        return jnp.linalg.norm(displacements(positions, cell, neighbours), axis=0)

    distance = np.where(data.neighbours.filled, data.evaluate(distances), np.inf)
    species = np.asarray(data.frames.species)
    other = np.take_along_axis(species[:, None, :], np.asarray(data.neighbours.indices), axis=2)
    shortest = np.full((elements, elements), np.inf)
    for first in range(elements):
        for second in range(elements):
            chosen = distance[(species[:, :, None] == first) & (other == second)]
            shortest[first, second] = chosen.min(initial=np.inf)
    return shortest
