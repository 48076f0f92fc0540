"""SOAP: Adam in the eigenbasis of the gradient's second moments (Vyas et al., arXiv:2409.11321, algorithm 3).

Rows and columns of a layer's gradient are correlated because features are. There Adam, which scales each number by
itself, is slow. In the basis in which the means of G Gᵀ and Gᵀ G are diagonal, it is not.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

_MEMORY = 0.95  # of all running means
_INTERVAL = 10  # steps between two turns of the basis
_LEAST = 1e-8  # added to root mean squares


class _Side(NamedTuple):
    """Running mean of the second moments of rows or columns [..., n, n], and its eigenvectors as columns."""

    moments: jax.Array
    basis: jax.Array


class _Array(NamedTuple):
    """Statistics of the gradient of one array: its mean, and its squares in the basis of rows and columns."""

    mean: jax.Array
    squares: jax.Array
    sides: tuple[_Side, _Side] | None


def soap(learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """The optimiser; arrays of two or more axes are stacks of matrices, others are scaled as Adam scales them."""

    def initial(params: Any) -> tuple[jax.Array, Any]:
        return jnp.zeros((), jnp.int32), jax.tree.map(_initial, params)

    def update(updates: Any, state: Any, params: Any = None, **_: Any) -> tuple[Any, Any]:
        count, arrays = state
        leaves, structure = jax.tree.flatten(updates)
        known = structure.flatten_up_to(arrays)
        arrays = [_updated(array, leaf, count) for array, leaf in zip(known, leaves, strict=True)]
        rate = jnp.asarray(learning_rate(count))
        steps = [-rate.astype(array.mean.dtype) * _direction(array, count) for array in arrays]
        return structure.unflatten(steps), (count + 1, structure.unflatten(arrays))

    return optax.GradientTransformation(initial, update)


def _initial(array: jax.Array) -> _Array:
    nothing = jnp.zeros_like(array)
    if array.ndim < 2:
        return _Array(nothing, nothing, None)
    stack, sizes = array.shape[:-2], array.shape[-2:]
    identities = [jnp.broadcast_to(jnp.eye(size, dtype=array.dtype), (*stack, size, size)) for size in sizes]
    rows, columns = (_Side(jnp.zeros_like(identity), identity) for identity in identities)
    return _Array(nothing, nothing, (rows, columns))


def _updated(array: _Array, gradient: jax.Array, count: jax.Array) -> _Array:
    sides = array.sides
    if sides is not None:
        transposed = jnp.swapaxes(gradient, -1, -2)
        rows, columns = sides
        sides = (
            _turned(rows, gradient @ transposed, count),
            _turned(columns, transposed @ gradient, count),
        )
    squares = _mean(array.squares, _into_basis(gradient, sides) ** 2)
    return _Array(_mean(array.mean, gradient), squares, sides)


def _turned(side: _Side, product: jax.Array, count: jax.Array) -> _Side:
    """With new moments and, every few steps, a basis brought closer to theirs by one orthogonal iteration."""
    moments = _mean(side.moments, product)
    basis = jax.lax.cond(
        count % _INTERVAL == 0, lambda: jnp.linalg.qr(moments @ side.basis).Q, lambda: side.basis
    )
    return _Side(moments, basis)


def _direction(array: _Array, count: jax.Array) -> jax.Array:
    """The mean gradient divided by its root mean square in the basis, corrected for means over few steps."""
    correction = 1.0 - _MEMORY ** (count + 1).astype(array.mean.dtype)
    mean = _into_basis(array.mean, array.sides) / correction
    scaled = mean / (jnp.sqrt(array.squares / correction) + _LEAST)
    if array.sides is None:
        return scaled
    rows, columns = array.sides
    return rows.basis @ scaled @ jnp.swapaxes(columns.basis, -1, -2)


def _into_basis(gradient: jax.Array, sides: tuple[_Side, _Side] | None) -> jax.Array:
    if sides is None:
        return gradient
    rows, columns = sides
    return jnp.swapaxes(rows.basis, -1, -2) @ gradient @ columns.basis


def _mean(mean: jax.Array, value: jax.Array) -> jax.Array:
    return _MEMORY * mean + (1.0 - _MEMORY) * value
