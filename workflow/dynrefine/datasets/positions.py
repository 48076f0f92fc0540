"""Whether positions and cells can be in Å, and atoms of the stated elements."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from dynrefine import units
from dynrefine.datasets.pairs import NOBLE_GASES, pairs_of, spread

# Shortest distance over the sum of covalent radii: from molecules with triple bonds (0.77) to caesium (1.14).
_BOND = (0.5, 1.4)
_BONDS_END = 12.0  # no bond is longer, in Å or in bohr read as Å


def positions_sentence(frames: Sequence[Atoms]) -> str | None:
    """A sentence if bond lengths show that positions, cells or both are not in Å."""
    bound = [frame for frame in frames if set(frame.numbers) - set(NOBLE_GASES)]
    ratios = np.array([_shortest_ratio(frame) for frame in spread(bound, 200)])
    judged = ratios[np.isfinite(ratios)]
    if not len(judged):
        return None
    low, high = np.quantile(judged, [0.1, 0.9])
    if high >= _BOND[0] and low <= _BOND[1]:
        return None
    typical = np.median(judged)
    if typical > 50.0:
        guess = "positions and cells seem not to be in Å (pm?); state units.positions: pm (factor 0.01)"
    elif low > _BOND[1]:
        guess = (
            "positions and cells seem not to be in Å (bohr?); state units.positions: bohr (factor 0.529177)"
        )
    else:
        guess = _too_near(frames)
    return (
        f"the nearest atoms are {typical:.2f} bond lengths apart, expected about 1: {guess} in the dataset, or "
        "convert them."
    )


def _too_near(frames: Sequence[Atoms]) -> str:
    """What to state where atoms are too close together: both lengths may be in nm, or only one."""
    sample = [frames[index] for index in np.linspace(0, len(frames) - 1, min(5, len(frames))).astype(int)]
    for positions, cells, guess in (
        (10.0, 10.0, "positions and cells seem not to be in Å (nm?); state units.positions: nm (factor 10)"),
        (1.0, 10.0, "the cell seems to be in nm and the positions in Å; multiply the cell by 10"),
        (10.0, 1.0, "the positions seem to be in nm and the cell in Å; multiply the positions by 10"),
        (
            units.BOHR,
            1.0,
            "the positions seem to be in bohr and the cell in Å; multiply positions by 0.529177",
        ),
        (
            1.0,
            units.BOHR,
            "the cell seems to be in bohr and the positions in Å; multiply the cell by 0.529177",
        ),
    ):
        scaled = []
        for frame in sample:
            other = frame.copy()
            other.set_cell(cells * frame.cell.array)
            other.positions = positions * frame.positions
            scaled.append(_shortest_ratio(other))
        if 0.7 < np.median(scaled) < _BOND[1]:
            return guess
    return "positions and cells seem not to agree; state units.positions"


def _shortest_ratio(frame: Atoms) -> float:
    return float(pairs_of(frame, _BONDS_END).ratios.min(initial=np.inf))
