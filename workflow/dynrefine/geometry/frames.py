"""Labelled geometries as padded arrays, for the numerical core."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class LabelledFrames:
    """F geometries of up to N atoms with their labels; NaN where a label is absent.

    Attributes:
        species: index into the potential's list of elements, -1 where there is no atom [F,N].
        positions: Å [F,N,3].
        cells: cell vectors in rows, Å [F,3,3].
        energies: total energies, eV [F]; keep these large numbers in float64 until a reference energy is subtracted.
        forces: eV/Å [F,N,3].
        stresses: eV/Å³, negative under pressure [F,3,3].
        dipoles: e Å, defined modulo e times the cell vectors [F,3].
        local_dipoles: around each atom, beyond its formal charge, e Å [F,N,3].
        polarizabilities: of the cell, Å³ [F,3,3].
        local_polarizabilities: contribution of each atom to it, Å³ [F,N,3,3].
    """

    species: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    energies: np.ndarray
    forces: np.ndarray
    stresses: np.ndarray
    dipoles: np.ndarray
    local_dipoles: np.ndarray
    polarizabilities: np.ndarray
    local_polarizabilities: np.ndarray

    @classmethod
    def unlabelled(cls, species: np.ndarray, positions: np.ndarray, cells: np.ndarray) -> "LabelledFrames":
        """Geometries without labels.

        Arguments:
            species: the same for all frames [N], or frame by frame [F,N].
            positions: Å [F,N,3].
            cells: Å, the same for all frames [3,3], or frame by frame [F,3,3].
        """
        frames, atoms, _ = np.shape(positions)
        return cls(
            species=np.broadcast_to(np.asarray(species, np.int32), (frames, atoms)),
            positions=np.asarray(positions),
            cells=np.broadcast_to(np.asarray(cells), (frames, 3, 3)),
            energies=np.full(frames, np.nan),
            forces=np.full((frames, atoms, 3), np.nan),
            stresses=np.full((frames, 3, 3), np.nan),
            dipoles=np.full((frames, 3), np.nan),
            local_dipoles=np.full((frames, atoms, 3), np.nan),
            polarizabilities=np.full((frames, 3, 3), np.nan),
            local_polarizabilities=np.full((frames, atoms, 3, 3), np.nan),
        )

    @classmethod
    def joined(cls, parts: Iterable["LabelledFrames"]) -> "LabelledFrames":
        """The frames of several parts, all padded to the same number of atoms, one part after another."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    @property
    def atom_counts(self) -> np.ndarray:
        """Number of atoms of each frame [F]."""
        return (self.species >= 0).sum(axis=-1)

    def __len__(self) -> int:
        return self.species.shape[0]

    def __getitem__(self, index: slice | np.ndarray) -> "LabelledFrames":
        """The frames of a slice or of an array of indices."""
        return LabelledFrames(*(getattr(self, field.name)[index] for field in fields(self)))
