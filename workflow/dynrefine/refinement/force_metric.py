"""The metric of the forces on the ab initio frames (`natural_gradient` has the equations).

The rows of A are the derivatives of M random projections of the forces with respect to the parameters. If they do
not fit into memory, A Aᵀ is built from blocks of rows, A g is a derivative of the forces along g, and Aᵀ y a
derivative of their projection on y.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from dynrefine.dynamics.mapping import Blocks, for_each, sum_each
from dynrefine.files.models import Model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, with_neighbours
from dynrefine.surfaces.forward_mode import jvp

_BATCH = 8  # probes or frames at once on an accelerator
_BLOCK = 2**25  # numbers in a block of rows, if the rows do not all fit


@dataclass(frozen=True, eq=False)
class Products:
    """A metric whose rows are never all in memory together.

    It computes in double precision, because the step is a small difference of large terms.

    Attributes:
        potential: whose parameters are probed.
        frames: of the training set.
        directions: of the probes.
        gram: from `gram_of`, (eV/Å)².
        refined: indices of the refined parameters.
    """

    potential: Model
    frames: LabelledFrames
    directions: Float[np.ndarray, "frames probes N 3"]
    gram: Float[np.ndarray, "M M"]
    refined: Int[np.ndarray, " R"]

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """How a change of the parameters changes each projection."""
        with jax.enable_x64(True):
            whole = jnp.zeros(_size(self.potential)).at[self.refined].set(change)
            return np.asarray(self._programs[0](*self._doubled, whole)).ravel()

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""
        with jax.enable_x64(True):
            data, directions = self._doubled
            shares = jnp.asarray(amounts).reshape(directions.shape[:2])
            combined = jnp.einsum("fm,fmni->fni", shares, directions)
            return np.asarray(self._programs[1](data, combined))[self.refined]

    # A step takes tens of products, so neighbours are searched for and programs compiled only once.
    @cached_property
    def _doubled(self) -> tuple[FramesWithNeighbours, jax.Array]:
        data = unlabelled(self.potential, self.frames, jnp.float64)
        return data, jnp.asarray(self.directions, jnp.float64)

    @cached_property
    def _programs(self) -> tuple[Callable[..., jax.Array], Callable[..., jax.Array]]:
        """`projected_changes` and `pulled_back` of the potential."""
        doubled = self.potential.cast(jnp.float64)
        return jax.jit(partial(projected_changes, doubled)), jax.jit(partial(pulled_back, doubled))


def drawn_directions(
    frames: LabelledFrames, count: int, key: jax.Array, dtype: Any
) -> Float[jax.Array, "frames probes N 3"]:
    """Random directions of the forces, scaled for a mean over the components; zero for padding.

    Arguments:
        frames: on which the forces are projected.
        count: least number of directions; each frame gets equally many.
        key: of the draws.
        dtype: of the directions.
    """
    keys = jax.random.split(key, (len(frames), math.ceil(count / len(frames))))
    shape = frames.positions.shape[1:]
    drawn = jax.vmap(jax.vmap(lambda key: jax.random.normal(key, shape, dtype)))(keys)
    atoms = np.asarray(frames.species) >= 0
    scale = np.where(atoms, 1.0 / np.sqrt(3 * atoms.sum(axis=1, keepdims=True)), 0.0)
    return drawn * jnp.asarray(scale, dtype)[:, None, :, None]


def force_probes(
    potential: Model,
    frames: LabelledFrames,
    directions: Float[jax.Array, "frames probes N 3"],
    refined: Int[np.ndarray, " R"],
    dtype: Any,
) -> Float[np.ndarray, "M R"]:
    """The rows of the force metric, eV/Å.

    Arguments:
        potential: whose parameters are probed.
        frames: of the training set.
        directions: of the probes.
        refined: indices of the refined parameters.
        dtype: of the computation.
    """
    potential, data = potential.cast(dtype), unlabelled(potential, frames, dtype)
    numbers = jnp.arange(_count(directions))
    return np.asarray(jax.jit(partial(probe_rows, potential, refined))(data, directions, numbers))


def gram_of(
    potential: Model,
    frames: LabelledFrames,
    directions: Float[jax.Array, "frames probes N 3"],
    refined: Int[np.ndarray, " R"],
    folder: Path,
) -> Float[np.ndarray, "M M"]:
    """The products of all pairs of rows, (eV/Å)², with one block of rows in memory at a time and all rows on disk.

    Arguments:
        potential: whose parameters are probed.
        frames: of the training set.
        directions: of the probes.
        refined: indices of the refined parameters.
        folder: with room for the rows in double precision.
    """
    count, length = _count(directions), max(1, _BLOCK // len(refined))
    with jax.enable_x64(True), TemporaryFile(dir=folder) as file:
        potential, data = potential.cast(jnp.float64), unlabelled(potential, frames, jnp.float64)
        doubled = jnp.asarray(directions, jnp.float64)
        rows_of = jax.jit(partial(probe_rows, potential, refined))
        rows = np.memmap(file, float, "w+", shape=(count, len(refined)))
        for start in range(0, count, length):
            block = np.arange(start, min(start + length, count))
            rows[block] = rows_of(data, doubled, block)
        return np.asarray(rows @ rows.T)


def probe_rows(
    potential: Model,
    refined: Int[np.ndarray, " R"],
    data: FramesWithNeighbours,
    directions: Float[jax.Array, "frames probes N 3"],
    numbers: Int[jax.Array, " B"],
) -> Float[jax.Array, "B R"]:
    """The rows of the probes with these numbers, counted frame by frame, for the refined parameters, eV/Å."""
    per_frame = directions.shape[1]

    def row(number: jax.Array) -> jax.Array:
        own = jax.tree.map(lambda array: array[number // per_frame], data)
        return _row(potential, own, directions[number // per_frame, number % per_frame])[refined]

    return for_each(row, _BATCH)(numbers)


def projected_changes(
    potential: Model,
    data: FramesWithNeighbours,
    directions: Float[jax.Array, "frames probes N 3"],
    change: Float[jax.Array, " P"],
) -> Float[jax.Array, "frames probes"]:
    """How a change of the parameters changes the projections of the forces, eV/Å."""
    trainable = potential.parameters["trainable"]
    tangent = flat_parameters(trainable)[1](change)

    def of_frame(frame: FramesWithNeighbours, directions: jax.Array) -> jax.Array:
        def gradient(trainable: Any) -> jax.Array:
            return jax.grad(partial(_energy, potential, frame), argnums=1)(trainable, frame.frames.positions)

        _, moved = jvp(gradient, (trainable,), (tangent,))
        return -jnp.einsum("mni,ni->m", directions, moved)

    return for_each(of_frame, _BATCH)(data, directions)


def pulled_back(
    potential: Model, data: FramesWithNeighbours, directions: Float[jax.Array, "frames N 3"]
) -> Float[jax.Array, " P"]:
    """The derivative of the forces' projections, on one direction per frame and summed, by the parameters."""
    count, size = len(directions), flat_parameters(potential.parameters["trainable"])[0]
    blocks = Blocks(count, length=count, at_once=_BATCH)
    return sum_each(lambda *frame: (_row(potential, *frame), None), blocks, size)(data, directions)[0][0]


