"""Dipoles around atoms, from the centres of maximally localised Wannier functions that CP2K prints."""

from pathlib import Path

import numpy as np
from ase import Atoms

from dynrefine.datasets.pairs import from_nearest
from dynrefine.errors import CampaignError

LOCALIZATION = """\
&LOCALIZE
MAX_ITER 10000
&PRINT
&WANNIER_CENTERS
IONS+CENTERS
&END WANNIER_CENTERS
&END PRINT
&END LOCALIZE
"""
_CENTRE = "X"  # the symbol of a centre in CP2K's file, where centres follow the atoms


def centres_file(folder: Path, project: str) -> Path:
    """The file to which CP2K appends the centres."""
    return folder / f"{project}-HOMO_centers_s1-1_0.xyz"


def read_centres(folder: Path, project: str) -> np.ndarray:
    """The centres [W, 3], Å, that CP2K has written in a folder.

    Raises:
        CampaignError: there is no such file.
    """
    path = centres_file(folder, project)
    if not path.exists():
        raise CampaignError(
            f"{path} does not exist: expected the Wannier centres of a run of CP2K 2023.1 or later; run that "
            "version or set labelling.settings.wannier_centres to false."
        )
    rows = [line.split() for line in path.read_text().splitlines()[2:]]
    return np.array([row[1:4] for row in rows if row[0] == _CENTRE], float)


def local_dipoles(atoms: Atoms, centres: np.ndarray) -> np.ndarray:
    """The dipole around each atom beyond its formal charge [N, 3], e Å.

    Each centre, of two electrons, belongs to the nearest atom other than hydrogen. The dipole of an atom is -2 e
    times the sum of the displacements of its centres.

    Arguments:
        atoms: the geometry, Å.
        centres: of all its doubly occupied Wannier functions [W, 3], Å.

    Raises:
        CampaignError: atoms of one element have different numbers of centres, which leaves no formal charge.
    """
    owners = np.flatnonzero(atoms.numbers != 1)
    nearest, vectors = from_nearest(atoms.positions[owners], centres, atoms.cell.array)
    counts = np.bincount(owners[nearest], minlength=len(atoms))
    for symbol in np.unique(atoms.get_chemical_symbols()):
        found = np.unique(counts[atoms.symbols == symbol])
        if len(found) > 1:
            raise CampaignError(
                f"atoms of {symbol} have {', '.join(map(str, found))} Wannier centres, expected equally many for "
                "each, since otherwise the element has no formal charge: remove the frame, or set "
                "labelling.settings.wannier_centres to false."
            )
    result = np.zeros((len(atoms), 3))
    np.add.at(result, owners[nearest], -2.0 * vectors)
    return result
