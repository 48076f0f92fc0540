"""Radial distribution functions of all pairs of elements, in fine bins from which wider ones are made."""

from collections.abc import Mapping
from itertools import combinations_with_replacement, product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.structure import FARTHEST, FINEST_BIN
from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.geometry.neighbours import NeighbourList, lengths
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity

BINS = round(FARTHEST / FINEST_BIN)
EDGES = FINEST_BIN * np.arange(BINS + 1)  # Å
SHELLS = 4.0 / 3.0 * np.pi * np.diff(EDGES**3)  # volumes of the bins, Å³

# The nearest image of a pair, and one of every two opposite images around it; the other one counts when the atoms are
# exchanged. All images farther out are at least one and a half cell widths away.
_IMAGES = np.array(sorted(product((-1, 0, 1), repeat=3)))[13:]


def pairs_of(kinds: int) -> list[tuple[int, int]]:
    """The pairs of elements in their order, by indices of the elements."""
    return list(combinations_with_replacement(range(kinds), 2))


def pair_distributions(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, "pairs bins"]:
    """g(r) of each pair of elements, in the order of `pairs_of`, in units of the mean density.

    At large r it is 1 - ρkTκ/N for like atoms (Lebowitz & Percus, Phys. Rev. 122, 1675 (1961)), which in a liquid is
    one to within some 0.1/N. Relative to the density of the other atoms, it would be 1/N too high.
    """
    dtype, pairs = point.positions.dtype, pairs_of(system.kinds)
    numbers = np.zeros((system.kinds, system.kinds), np.int32)
    for number, (first, second) in enumerate(pairs):
        numbers[first, second] = numbers[second, first] = BINS * number
    fractional = to_fractional(point.positions.T, point.cell)
    separation = fractional[:, None, :] - fractional[:, :, None]
    nearest = separation - jnp.round(separation)
    rows = jnp.asarray(numbers)[system.species[:, None], system.species[None, :]]
    itself = jnp.eye(len(system.species), dtype=bool)

    def count(counts: jax.Array, image: jax.Array) -> tuple[jax.Array, None]:
        away = jnp.broadcast_to(image[:, None, None], nearest.shape)
        distance = lengths(to_cartesian(nearest + away, point.cell))
        counted = (distance < FARTHEST) & ~itself
        places = jnp.where(counted, rows + (distance / FINEST_BIN).astype(jnp.int32), BINS * len(pairs))
        return counts.at[places].add(jnp.where(jnp.all(image == 0), 1.0, 2.0).astype(dtype)), None

    counts, _ = jax.lax.scan(count, jnp.zeros(BINS * len(pairs) + 1, dtype), jnp.asarray(_IMAGES, dtype))
    atoms = jnp.stack([jnp.sum(system.species == kind) for kind in range(system.kinds)]).astype(dtype)
    ordered = jnp.stack([(1.0 if i == j else 2.0) * atoms[i] * atoms[j] for i, j in pairs])
    density = jnp.maximum(ordered, 1.0) / point.volume
    return counts[:-1].reshape(len(pairs), BINS) / (density[:, None] * jnp.asarray(SHELLS, dtype)[None, :])


QUANTITY = Quantity(pair_distributions, "1")
