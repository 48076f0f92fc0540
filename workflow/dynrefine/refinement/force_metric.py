"""Lengths in parameter space, measured by what they do to the forces on the ab initio frames.

With J the derivative of all force components with respect to the parameters, a change δ of the parameters changes the
forces by a mean square of δᵀ G δ, G = JᵀJ / components. The natural gradient step

    δ = -r (G + λ)⁻¹ g / sqrt(gᵀ (G + λ)⁻¹ g)

lowers a loss of gradient g the most among all steps that change the forces by r (Amari, Neural Comput. 10, 251
(1998)): the measured property is bought at the least cost in ab initio accuracy, and noise of the gradient in
directions that would wreck the forces hardly moves the parameters.

G is estimated as AᵀA / M with M random projections of the forces, whose derivatives are the rows of A. By Woodbury's
identity the step needs A Aᵀ [M, M], measured once, and the products A g and Aᵀ y: of the rows where they fit into
memory, else by a derivative of the forces along g and one of their projection on y.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from dynrefine.dynamics.mapping import LARGEST_METRIC, Blocks, for_each, sum_each
from dynrefine.files.models import Model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, with_neighbours
from dynrefine.surfaces.forward_mode import jvp

_BATCH = 8  # probes or frames at once on an accelerator
_BLOCK = 2**25  # those of a block of rows where they do not fit


class Metric(Protocol):
    """Random projections of the forces and their derivatives by the parameters, rows a with G = mean of a aᵀ.

    Attributes:
        gram: a·a' of all pairs of rows, (eV/Å)².
    """

    @property
    def gram(self) -> Float[np.ndarray, "M M"]: ...

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """What a change of the parameters does to each projection."""

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The metric whose rows are in memory."""

    rows: Float[np.ndarray, "M P"]

    @property
    def gram(self) -> Float[np.ndarray, "M M"]:
        """a·a' of all pairs of rows, (eV/Å)²."""
        return self.rows @ self.rows.T

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """What a change of the parameters does to each projection."""
        return self.rows @ change

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""
        return amounts @ self.rows


@dataclass(frozen=True, eq=False)
class Products:
    """The metric whose rows are never in memory together.

    Its numbers are in double precision: the step is a small difference of what the parameters change the most.

    Attributes:
        potential: whose parameters are probed.
        frames: of the training set.
        directions: of the probes.
        gram: from `gram_of`, (eV/Å)².
        refined: numbers of the parameters that are refined.
    """

    potential: Model
    frames: LabelledFrames
    directions: Float[np.ndarray, "frames probes N 3"]
    gram: Float[np.ndarray, "M M"]
    refined: Int[np.ndarray, " R"]

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """What a change of the parameters does to each projection."""
        with jax.enable_x64(True):
            potential, data, directions = self._doubled()
            whole = jnp.zeros(_size(potential)).at[self.refined].set(change)
            changes = jax.jit(partial(projected_changes, potential))(data, directions, whole)
            return np.asarray(changes).ravel()

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""
        with jax.enable_x64(True):
            potential, data, directions = self._doubled()
            shares = jnp.asarray(amounts).reshape(directions.shape[:2])
            combined = jnp.einsum("fm,fmni->fni", shares, directions)
            return np.asarray(jax.jit(partial(pulled_back, potential))(data, combined))[self.refined]

    def _doubled(self) -> tuple[Model, FramesWithNeighbours, jax.Array]:
        data = unlabelled(self.potential, self.frames, jnp.float64)
        return self.potential.cast(jnp.float64), data, jnp.asarray(self.directions, jnp.float64)


def drawn_directions(
    frames: LabelledFrames, count: int, key: jax.Array, dtype: Any
) -> Float[jax.Array, "frames probes N 3"]:
    """Random directions of the forces, scaled for a mean over the components; zero for padding.

    Arguments:
        frames: on which the forces are projected.
        count: of directions at least; each frame gets equally many.
        key: of the drawing.
        dtype: of the directions.
    """
    keys = jax.random.split(key, (len(frames), math.ceil(count / len(frames))))
    shape = frames.positions.shape[1:]
    drawn = jax.vmap(jax.vmap(lambda key: jax.random.normal(key, shape, dtype)))(keys)
    atoms = np.asarray(frames.species) >= 0
    scale = np.where(atoms, 1.0 / np.sqrt(3 * atoms.sum(axis=1, keepdims=True)), 0.0)
    return drawn * jnp.asarray(scale, dtype)[:, None, :, None]


