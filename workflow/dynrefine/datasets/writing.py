"""Frames to extended XYZ."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from dynrefine.files.arrays import atomic_path


def write_frames(path: str | Path, frames: Sequence[Atoms]) -> None:
    """Write frames in extended XYZ, readable by ASE.

    Arguments:
        path: the file to write.
        frames: frames with or without labels; positions are kept to 1e-8 Å, forces to 1e-8 eV/Å.
    """
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        write(stream, frames, format="extxyz")


def geometry_key(frame: Atoms) -> str:
    """A digest of elements, cell and positions to 1e-6 Å, without the sign of zero: equal for equal geometries."""
    rows = np.concatenate([frame.cell.array, frame.positions])
    text = [*frame.get_chemical_symbols(), *(f"{x:z.6f} {y:z.6f} {z:z.6f}" for x, y, z in rows)]
    return hashlib.sha256(" ".join(text).encode()).hexdigest()[:10]
