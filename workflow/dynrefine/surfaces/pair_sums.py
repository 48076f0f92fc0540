"""Sums of a function of the distance over all pairs of atoms."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from dynrefine.geometry.neighbours import NeighbourList, displacements

Numbers = Mapping[str, jax.Array]
PairEnergy = Callable[[Numbers, jax.Array], jax.Array]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def sum_over_pairs(
    pair_energy: PairEnergy,
    numbers: Numbers,
    weights: jax.Array | None,
    positions: jax.Array,
    cell: jax.Array,
    neighbours: NeighbourList,
) -> jax.Array:
    """Σ over pairs of w_i w_j u(r_ij).

    Arguments:
        pair_energy: u, of numbers with names and of r² in Å² of any shape; zero beyond a cutoff.
        numbers: values by name, with which u is computed and differentiated.
        weights: w [N], charges for example; None where all are one.
        positions: [N, 3], Å.
        cell: its vectors as rows [3, 3], Å.
        neighbours: a list that holds each pair from both sides.
    """
    squared = _squared_distances(positions, cell, neighbours)
    return 0.5 * jnp.sum(_weighted(pair_energy(numbers, squared), weights, neighbours))


@partial(sum_over_pairs.defjvp, symbolic_zeros=True)
def _sum_over_pairs_along(
    pair_energy: PairEnergy, primals: Any, tangents: Any
) -> tuple[jax.Array, jax.Array]:
    """The derivative, with the force on an atom summed over its own neighbours only.

    Since the list holds each pair from both sides, nothing is scattered to neighbours, which would be slow on CPUs.
    """
    numbers, weights, positions, cell, neighbours = primals
    along_numbers, along_weights, along_positions, along_cell, _ = tangents
    vectors = displacements(positions, cell, neighbours)
    squared = dot(vectors, vectors)
    bare, bare_slopes = jax.jvp(partial(pair_energy, numbers), (squared,), (jnp.ones_like(squared),))
    slopes = _weighted(bare_slopes, weights, neighbours)
    change = jnp.zeros((), squared.dtype)
    if not isinstance(along_positions, SymbolicZero):
        forces = twice_over_neighbours([slopes * component for component in vectors])
        change -= jnp.sum(forces * along_positions)
    if not isinstance(along_cell, SymbolicZero):
        stretched = displacements(jnp.zeros_like(positions), along_cell, neighbours)
        change += jnp.sum(jnp.where(neighbours.filled, slopes * dot(vectors, stretched), 0.0))
    if weights is not None and not isinstance(along_weights, SymbolicZero):
        change += jnp.sum(along_weights * jnp.sum(weights[neighbours.indices] * bare, axis=1))
    for name, along in along_numbers.items():
        if not isinstance(along, SymbolicZero):
            by_name = along_number(lambda own: pair_energy(own, squared), numbers, name)
            change += 0.5 * along * jnp.sum(_weighted(by_name, weights, neighbours))
    return 0.5 * jnp.sum(_weighted(bare, weights, neighbours)), change


def along_number(function: Callable[[Numbers], jax.Array], numbers: Numbers, name: str) -> jax.Array:
    """The derivative of a function of named numbers by one of them."""

    def with_value(value: jax.Array) -> jax.Array:
        return function({**numbers, name: value})

    return jax.jvp(with_value, (numbers[name],), (jnp.ones_like(numbers[name]),))[1]


def twice_over_neighbours(components: Sequence[jax.Array]) -> jax.Array:
    """Twice the sum over the neighbours of each atom [N, 3], from three components [N, K]."""
    return jnp.stack([2.0 * jnp.sum(component, axis=1) for component in components], axis=1)


def dot(first: jax.Array, second: jax.Array) -> jax.Array:
    """Scalar products of vectors [3, ...]; written out, since XLA sums over a leading axis slowly on CPUs."""
    return first[0] * second[0] + first[1] * second[1] + first[2] * second[2]


def _squared_distances(positions: jax.Array, cell: jax.Array, neighbours: NeighbourList) -> jax.Array:
    vectors = displacements(positions, cell, neighbours)
    return dot(vectors, vectors)


def _weighted(values: jax.Array, weights: jax.Array | None, neighbours: NeighbourList) -> jax.Array:
    """Values of pairs [N, K] times the weights of both atoms."""
    return values if weights is None else weights[:, None] * weights[neighbours.indices] * values
