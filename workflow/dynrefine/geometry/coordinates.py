"""Vectors in Å and in multiples of the cell vectors, written out by component.

Accelerators may round matrix products, and factorising the cell would call LAPACK, for which JAX imports SciPy: that
takes most of a second in each job.
"""

import jax
import jax.numpy as jnp


def to_cartesian(fractions: jax.Array, cell: jax.Array) -> jax.Array:
    """Vectors [3, ...] in Å from multiples of the cell vectors [3, ...]; the cell's rows are its vectors, Å."""
    return jnp.stack(
        [sum(fractions[axis] * cell[axis, component] for axis in range(3)) for component in range(3)]
    )


def to_fractional(vectors: jax.Array, cell: jax.Array) -> jax.Array:
    """Multiples of the cell vectors [3, ...] from vectors [3, ...] in Å; the cell's rows are its vectors, Å."""
    return to_cartesian(vectors, inverse(cell))


def inverse(cells: jax.Array) -> jax.Array:
    """Inverses of cells [..., 3, 3] in Å: their columns are the reciprocal vectors without 2π, 1/Å."""
    normals = jnp.cross(jnp.roll(cells, -1, axis=-2), jnp.roll(cells, -2, axis=-2))
    volumes = jnp.sum(normals[..., :1, :] * cells[..., :1, :], axis=-1, keepdims=True)
    return jnp.swapaxes(normals / volumes, -1, -2)
