"""Files of path integrals: records of the ring polymers of a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays

_UNITS = {
    "species": "1",
    "positions": "Å",
    "cells": "Å",
    "potential": "eV",
    "virial_kinetic": "eV",
    "primitive_kinetic": "eV",
    "temperatures": "K",
}


@dataclass(frozen=True)
class RingPolymers:
    """Records of a run in order of time.

    Attributes:
        species: element index of each atom [N].
        positions: of the beads [records, P, N, 3], Å.
        cells: cell vectors as rows [records, 3, 3], Å.
        potential: mean potential energy of the beads [records], eV.
        virial_kinetic: centroid virial estimates of the kinetic energy of all atoms of each element [records, E], eV.
        primitive_kinetic: primitive estimates of the same [records, E], eV.
        temperatures: kinetic temperature of the ring polymers [records], K.
        metadata: provenance.
    """

    species: np.ndarray
    positions: np.ndarray
    cells: np.ndarray
    potential: np.ndarray
    virial_kinetic: np.ndarray
    primitive_kinetic: np.ndarray
    temperatures: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)


def save_ring_polymers(path: str | Path, recorded: RingPolymers) -> None:
    """Write a file of path integrals, with positions in single precision."""
    arrays = {name: getattr(recorded, name) for name in _UNITS}
    arrays["positions"] = arrays["positions"].astype(np.float32)
    write_arrays(path, "path integrals", ArrayFile(arrays, _UNITS, recorded.metadata))


def load_ring_polymers(path: str | Path) -> RingPolymers:
    """Read a file of path integrals.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "path integrals")
    return RingPolymers(**content.arrays, metadata=content.metadata)
