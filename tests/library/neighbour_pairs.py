"""Neighbour lists as sets of pairs, beside those that ASE finds."""

import ase.neighborlist
import numpy as np

CUTOFF = 3.0  # Å


def pairs(neighbours) -> list[tuple[int, ...]]:
    """Sorted (atom, neighbour, image) of the entries that are not padding."""
    indices, shifts = np.asarray(neighbours.indices), np.asarray(neighbours.shifts)
    rows, slots = np.nonzero(neighbours.filled)
    return sorted(zip(rows, indices[rows, slots], *shifts[:, rows, slots], strict=True))


def pairs_of_ase(positions: np.ndarray, cell: np.ndarray) -> list[tuple[int, ...]]:
    """The same from ASE."""
    first, second, shifts = ase.neighborlist.primitive_neighbor_list(
        "ijS", [True] * 3, cell, positions, CUTOFF
    )
    return sorted(zip(first, second, *shifts.T, strict=True))
