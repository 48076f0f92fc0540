"""Pairs of atoms at their nearest images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

# elements whose atoms are bonded to others like themselves in molecules
NONMETALS = [1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 34, 35, 53]  # H, B to F, Si to Cl, Ge to Br, I
NOBLE_GASES = [2, 10, 18, 36, 54]
BONDED = 1.3  # distance over the sum of covalent radii up to which atoms are bonded


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms of a frame.

    Attributes:
        first, second: indices of the atoms [P].
        separations: from the first to the nearest image of the second [P, 3], Å.
        distances: [P], Å.
        ratios: distances over the sums of covalent radii [P].
    """

    first: np.ndarray
    second: np.ndarray
    separations: np.ndarray
    distances: np.ndarray
    ratios: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> "Pairs":
        return Pairs(
            self.first[chosen],
            self.second[chosen],
            self.separations[chosen],
            self.distances[chosen],
            self.ratios[chosen],
        )


def pairs_of(frame: Atoms, reach: float = np.inf) -> Pairs:
    """The pairs of a frame, all or those nearer than `reach` in Å.

    Rounding fractional coordinates finds the nearest image of every pair closer than half the cell's least
    height.
    """
    first, second = np.triu_indices(len(frame), 1)
    if frame.pbc.any() and frame.cell.rank == 3:
        fractional = frame.cell.scaled_positions(frame.positions)
        separations = fractional[second] - fractional[first]
        separations -= np.round(separations) * frame.pbc
        separations = separations @ frame.cell.array
    else:
        separations = frame.positions[second] - frame.positions[first]
    squares = np.einsum("pa,pa->p", separations, separations)
    if np.isfinite(reach):
        near = np.flatnonzero(squares < reach**2)
        first, second, separations, squares = first[near], second[near], separations[near], squares[near]
    distances = np.sqrt(squares)
    radii = covalent_radii[frame.numbers]
    return Pairs(first, second, separations, distances, distances / (radii[first] + radii[second]))


def from_nearest(centres: np.ndarray, points: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre nearest to each point, and how far from it the point is.

    Rounding fractional coordinates finds the nearest image within half the cell's least height.

    Arguments:
        centres: [C, 3], Å.
        points: [M, 3], Å.
        cell: its vectors in rows [3, 3], Å.

    Returns:
        indices of centres [M], displacements from them [M, 3] in Å.
    """
    fractional = (points[:, None] - centres) @ np.linalg.inv(cell)
    vectors = (fractional - np.round(fractional)) @ cell
    nearest = np.argmin(np.einsum("mca,mca->mc", vectors, vectors), axis=1)
    return nearest, vectors[np.arange(len(points)), nearest]


def width(frame: Atoms) -> float:
    """The smallest distance between opposite faces of the cell, Å; infinite without a cell."""
    if not frame.pbc.any() or frame.cell.rank < 3:
        return np.inf
    return float((1.0 / np.linalg.norm(frame.cell.reciprocal().array, axis=1)).min())


def spread(frames: Sequence[Atoms], most: int, most_pairs: float = 1e6) -> list[Atoms]:
    """Evenly spread frames of two atoms or more: `most`, or fewer, down to eight, where they are large."""
    usable = [frame for frame in frames if len(frame) > 1]
    if not usable:
        return []
    pairs = np.mean([len(frame) * (len(frame) - 1) / 2 for frame in usable])
    count = int(min(len(usable), most, max(8, most_pairs / pairs)))
    return [usable[index] for index in np.linspace(0, len(usable) - 1, count).round().astype(int)]
