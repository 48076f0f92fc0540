"""Padded neighbour lists under periodic boundaries, also for cells smaller than twice the cutoff.

Building happens inside jit with fixed shapes. A list that is too short for its atoms is marked by `overflow`,
which its maker must check: every loop of this package does, and repeats the work with a longer list.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

_FAR = 64  # cells: where padding entries point, beyond every cutoff


@partial(jax.tree_util.register_dataclass, data_fields=["indices", "shifts", "overflow"], meta_fields=[])
@dataclass(frozen=True)
class NeighbourList:
    """The neighbours of each atom, with the periodic image each is seen in.

    Attributes:
        indices: neighbour indices, int32 [N, K].
        shifts: cell vectors to add to the neighbour's position, int8 [N, K, 3]; 64 cells away for padding.
        overflow: whether an atom had more than K neighbours, bool [].
    """

    indices: jax.Array
    shifts: jax.Array
    overflow: jax.Array


def images_per_axis(cell: np.ndarray, cutoff: float) -> tuple[int, int, int]:
    """How many periodic images of an atom can lie within the cutoff along each cell vector.

    Arguments:
        cell: cell vectors as rows [3, 3], Å.
        cutoff: Å.

    Returns:
        1 where the minimum image is enough, 2 where the cell is between one and two cutoffs wide, and an odd
        number of images centred on the nearest one in smaller cells.
    """
    heights = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(cell, float)), axis=0)
    counts = [1 if h >= 2 * cutoff else 2 if h >= cutoff else 2 * math.ceil(cutoff / h) + 1 for h in heights]
    return tuple(counts)


def expected_capacity(atoms: int, volume: float, cutoff: float) -> int:
    """A neighbour capacity with room for the fluctuations of a liquid; multiples of 8.

    Arguments:
        atoms: atoms in the cell.
        volume: of the cell, Å³.
        cutoff: of the list, skin included, Å.
    """
    mean = atoms / volume * 4.0 / 3.0 * math.pi * cutoff**3
    return 8 * math.ceil((mean + 2.0 * math.sqrt(mean) + 2.0) / 8)


def neighbour_list(
    positions: jax.Array,
    cell: jax.Array,
    cutoff: float,
    capacity: int,
    images: tuple[int, int, int],
    present: jax.Array | None = None,
) -> NeighbourList:
    """Find all neighbours within a cutoff, every periodic image counted.

    Arguments:
        positions: [N, 3], Å; wrapped or not.
        cell: cell vectors as rows [3, 3], Å.
        cutoff: Å.
        capacity: neighbours per atom that fit, K.
        images: from `images_per_axis` for this cell and cutoff.
        present: which rows are atoms and not padding, bool [N]; all when absent.
    """
    atoms = len(positions)
    fractional = positions @ jnp.linalg.inv(cell)
    separation = fractional[None, :, :] - fractional[:, None, :]
    nearest = -jnp.round(separation)
    candidates = _candidate_shifts(separation + nearest, nearest, images)  # [N, N, M, 3]
    displacement = (separation[:, :, None, :] + candidates) @ cell
    distance_squared = jnp.sum(displacement**2, axis=-1)
    itself = jnp.eye(atoms, dtype=bool)[:, :, None] & jnp.all(candidates == 0, axis=-1)
    within = (distance_squared < cutoff**2) & ~itself
    if present is not None:
        within &= (present[:, None] & present[None, :])[:, :, None]
    within = within.reshape(atoms, -1)
    slots = jnp.where(within, jnp.cumsum(within, axis=1) - 1, capacity)
    rows = jnp.arange(atoms)[:, None]
    neighbours = jnp.broadcast_to(jnp.arange(atoms)[None, :, None], candidates.shape[:3]).reshape(atoms, -1)
    indices = jnp.broadcast_to(rows, (atoms, capacity)).astype(jnp.int32)
    indices = indices.at[rows, slots].set(neighbours.astype(jnp.int32), mode="drop")
    shifts = jnp.full((atoms, capacity, 3), _FAR, dtype=jnp.int8)
    shifts = shifts.at[rows, slots].set(candidates.reshape(atoms, -1, 3).astype(jnp.int8), mode="drop")
    return NeighbourList(indices, shifts, jnp.any(jnp.sum(within, axis=1) > capacity))


def displacements(positions: jax.Array, cell: jax.Array, neighbours: NeighbourList) -> jax.Array:
    """Vectors from each atom to its neighbours [N, K, 3], Å; beyond any cutoff for padding."""
    shifts = neighbours.shifts.astype(positions.dtype)
    offsets = shifts[..., 0:1] * cell[0] + shifts[..., 1:2] * cell[1] + shifts[..., 2:3] * cell[2]
    return positions[neighbours.indices] - positions[:, None, :] + offsets


def _candidate_shifts(remainder: jax.Array, nearest: jax.Array, images: tuple[int, int, int]) -> jax.Array:
    """Image shifts [N, N, M, 3] worth looking at, given the minimum-image remainder in cell units."""
    per_axis = []
    for axis, count in enumerate(images):
        if count == 1:
            steps = jnp.zeros((*remainder.shape[:2], 1), remainder.dtype)
        elif count == 2:
            towards = jnp.where(remainder[..., axis] >= 0, -1.0, 1.0).astype(remainder.dtype)
            steps = jnp.stack([jnp.zeros_like(towards), towards], axis=-1)
        else:
            centred = jnp.arange(count, dtype=remainder.dtype) - count // 2
            steps = jnp.broadcast_to(centred, (*remainder.shape[:2], count))
        per_axis.append(nearest[..., axis, None] + steps)
    a, b, c = per_axis
    shape = (*remainder.shape[:2], a.shape[-1], b.shape[-1], c.shape[-1])
    grid = [
        jnp.broadcast_to(a[..., :, None, None], shape),
        jnp.broadcast_to(b[..., None, :, None], shape),
        jnp.broadcast_to(c[..., None, None, :], shape),
    ]
    return jnp.stack(grid, axis=-1).reshape(*shape[:2], -1, 3)
