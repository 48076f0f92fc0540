"""Neighbour lists for large boxes: atoms are sorted into cells, and only nearby cells are searched."""

import math
from dataclasses import dataclass, replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.geometry.bit_rows import WORD, packed, places_of_bits
from dynrefine.geometry.cell import face_distances
from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.geometry.neighbours import NeighbourList, list_of_nearest_images, room_for

_FEWEST = 4  # cells along each vector; with three, every cell is nearby
_NEARBY = np.array(list(product((-1, 0, 1), repeat=3)))
_NOWHERE = 64.0  # in units of the box: where the empty places of cells are put


@dataclass(frozen=True)
class CellGrid:
    """How a box is divided; static under jit.

    Attributes:
        counts: cells along each vector of the box, none narrower than the cutoff.
        capacity: atoms per cell that fit.
    """

    counts: tuple[int, int, int]
    capacity: int

    def nearby(self) -> tuple[np.ndarray, np.ndarray]:
        """Each cell with the cells around it [C, 27], and the image of the box that each is seen in [C, 27, 3]."""
        own = np.stack(np.unravel_index(np.arange(math.prod(self.counts)), self.counts), axis=-1)
        images, places = np.divmod(own[:, None] + _NEARBY, self.counts)
        return np.ravel_multi_index(tuple(np.moveaxis(places, -1, 0)), self.counts), images


def cell_grid(atoms: int, cell: np.ndarray, cutoff: float) -> CellGrid | None:
    """The division of a box of liquid; None where the box is so small that nearly all atoms are nearby.

    Arguments:
        atoms: in the box.
        cell: its vectors as rows [3, 3], Å.
        cutoff: of the list, skin included, Å.
    """
    along_a, along_b, along_c = (int(distance / cutoff) for distance in face_distances(cell))
    counts = along_a, along_b, along_c
    if min(counts) < _FEWEST:
        return None
    return CellGrid(counts, room_for(atoms / math.prod(counts)))


def cell_list(
    positions: jax.Array, cell: jax.Array, cutoff: float, capacity: int, grid: CellGrid
) -> NeighbourList:
    """Find all neighbours within a cutoff, as `neighbours.neighbour_list` does.

    Arguments:
        positions: [N, 3], Å; wrapped or not.
        cell: cell vectors as rows [3, 3], Å.
        cutoff: Å.
        capacity: neighbours per atom that fit, K.
        grid: from `cell_grid` for this cell and cutoff.
    """
    fractional = to_fractional(positions.T, cell)
    wrapped = fractional - jnp.floor(fractional)
    numbers = _cell_numbers(wrapped, grid)
    members, rows, fullest = _sorted_into_cells(numbers, grid)
    places = jnp.where(members < len(positions), wrapped[:, members], _NOWHERE)

    around, images = grid.nearby()
    shifts = jnp.asarray(np.moveaxis(images, -1, 0)[..., None], wrapped.dtype)
    cells, candidates = len(members), around.shape[1] * grid.capacity
    padding = -candidates % WORD
    candidate_places = jnp.pad(
        (places[:, around] + shifts).reshape(3, cells, candidates),
        [(0, 0), (0, 0), (0, padding)],
        constant_values=_NOWHERE,
    )
    candidate_atoms = jnp.pad(
        members[around].reshape(cells, candidates), [(0, 0), (0, padding)], constant_values=len(positions)
    )
    x, y, z = to_cartesian(candidate_places, cell)[..., None] - to_cartesian(places, cell)[:, :, None]
    within = (x**2 + y**2 + z**2 < cutoff**2) & (candidate_atoms[..., None] != members[:, None])

    bits = jnp.swapaxes(packed(within), 1, 2).reshape(cells * grid.capacity, -1)[rows]
    found, filled, count = places_of_bits(bits.T, capacity)
    most = jnp.max(count)
    # Atoms that blew up are nowhere: more room would not help, and their energies reveal it.
    most, fullest = (jnp.where(jnp.isfinite(positions).all(), each, 0) for each in (most, fullest))
    overflow = (fullest > grid.capacity) | (most > capacity)
    neighbours = candidate_atoms[numbers[:, None], found]
    found_list = list_of_nearest_images(fractional, neighbours, filled, overflow, cutoff)
    return replace(found_list, needed=jnp.stack([most, fullest]))


def _cell_numbers(wrapped: jax.Array, grid: CellGrid) -> jax.Array:
    """The cell that each atom lies in, int32 [N], from positions in units of the box [3, N]."""
    counts = np.array(grid.counts, np.int32)[:, None]
    place = jnp.clip((wrapped * counts).astype(jnp.int32), 0, counts - 1)
    return (place[0] * grid.counts[1] + place[1]) * grid.counts[2] + place[2]


def _sorted_into_cells(numbers: jax.Array, grid: CellGrid) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Who is in each cell.

    Returns:
        atoms of each cell, N for its empty places, int32 [C, P]; the place of each atom among all places, int32 [N];
        and the atoms in the fullest cell, int32 [].
    """
    atoms = len(numbers)
    order = jnp.argsort(numbers)
    first = jnp.searchsorted(numbers[order], jnp.arange(math.prod(grid.counts) + 1))
    ranks = first[:-1, None] + jnp.arange(grid.capacity)
    members = jnp.where(ranks < first[1:, None], order[jnp.minimum(ranks, atoms - 1)], atoms)
    rank = jnp.zeros_like(order).at[order].set(jnp.arange(atoms)) - first[numbers]
    rows = numbers * grid.capacity + jnp.minimum(rank, grid.capacity - 1)
    return members.astype(jnp.int32), rows, jnp.max(jnp.diff(first)).astype(jnp.int32)
