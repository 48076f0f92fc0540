"""How long a neighbour list is valid for moving atoms in a deforming cell."""

import numpy as np


def is_valid(
    built: tuple[np.ndarray, np.ndarray],
    positions: np.ndarray,
    cells: np.ndarray,
    cutoff: float,
    skin: float,
) -> np.ndarray:
    """Whether no pair from beyond the skin can have come within the cutoff, bool [...].

    A homogeneous deformation shortens no distance by more than the factor of its least stretch. Displacements of
    atoms relative to it, and to a shift of all atoms, come on top.

    Arguments:
        built: positions [..., N, 3] and cells [..., 3, 3] that the lists were built for, Å.
        positions: [..., N, 3], Å.
        cells: cell vectors as rows [..., 3, 3], Å.
        cutoff, skin: the lists reach to the sum of both, Å.
    """
    built_positions, built_cells = built
    deformation = np.linalg.solve(built_cells, cells)
    least = np.linalg.svd(deformation, compute_uv=False)[..., -1]
    moved = positions - built_positions @ deformation
    farthest = np.linalg.norm(moved - moved.mean(axis=-2, keepdims=True), axis=-1).max(axis=-1)
    return least * (cutoff + skin) - 2.0 * farthest > cutoff