def unlabelled(potential: Model, frames: LabelledFrames, dtype: Any) -> FramesWithNeighbours:
    """Frames without labels, with the neighbours within the potential's cutoff."""
    bare = LabelledFrames.unlabelled(frames.species, frames.positions, frames.cells)
    data = with_neighbours(bare, potential.architecture.cutoff, dtype)
    bare = LabelledFrames.unlabelled(data.frames.species, data.frames.positions, data.frames.cells)
    return jax.tree.map(jnp.asarray, FramesWithNeighbours(bare, data.neighbours))


def _count(directions: Any) -> int:
    """The number of probes."""
    return directions.shape[0] * directions.shape[1]


def _size(potential: Model) -> int:
    """The number of trainable parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(potential.parameters["trainable"]))


def _row(potential: Model, frame: FramesWithNeighbours, direction: jax.Array) -> jax.Array:
    """The derivative of the forces' projection on a direction [N, 3] with respect to the parameters [P]."""

    def by_parameters(positions: jax.Array) -> Any:
        return jax.grad(partial(_energy, potential, frame))(potential.parameters["trainable"], positions)

    _, along = jvp(by_parameters, (frame.frames.positions,), (direction,))
    return -flat_parameters(along)[0]


def _energy(potential: Model, frame: FramesWithNeighbours, trainable: Any, positions: jax.Array) -> jax.Array:
    parameters = {**potential.parameters, "trainable": trainable}
    return potential.architecture.energy(
        parameters, frame.frames.species, positions, frame.frames.cells, frame.neighbours
    )
