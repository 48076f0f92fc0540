"""Whether the formal charges of the elements are those that the dipoles around atoms count from.

The dipole of a cell is Σ q r + Σ Δμ, modulo e times its vectors. Δμ, the dipole around an atom, counts from its core
and the electrons of its Wannier centres, which are the formal charge q. With other charges the sum is another dipole.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import LOCAL_DIPOLE, formal_charges
from dynrefine.datasets.isotopes import element_of
from dynrefine.errors import CampaignError

# e Å, for each atom: independent errors add up by the root. Wannier centres and Berry phases of CP2K differ by 0.003.
_LARGEST = 0.06
_FRAMES = 20  # that are looked at
_CHARGES = range(-4, 6)  # that elements may have
_ELEMENTS = 4  # of which all such charges are tried


def require_fitting_charges(frames: Sequence[Atoms], charges: Mapping[str, float], name: str) -> None:
    """Refuse formal charges with which positions and dipoles around atoms are not the dipole of the cell.

    Arguments:
        frames: in Å, eV and e.
        charges: formal charge of each element, e.
        name: the file or files, for messages.

    Raises:
        CampaignError: they are not, in most of the frames that have both.
    """
    both = [frame for frame in frames if LOCAL_DIPOLE in frame.arrays and "dipole" in frame.calc.results]
    chosen = both[:: max(1, len(both) // _FRAMES)]
    if not chosen or _missed(chosen, charges) <= 1.0:
        return
    fitting = min(_neutral(chosen), key=lambda each: _missed(chosen, each), default=None)
    remedy = "correct elements[*].charge"
    if fitting is not None and _missed(chosen, fitting) <= 1.0:
        remedy += f": {', '.join(f'{symbol} {charge:+d}' for symbol, charge in fitting.items())} would do"
    raise CampaignError(
        f"{name}: formal charges times positions and the dipoles around atoms (local_dipole) do not add up to the "
        "dipole of the cell, expected to modulo e times its vectors, since the charge of an atom is that of its core "
        f"and the electrons of its Wannier centres: {remedy}."
    )


def _missed(frames: Sequence[Atoms], charges: Mapping[str, float]) -> float:
    """How far sum and dipole of a frame are apart, in units of what they may be, the median."""
    return float(np.median([_distance(frame, charges) / np.sqrt(len(frame)) for frame in frames])) / _LARGEST


def _distance(frame: Atoms, charges: Mapping[str, float]) -> float:
    """Of the sum from the dipole of the cell, modulo e times its vectors, e Å."""
    sums = formal_charges(frame, charges) @ frame.positions + frame.arrays[LOCAL_DIPOLE].sum(axis=0)
    fractional = (sums - frame.calc.results["dipole"]) @ np.linalg.inv(frame.cell.array)
    return float(np.linalg.norm((fractional - np.round(fractional)) @ frame.cell.array))


def _neutral(frames: Sequence[Atoms]) -> Iterator[dict[str, int]]:
    """Charges of the elements that leave all frames neutral; none where there are too many to be tried."""
    symbols = sorted({element_of(symbol) for frame in frames for symbol in frame.get_chemical_symbols()})
    if len(symbols) > _ELEMENTS:
        return
    counts = np.array([[np.sum(frame.symbols == symbol) for symbol in symbols] for frame in frames])
    for charges in product(_CHARGES, repeat=len(symbols)):
        if not (counts @ charges).any():
            yield dict(zip(symbols, charges, strict=True))
