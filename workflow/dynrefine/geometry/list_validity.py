"""How long a neighbour list serves atoms that move in a cell that deforms."""

import numpy as np


def is_valid(
    built: tuple[np.ndarray, np.ndarray],
    positions: np.ndarray,
    cells: np.ndarray,
    cutoff: float,
    skin: float,
) -> np.ndarray:
    """Whether no pair can have come within the cutoff that was beyond the skin, bool [...].

    A homogeneous deformation shortens no distance by more than its least stretch; what atoms have moved beside it,
    and beside a shift of all, comes on top.

    Arguments:
        built: positions [..., N, 3] and cells [..., 3, 3] that the lists were built for, Å.
        positions: [..., N, 3], Å.
        cells: cell vectors as rows [..., 3, 3], Å.
        cutoff, skin: that the lists reach to together, Å.
    """
    built_positions, built_cells = built
    deformation = np.linalg.solve(built_cells, cells)
    least = np.linalg.svd(deformation, compute_uv=False)[..., -1]
    moved = positions - built_positions @ deformation
    farthest = np.linalg.norm(moved - moved.mean(axis=-2, keepdims=True), axis=-1).max(axis=-1)
    return least * (cutoff + skin) - 2.0 * farthest > cutoff
