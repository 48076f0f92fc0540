"""Whether the formal charges of the elements match the dipoles around atoms.

The dipole of a cell is Σ q r + Σ Δμ, modulo e times its vectors. Δμ, the dipole around an atom, is that of its core
and the electrons of its Wannier centres, whose total charge is the formal charge q. Other charges give a wrong sum.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import LOCAL_DIPOLE, charges_of
from dynrefine.datasets.dipoles import wrapped
from dynrefine.errors import CampaignError

# e Å per √N for N atoms, since errors are independent. Wannier centres and Berry phases of CP2K differ by 0.003.
_LARGEST = 0.06
_FRAMES = 20  # tested, or up to twice as many
_CHARGES = range(-4, 6)  # tried for each element
_ELEMENTS = 4  # at most, for which all such charges are tried


def require_fitting_charges(frames: Sequence[Atoms], charges: Mapping[str, float], name: str) -> None:
    """Refuse formal charges that, with positions and dipoles around atoms, do not give the dipole of the cell.

    Arguments:
        frames: in Å, eV and e.
        charges: formal charge of each element, e.
        name: the file or files, for messages.

    Raises:
        CampaignError: they do not, in most of the frames that have both dipoles.
    """
    both = [frame for frame in frames if LOCAL_DIPOLE in frame.arrays and "dipole" in frame.calc.results]
    if not both:
        return
    chosen = _Dipoles.of(both[:: max(1, len(both) // _FRAMES)])
    if chosen.missed_with(charges_of(chosen.symbols, charges)) <= 1.0:
        return
    fitting = min(chosen.neutral(), key=chosen.missed_with, default=None)
    remedy = "correct elements[*].charge"
    if fitting is not None and chosen.missed_with(fitting) <= 1.0:
        told = (f"{symbol} {charge:+d}" for symbol, charge in zip(chosen.symbols, fitting, strict=True))
        remedy += f": {', '.join(told)} would do"
    raise CampaignError(
        f"{name}: formal charges times positions plus dipoles around atoms (local_dipole) do not add up to the "
        "dipole of the cell, expected equality modulo e times the cell vectors, since the formal charge of an atom "
        f"is that of its core and the electrons of its Wannier centres: {remedy}."
    )


@dataclass(frozen=True)
class _Dipoles:
    """What formal charges have to explain of the dipoles of frames.

    Attributes:
        symbols: the elements.
        counts: atoms of each element [F, E].
        positions: sums over these atoms, Å [F, E, 3].
        missing: dipoles of the cells minus those around atoms, e Å [F, 3].
        cells: cell vectors as rows, Å [F, 3, 3].
    """

    symbols: list[str]
    counts: np.ndarray
    positions: np.ndarray
    missing: np.ndarray
    cells: np.ndarray

    @classmethod
    def of(cls, frames: Sequence[Atoms]) -> "_Dipoles":
        """From frames that have both dipoles."""
        symbols = sorted({symbol for frame in frames for symbol in frame.get_chemical_symbols()})
        among = [[frame.symbols == symbol for symbol in symbols] for frame in frames]
        sums = [
            [frame.positions[own].sum(axis=0) for own in each]
            for frame, each in zip(frames, among, strict=True)
        ]
        missing = [frame.calc.results["dipole"] - frame.arrays[LOCAL_DIPOLE].sum(axis=0) for frame in frames]
        return cls(
            symbols,
            np.array([[own.sum() for own in each] for each in among]),
            np.array(sums),
            np.array(missing),
            np.array([frame.cell.array for frame in frames]),
        )

    def missed_with(self, charges: Sequence[float] | np.ndarray) -> float:
        """The median distance between sums and dipoles with these charges, in units of the largest allowed."""
        apart = np.einsum("e,fex->fx", charges, self.positions) - self.missing
        distances = np.linalg.norm(wrapped(apart, self.cells, np.linalg.inv(self.cells)), axis=1)
        return float(np.median(distances / np.sqrt(self.counts.sum(axis=1)))) / _LARGEST

    def neutral(self) -> Iterator[tuple[int, ...]]:
        """Charges with which all frames are neutral; none where there are too many elements to try."""
        if len(self.symbols) <= _ELEMENTS:
            for charges in product(_CHARGES, repeat=len(self.symbols)):
                if not (self.counts @ charges).any():
                    yield charges