def rows_fit(refined: Int[np.ndarray, " R"], directions: Float[jax.Array, "frames probes N 3"]) -> bool:
    """Whether the rows of all probes, by the refined parameters, fit into memory."""
    return _count(directions) * len(refined) <= LARGEST_METRIC


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
        refined: numbers of the parameters that are refined.
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
    """The products of all pairs of rows, (eV/Å)², with a block of rows in memory and all of them on disk meanwhile.

    Arguments:
        potential: whose parameters are probed.
        frames: of the training set.
        directions: of the probes.
        refined: numbers of the parameters that are refined.
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


@dataclass(frozen=True)
class Damped:
    """(G + λ)⁻¹, through the inverse of a matrix of the probes (Woodbury), which are fewer than the parameters.

    Attributes:
        metric: G.
        shift: λ, (eV/Å)².
        inner: (λ M + A Aᵀ)⁻¹.
    """

    metric: Metric
    shift: float
    inner: Float[np.ndarray, "M M"]

    def __call__(self, vector: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """Its product with a vector."""
        return (vector - self.metric.pulled_back(self.inner @ self.metric.along(vector))) / self.shift


def damped(metric: Metric, damping: float, parameters: int) -> Damped:
    """The inverse of the damped metric.

    Arguments:
        metric: of the forces.
        damping: λ in units of the mean diagonal element of G.
        parameters: number P of them.
    """
    gram = np.asarray(metric.gram, float)
    shift = damping * np.trace(gram) / (len(gram) * parameters)
    return Damped(metric, shift, np.linalg.inv(shift * len(gram) * np.eye(len(gram)) + gram))


@dataclass(frozen=True, eq=False)
class Ruler:
    """What a natural gradient step is measured by, and how long it is.

    Attributes:
        metric: of the forces, or of what another surface predicts.
        radius: r in the unit of the metric's rows, eV/Å of the forces.
    """

    metric: Metric
    radius: float


def natural_step(ruler: Ruler, damping: float) -> optax.GradientTransformation:
    """The natural gradient step of a fixed length, as an optimiser of Optax for a parameter vector [P].

    Arguments:
        ruler: of the step.
        damping: λ in units of the mean diagonal element of G.
    """

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        vector = np.asarray(updates, float)
        solved = damped(ruler.metric, damping, len(vector))(vector)
        length = math.sqrt(max(float(vector @ solved), np.finfo(float).tiny))
        return jnp.asarray(-ruler.radius * solved / length, updates.dtype), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def probe_rows(
    potential: Model,
    refined: Int[np.ndarray, " R"],
    data: FramesWithNeighbours,
    directions: Float[jax.Array, "frames probes N 3"],
    numbers: Int[jax.Array, " B"],
) -> Float[jax.Array, "B R"]:
    """The rows of some probes by their numbers, frame by frame, by the refined parameters, eV/Å."""
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
    """What a change of the parameters does to the forces' projections, eV/Å."""
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
    """The derivative of the sum of the forces' projections, one direction for each frame, by the parameters."""
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
    """Of probes."""
    return directions.shape[0] * directions.shape[1]


def _size(potential: Model) -> int:
    """Of the trainable parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(potential.parameters["trainable"]))


def _row(potential: Model, frame: FramesWithNeighbours, direction: jax.Array) -> jax.Array:
    """The derivative of the forces' projection on a direction [N, 3] by the parameters [P]."""

    def by_parameters(positions: jax.Array) -> Any:
        return jax.grad(partial(_energy, potential, frame))(potential.parameters["trainable"], positions)

    _, along = jvp(by_parameters, (frame.frames.positions,), (direction,))
    return -flat_parameters(along)[0]


def _energy(potential: Model, frame: FramesWithNeighbours, trainable: Any, positions: jax.Array) -> jax.Array:
    parameters = {**potential.parameters, "trainable": trainable}
    return potential.architecture.energy(
        parameters, frame.frames.species, positions, frame.frames.cells, frame.neighbours
    )
