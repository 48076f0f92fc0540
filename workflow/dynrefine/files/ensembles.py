"""Files of ensembles: starting points of trajectories, and the last points of the chains that sampled them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays
from dynrefine.geometry.system import Point

_UNITS = {
    "positions": "Å",
    "velocities": "Å/fs",
    "energies_by_potential": "eV",
    "sampled_by": "1",
    "chain_positions": "Å",
    "chain_velocities": "Å/fs",
    "recorded_positions": "Å",
    "energies": "eV",
    "temperatures": "K",
    "species": "1",
    "cells": "Å",
    "chain_cells": "Å",
    "recorded_cells": "Å",
}


@dataclass(frozen=True)
class Ensemble:
    """Starting points of trajectories, and the last points of their chains.

    Attributes:
        species: element index of each atom [N].
        cells: of the starting points, cell vectors as rows [S, 3, 3], Å.
        positions: starting points [S, N, 3], Å: the last one of each chain, then the one before that of each, ...
        velocities: drawn from the Maxwell-Boltzmann distribution [S, N, 3], Å/fs.
        energies_by_potential: energies of the starting points with each potential that may have sampled some of the
            state, the present one last [K, S], eV; the present one alone where nothing is reused.
        sampled_by: row of the potential that sampled each starting point [S].
        chain_positions: last point of each chain [R, N, 3], Å.
        chain_velocities: [R, N, 3], Å/fs.
        chain_cells: [R, 3, 3], Å.
        recorded_positions: records of the chains, for structure [records, R, N, 3], Å.
        recorded_cells: [records, R, 3, 3], Å.
        energies: potential energy along the chains [records, R], eV.
        temperatures: kinetic temperature along the chains [records, R], K.
        metadata: provenance.
    """

    species: np.ndarray
    cells: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    energies_by_potential: np.ndarray
    sampled_by: np.ndarray
    chain_positions: np.ndarray
    chain_velocities: np.ndarray
    chain_cells: np.ndarray
    recorded_positions: np.ndarray
    recorded_cells: np.ndarray
    energies: np.ndarray
    temperatures: np.ndarray
    metadata: dict[str, Any]

    @property
    def chains(self) -> np.ndarray:
        """Number of the chain of each starting point [S]."""
        return np.arange(len(self.positions)) % len(self.chain_positions)

    def starts(self, dtype: Any) -> Point:
        """The starting points in this precision."""
        return Point(*(jnp.asarray(each, dtype) for each in (self.positions, self.velocities, self.cells)))


def save_ensemble(path: str | Path, ensemble: Ensemble) -> None:
    """Write an ensemble file."""
    arrays = {name: getattr(ensemble, name) for name in _UNITS}
    content = ArrayFile(arrays, _UNITS, ensemble.metadata)
    write_arrays(path, "ensemble", content)


def load_ensemble(path: str | Path) -> Ensemble:
    """Read an ensemble file.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "ensemble")
    return Ensemble(**content.arrays, metadata=content.metadata)
