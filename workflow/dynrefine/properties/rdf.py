"""Radial distribution functions."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from dynrefine.geometry.neighbours import displacements, images_per_axis, neighbour_list


def radial_distribution(
    positions: Float[np.ndarray, "R F N 3"],
    cell: Float[np.ndarray, "3 3"],
    first: Bool[np.ndarray, " N"],
    second: Bool[np.ndarray, " N"],
    edges: Float[np.ndarray, " edges"],
) -> Float[np.ndarray, "R edges-1"]:
    """g(r) between two kinds of atoms, every periodic image counted.

    Arguments:
        positions: F configurations of each of R chains, Å.
        cell: cell vectors as rows, Å.
        first: which atoms are the centres.
        second: which atoms are counted around them.
        edges: of the distance bins, Å.

    Returns:
        g(r) averaged over the configurations of each chain; one for an ideal gas of the same density.
    """
    reach = float(edges[-1])
    images = images_per_axis(cell, reach)
    volume = abs(np.linalg.det(cell))
    capacity = min(len(first) * math.prod(images), math.ceil(4.0 * len(first) / volume * 4.2 * reach**3) + 16)
    weights = jnp.asarray(second)
    lattice = jnp.asarray(cell, positions.dtype)

    @partial(jax.jit, static_argnames="capacity")
    def histograms(chains: jax.Array, capacity: int) -> tuple[jax.Array, jax.Array]:
        def one(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            neighbours = neighbour_list(x, lattice, reach, capacity, images)
            distance = jnp.linalg.norm(displacements(x, lattice, neighbours), axis=0)
            counted = jnp.asarray(first)[:, None] & weights[neighbours.indices]
            counts, _ = jnp.histogram(distance, jnp.asarray(edges, x.dtype), weights=counted.astype(x.dtype))
            return counts, neighbours.overflow

        counts, overflow = jax.lax.map(partial(jax.lax.map, one), chains)
        return jnp.mean(counts, axis=1), jnp.any(overflow)

    means, overflow = histograms(jnp.asarray(positions), capacity)
    while bool(overflow):
        capacity *= 2
        means, overflow = histograms(jnp.asarray(positions), capacity)
    counts = np.asarray(means, float)
    shells = 4.0 / 3.0 * math.pi * np.diff(edges**3)
    pairs = first.sum() * (second.sum() - np.sum(first & second) / first.sum())
    return counts * volume / (pairs * shells)
