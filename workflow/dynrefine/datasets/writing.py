"""Frames to extended XYZ, with as many decimals as are known."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.extxyz import key_val_dict_to_str
from ase.stress import voigt_6_to_full_3x3_stress

from dynrefine.datasets.isotopes import symbols_of
from dynrefine.files.arrays import atomic_path


def write_frames(path: str | Path, frames: Sequence[Atoms]) -> None:
    """Write frames in extended XYZ, readable by ASE.

    Arguments:
        path: the file to write.
        frames: frames with or without labels; positions are kept to 1e-6 Å, energies to 1e-6 eV, forces to
            1e-5 eV/Å, stresses to 1e-8 eV/Å³, dipoles to 1e-5 e Å.
    """
    with atomic_path(path) as temporary:
        temporary.write_text("".join(_extended_xyz(frame) for frame in frames), encoding="utf-8")


def geometry_key(frame: Atoms) -> str:
    """A digest of elements, cell and positions to 1e-6 Å: equal for frames of equal geometry."""
    rows = np.concatenate([frame.cell.array, frame.positions])
    text = [*frame.get_chemical_symbols(), *(f"{x:.6f} {y:.6f} {z:.6f}" for x, y, z in rows)]
    return hashlib.sha256(" ".join(text).encode()).hexdigest()[:10]


def _extended_xyz(frame: Atoms) -> str:
    """One frame; ASE's own writer gives every number 8 decimals, half of them not known."""
    labels = frame.calc.results if frame.calc else {}
    header = {"Lattice": frame.cell.array.T, "Properties": "species:S:1:pos:R:3", "pbc": frame.pbc}
    rows = [
        f"{symbol} {_decimals(row, 6)}"
        for symbol, row in zip(symbols_of(frame), frame.positions, strict=True)
    ]
    if "forces" in labels:
        header["Properties"] += ":forces:R:3"
        rows = [f"{row} {_decimals(force, 5)}" for row, force in zip(rows, labels["forces"], strict=True)]
    header |= frame.info
    if "energy" in labels:
        header["energy"] = round(float(labels["energy"]), 6)
    if "stress" in labels:
        header["stress"] = voigt_6_to_full_3x3_stress(np.round(labels["stress"], 8))
    if "dipole" in labels:
        header["dipole"] = np.round(labels["dipole"], 5)
    return "\n".join([str(len(frame)), key_val_dict_to_str(header), *rows, ""])


def _decimals(row: np.ndarray, decimals: int) -> str:
    return " ".join(f"{value:.{decimals}f}" for value in row)
