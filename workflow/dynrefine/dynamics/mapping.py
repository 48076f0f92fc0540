"""One function for many replicas or frames."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

# How many numbers the gradients of a chunk may hold in memory and on disk, and those of the replicas that an
# accelerator runs at once.
_KEPT, _AT_ONCE = 2**24, 2**30
LARGEST_METRIC = 2**27  # how many numbers the rows of all probes may hold in memory and on disk
_FEWEST = 8  # blocks needed to estimate an error
FRAMES_AT_ONCE = 8  # on an accelerator, where a surface is evaluated on frames


def rows_fit(probes: int, parameters: int) -> bool:
    """Whether the rows of all probes of a metric, for so many parameters, fit into memory."""
    return probes * parameters <= LARGEST_METRIC


@dataclass(frozen=True)
class Blocks:
    """Starting points in blocks, whose gradients are added up; one point per block where parameters are few.

    Blocks share all of their chains or none, so that errors come from independent groups of chains.

    Attributes:
        points: starting points.
        length: points of each chain in a block; the last blocks may have fewer.
        at_once: starting points whose gradients an accelerator holds in memory together.
        chains: from which the starting points come in turn.
        width: chains in a block; the last blocks may have fewer.
    """

    points: int
    length: int = 1
    at_once: int = _AT_ONCE
    chains: int = 1
    width: int = 1

    @classmethod
    def fitting(cls, points: int, parameters: int, chains: int) -> "Blocks":
        """Blocks as small as memory allows for gradients by so many parameters; chains are joined last."""
        most, chains = max(_FEWEST, _KEPT // parameters), min(chains, points)
        width = math.ceil(chains / most)
        length = math.ceil(math.ceil(points / chains) / max(most // chains, 1))
        return cls(points, length, max(1, _AT_ONCE // parameters), chains, width)

    @property
    def count(self) -> int:
        """Number of blocks."""
        return int(self.numbers.max()) + 1

    @property
    def numbers(self) -> Int[np.ndarray, " S"]:
        """Number of the block of each starting point."""
        turns, chains = np.divmod(np.arange(self.points), self.chains)
        return turns // self.length * self._groups + chains // self.width

    @property
    def groups(self) -> Int[np.ndarray, " B"]:
        """Number of the chain, or group of chains, of each block."""
        return np.arange(self.count) % self._groups

    @property
    def _groups(self) -> int:
        """Number of independent groups of chains."""
        return math.ceil(self.chains / self.width)

    def zeros(self, like: Any) -> Any:
        """A tree of arrays of zeros, with a row for each block."""
        return jax.tree.map(lambda each: jnp.zeros((self.count, *each.shape), each.dtype), like)

    def sums(self, values: Float[np.ndarray, " S"]) -> Float[np.ndarray, " B"]:
        """Sums by block of a number for each starting point."""
        return np.bincount(self.numbers, np.asarray(values, float), self.count)


def for_each(function: Callable[..., Any], batch: int | None = None) -> Callable[..., Any]:
    """Map a function over the first axis of its arguments: all at once on an accelerator, one by one on a CPU.

    What a single trajectory needs stays in the cache of a CPU; several at once take half as long again each.

    Arguments:
        function: of one replica or frame.
        batch: how many at once on an accelerator; all by default.
    """
    if jax.default_backend() == "cpu":
        batch = None
    elif batch is None:
        return jax.vmap(function)
    return lambda *arguments: jax.lax.map(lambda each: function(*each), arguments, batch_size=batch)


def sum_each(
    function: Callable[..., tuple[Any, Any]], blocks: Blocks, like: Any
) -> Callable[..., tuple[Any, Any]]:
    """Map a function as `for_each` does, and add up by block the first of what it returns.

    Arguments:
        function: of one starting point; returns what is added up and what is kept for each.
        blocks: of the starting points.
        like: a tree of arrays like those to be added up.

    Returns:
        a function of arguments [S, ...], which returns sums [B, ...] and what is kept [S, ...].
    """
    together = 1 if jax.default_backend() == "cpu" else min(blocks.at_once, blocks.points)
    missing = -blocks.points % together

    def add(rows: Any, inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        number, *arguments = inputs
        added, kept = function(*arguments) if together == 1 else jax.vmap(function)(*arguments)
        # Rows that pad the last batch belong to no block and are dropped.
        return jax.tree.map(lambda row, own: row.at[number].add(own, mode="drop"), rows, added), kept

    def in_batches(array: jax.Array) -> jax.Array:
        filled = (
            jnp.pad(array, [(0, missing), *[(0, 0)] * (array.ndim - 1)], mode="edge") if missing else array
        )
        return filled if together == 1 else filled.reshape(-1, together, *array.shape[1:])

    def every(*arguments: Any) -> tuple[Any, Any]:
        rows = blocks.zeros(like)
        numbers = jnp.concatenate([jnp.asarray(blocks.numbers), jnp.full(missing, blocks.count)])
        numbers = numbers if together == 1 else numbers.reshape(-1, together)
        rows, kept = jax.lax.scan(add, rows, (numbers, *jax.tree.map(in_batches, arguments)))
        if together > 1:
            kept = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[: blocks.points], kept)
        return rows, kept

    return every


def sum_with_gradient(
    loss: Callable[[Any, Any], jax.Array], trainable: Any, frames: Any
) -> tuple[jax.Array, Any]:
    """Σ loss(trainable, frame) over frames, and its derivative by the trainable parameters, a tree like them.

    Arguments:
        loss: of one frame.
        trainable: parameters, a tree of arrays.
        frames: a tree of arrays with the frame as first axis.
    """
    count = len(jax.tree.leaves(frames)[0])
    blocks = Blocks(count, length=count, at_once=FRAMES_AT_ONCE)

    @jax.jit
    def sums(trainable: Any, frames: Any) -> Any:
        def one(frame: Any) -> Any:
            return jax.value_and_grad(loss)(trainable, frame), None

        zero = jnp.zeros((), jax.tree.leaves(trainable)[0].dtype)
        return sum_each(one, blocks, (zero, trainable))(frames)[0]

    return jax.tree.map(lambda total: total[0], sums(trainable, frames))
