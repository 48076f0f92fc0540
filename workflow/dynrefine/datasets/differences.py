"""Energy differences between similar frames, and the work of their forces and stresses."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from ase import Atoms

_LARGEST_STEP = 0.25  # of any atom between two frames, Å
_LARGEST_STRAIN = 0.05


def work_between_frames(frames: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray] | None:
    """The work done from each frame to the next and the difference of their energies, eV.

    The work is that of the mean forces along the displacements plus, where the cell changes, that of the mean stress
    along the strain. Terms of third order are left out.

    Arguments:
        frames: with energies and forces, in the order of time or of a scan; pairs that are far apart are left out.

    Returns:
        work and difference of each pair; None where there are fewer than two pairs.
    """
    steps = [step for before, after in pairwise(frames) if (step := _step(before, after)) is not None]
    if len(steps) < 2:
        return None
    work, difference = np.array(steps).T
    return work, difference


def _step(before: Atoms, after: Atoms) -> tuple[float, float] | None:
    if len(before) != len(after) or not np.array_equal(before.numbers, after.numbers):
        return None
    periodic = before.cell.rank == 3 and after.cell.rank == 3
    if periodic:
        deformation = np.linalg.solve(before.cell.array, after.cell.array)
        strain = 0.5 * (deformation + deformation.T) - np.eye(3)
        fractional = after.cell.scaled_positions(after.positions) - before.cell.scaled_positions(
            before.positions
        )
        fractional -= np.round(fractional)
        moved = fractional @ (0.5 * (before.cell.array + after.cell.array))
    else:
        strain, moved = np.zeros((3, 3)), after.positions - before.positions
    largest = np.linalg.norm(moved, axis=1).max(initial=0.0)
    if largest > _LARGEST_STEP or np.abs(strain).max() > _LARGEST_STRAIN:
        return None
    strained = np.abs(strain).max() > 1e-9
    if largest < 1e-6 and not strained:
        return None
    first, second = before.calc.results, after.calc.results
    work = -0.5 * np.sum((first["forces"] + second["forces"]) * moved)
    if strained:
        if "stress" not in first or "stress" not in second:
            return None
        stress = 0.5 * (before.get_stress(voigt=False) + after.get_stress(voigt=False))
        work += 0.5 * (before.get_volume() + after.get_volume()) * np.sum(stress * strain)
    return work, second["energy"] - first["energy"]
