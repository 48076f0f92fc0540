"""Sums over atoms, taken block by block: what a block needs stays in the cache of a CPU."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

# Bytes that an array over the pairs of a block may take: about ten such arrays fit into an L2 cache.
_CACHED = 120_000


def block_length(atoms: int, bytes_per_atom: int) -> int:
    """How many atoms make a block: all of them on an accelerator, which is fast only with much to do.

    All of them, too, where their number is unknown, as in exported programs.

    Arguments:
        atoms: in the system.
        bytes_per_atom: of the largest array.
    """
    if jax.default_backend() != "cpu" or not isinstance(atoms, int):
        return atoms
    most = max(_CACHED // bytes_per_atom, 8)
    return math.ceil(atoms / math.ceil(atoms / most))


def sum_over_blocks(
    function: Callable[[Any, Any], jax.Array], shared: Any, rows: Any, padding: Any, length: int
) -> jax.Array:
    """Σ function(shared, rows of a block) over blocks of atoms.

    The function may return an array. If it returns a scalar, derivatives are taken block by block too, so that
    nothing is kept of one block while another is computed.

    Arguments:
        function: closes over no traced array.
        shared: a tree of arrays common to all atoms.
        rows: a tree of arrays [N, ...] with the values of each atom.
        padding: a tree like `rows` with the values of rows that add nothing, to fill up the last block.
        length: atoms in a block.
    """
    atoms = jax.tree.leaves(rows)[0].shape[0]
    missing = 0 if length == atoms else -atoms % length

    def in_blocks(array: jax.Array, value: Any) -> jax.Array:
        edges = [(0, missing), *[(0, 0)] * (array.ndim - 1)]
        filled = jnp.pad(array, edges, constant_values=value) if missing else array
        return filled.reshape(-1, length, *array.shape[1:])

    blocks = jax.tree.map(in_blocks, rows, padding)
    if jax.eval_shape(function, shared, jax.tree.map(lambda array: array[0], blocks)).shape:
        return _over_blocks(lambda *point: (function(*point), ()), shared, blocks)[0]
    return _total(function, shared, blocks)


def _loop(function: Callable[[Any, Any], tuple[Any, Any]], shared: Any, blocks: Any) -> tuple[Any, Any]:
    """The first value of function(shared, block) summed over blocks, and the second for all of them.

    Each block is taken out of the arrays one pass before it is used: XLA (0.10.1, CPU) would otherwise read through
    the whole arrays in every loop over a block's pairs and not vectorise it, which takes 1.5 to 1.9 times as long.
    """
    count = len(jax.tree.leaves(blocks)[0])
    if count == 1:
        total, own = function(shared, jax.tree.map(lambda array: array[0], blocks))
        return total, jax.tree.map(lambda array: array[None], own)

    def block(number: int | jax.Array) -> Any:
        return jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, number, keepdims=False), blocks)

    def step(carry: Any, number: jax.Array) -> Any:
        total, current = carry
        added, own = function(shared, current)
        return (jax.tree.map(jnp.add, total, added), block(jnp.minimum(number + 1, count - 1))), own

    first = block(0)
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(function, shared, first)[0])
    (total, _), own = jax.lax.scan(step, (nothing, first), jnp.arange(count))
    return total, own


_over_blocks = jax.custom_jvp(_loop, nondiff_argnums=(0,))


@partial(_over_blocks.defjvp, symbolic_zeros=True)
def _over_blocks_along(
    function: Callable[[Any, Any], tuple[Any, Any]], primals: tuple[Any, Any], tangents: tuple[Any, Any]
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Differentiates within the blocks: a loop differentiated from outside loses the rules of what it calls."""
    changing = _Changing.among(tangents)

    def along(shared: Any, block: Any) -> tuple[Any, Any]:
        point = (shared[0], block[0])
        (total, own), (total_change, own_change) = jax.jvp(
            lambda *moved: function(*changing.put(point, moved)), changing.of(point), (shared[1], block[1])
        )
        return (total, total_change), (own, own_change)

    shared, blocks = zip(primals, changing.of(tangents), strict=True)
    (total, total_change), (own, own_change) = _loop(along, shared, blocks)
    return (total, own), (total_change, own_change)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _total(function: Callable[[Any, Any], jax.Array], shared: Any, blocks: Any) -> jax.Array:
    return _over_blocks(lambda *point: (function(*point), ()), shared, blocks)[0]


@partial(_total.defjvp, symbolic_zeros=True)
def _total_along(
    function: Callable[[Any, Any], jax.Array], primals: tuple[Any, Any], tangents: tuple[Any, Any]
) -> tuple[jax.Array, jax.Array]:
    """The total, and its change as gradients times changes, so that the way back has nothing left to compute."""
    changing = _Changing.among(tangents)

    def gradient(*point: Any) -> tuple[Any, Any]:
        value, (by_shared, by_block) = jax.value_and_grad(
            lambda *moved: function(*changing.put(point, moved)), argnums=(0, 1)
        )(*changing.of(point))
        return (value, by_shared), by_block

    (total, by_shared), by_blocks = _over_blocks(gradient, *primals)
    along_shared, along_blocks = changing.of(tangents)
    products = [
        jnp.sum(slope * change)
        for slope, change in zip(by_shared + by_blocks, along_shared + along_blocks, strict=True)
    ]
    return total, sum(products, jnp.zeros_like(total))


@dataclass(frozen=True)
class _Changing:
    """For each of a pair of trees, the leaves by which derivatives are taken."""

    flags: tuple[tuple[bool, ...], ...]

    @classmethod
    def among(cls, tangents: tuple[Any, Any]) -> "_Changing":
        """Those whose tangent is not known to be zero."""
        return cls(
            tuple(tuple(not isinstance(t, SymbolicZero) for t in jax.tree.leaves(each)) for each in tangents)
        )

    def of(self, pair: tuple[Any, Any]) -> tuple[list[Any], list[Any]]:
        """Their values."""
        first, second = (
            [leaf for leaf, changes in zip(jax.tree.leaves(tree), flags, strict=True) if changes]
            for tree, flags in zip(pair, self.flags, strict=True)
        )
        return first, second

    def put(self, pair: tuple[Any, Any], values: tuple[list[Any], list[Any]]) -> list[Any]:
        """The pair with other values of these leaves."""
        result = []
        for tree, flags, new in zip(pair, self.flags, values, strict=True):
            leaves, structure = jax.tree.flatten(tree)
            supply = iter(new)
            filled = [next(supply) if changes else leaf for leaf, changes in zip(leaves, flags, strict=True)]
            result.append(jax.tree.unflatten(structure, filled))
        return result
