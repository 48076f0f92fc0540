"""Molecules that lost or gained hydrogen."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from dynrefine.datasets.isotopes import element_of
from dynrefine.datasets.pairs import from_nearest
from dynrefine.files.ensembles import Ensemble
from dynrefine.statistics import numbered_through, sum_with_error


def share_of_broken(ensembles: Sequence[Ensemble], symbols: Sequence[str]) -> tuple[float, float] | None:
    """The share of starting points with broken molecules, %, and its standard error; none without bound hydrogen.

    A broken molecule stays broken for many starting points of its chain, so only chains are independent.

    Arguments:
        ensembles: chunks of a state.
        symbols: of the elements.
    """
    atoms = [element_of(symbols[kind]) for kind in ensembles[0].species]
    if "H" not in atoms or set(atoms) == {"H"}:
        return None
    positions, cells = (
        np.concatenate([getattr(each, name) for each in ensembles]) for name in ("positions", "cells")
    )
    broken = with_broken_molecules(atoms, positions, cells)
    weights = np.full(len(broken), 1.0 / len(broken))
    chains = numbered_through([each.chains for each in ensembles])
    share = sum_with_error((weights * broken)[:, None], weights, chains)
    return 100.0 * float(share.value[0]), 100.0 * float(share.error[0])


def with_broken_molecules(
    symbols: Sequence[str], positions: Float[np.ndarray, "S N 3"], cells: Float[np.ndarray, "S 3 3"]
) -> Bool[np.ndarray, " S"]:
    """Which configurations hold ions or fragments: those whose hydrogens are distributed unlike in most.

    A hydrogen belongs to the nearest atom of another element. If one jumped but all molecules kept their composition,
    none is broken.

    Arguments:
        symbols: of the atoms.
        positions: of S configurations, Å.
        cells: cell vectors as rows, Å.
    """
    names = np.array(symbols)
    found = [_molecules(names, *each) for each in zip(positions, cells, strict=True)]
    ((usual, _),) = Counter(found).most_common(1)
    return np.array([molecules != usual for molecules in found])


def _molecules(
    symbols: np.ndarray, positions: np.ndarray, cell: np.ndarray
) -> frozenset[tuple[tuple[str, int], int]]:
    """How many atoms of each element have how many hydrogens."""
    hydrogen = symbols == "H"
    nearest, _ = from_nearest(positions[~hydrogen], positions[hydrogen], cell)
    counts = np.bincount(nearest, minlength=np.count_nonzero(~hydrogen))
    return frozenset(Counter(zip(symbols[~hydrogen].tolist(), counts.tolist(), strict=True)).items())
