"""Whether dipoles can be in e Å, by the charges that they imply along bonds."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import Conventions
from dynrefine.datasets.conversion import factor
from dynrefine.datasets.pairs import BONDED, NONMETALS, pairs_of

# Charge along a bond of oxygen to hydrogen that the dipole of water implies, e: 0.33 for a molecule in the gas
# (1.86 D), 0.44 to 0.56 in the liquid (2.6 to 3.1 D).
_IN_LIQUID = (0.38, 0.75)
_IN_GAS = (0.26, 0.46)
_OF_NEIGHBOURS = 3.2  # largest distance of oxygens with a hydrogen bond between them, Å
_REACH = 4.0  # Å, beyond all bonds
_LEAST_DESCRIBED = 0.75
_LARGEST_CHARGE = 1.5  # along any bond of nonmetals, e

_UNITS = ("e angstrom", "debye", "e bohr", "-e angstrom", "-debye", "-e bohr")


def dipole_sentence(frames: Sequence[Atoms], conventions: Conventions) -> str | None:
    """A sentence if dipoles are in another unit than the one assumed; None where they are plausible.

    Dipoles are described as sums over bonds of a charge times the bond, modulo e times the cell. In the right unit
    the charge along bonds of oxygen to hydrogen is that of water.
    """
    usable = _usable(frames)
    features, kinds = _bond_sums(usable)
    if not kinds or 3 * len(usable) < max(9, 2 * len(kinds)) or not features.any():
        return None
    dipoles = np.array([frame.calc.results["dipole"] for frame in usable])
    cells = np.array([frame.cell.array if frame.cell.rank == 3 else 1e6 * np.eye(3) for frame in usable])
    main = int(np.argmax(np.sum(features**2, axis=(0, 1))))
    low, high = _IN_GAS if not _is_liquid(usable) else _IN_LIQUID
    if kinds[main] != (1, 8):
        low, high = 0.0, _LARGEST_CHARGE
    stated = factor("dipole", conventions.units.get("dipole") or "e angstrom")
    own = _charge(features, dipoles, cells, main)
    if own is None or low <= own <= high or (kinds[main] != (1, 8) and abs(own) <= high):
        return None
    possible = [unit for unit in _UNITS if not np.isclose(factor("dipole", unit), stated)]
    fitting = []
    for unit in possible:
        change = factor("dipole", unit) / stated
        charge = _charge(features, change * dipoles, cells, main)
        if charge is not None and low <= charge <= high:
            fitting.append((abs(np.log(charge / np.sqrt(max(low, 0.1) * high))), unit, change))
    found = (
        f"dipoles imply a charge of {own:.2f} e along a bond of oxygen to hydrogen"
        if kinds[main] == (1, 8)
        else (f"dipoles imply a charge of {own:.2f} e along a bond")
    )
    expected = f"{low:g} to {high:g}" if kinds[main] == (1, 8) else f"at most {high:g}"
    if (
        not conventions.wannier
        and kinds[main] == (1, 8)
        and _may_be_wannier(usable, features, dipoles, cells, main)
    ):
        return (
            f"{found}, expected {expected}: they seem to be sums of displacements of Wannier centres; state dipole: "
            "wannier in the dataset, or convert them (formal charges times positions minus 2 times the sum)."
        )
    if not fitting:
        return (
            f"{found}, expected {expected}: they seem to be in other units; state units.dipole in the dataset or "
            "convert them."
        )
    _, unit, change = min(fitting)
    return (
        f"{found}, expected {expected}: they seem to be in {unit}; state units.dipole: {unit} (factor "
        f"{change:.6g}) in the dataset, or convert them."
    )


def _usable(frames: Sequence[Atoms]) -> list[Atoms]:
    """Up to two hundred frames with bonds, evenly spread."""
    usable = [frame for frame in frames if len(frame) > 1]
    return usable[:: max(1, len(usable) // 100)]


def _bond_sums(frames: Sequence[Atoms]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The sum of all bonds of each kind [F, 3, K], from the heavier to the lighter element, Å."""
    sums: list[dict[tuple[int, int], np.ndarray]] = []
    for frame in frames:
        pairs = pairs_of(frame, _REACH)
        pairs = pairs[(pairs.ratios < BONDED) & (frame.numbers[pairs.first] != frame.numbers[pairs.second])]
        first, second = frame.numbers[pairs.first], frame.numbers[pairs.second]
        pairs, first, second = _of_nonmetals(pairs, first, second)
        signs = np.where(first > second, 1.0, -1.0)
        own: dict[tuple[int, int], np.ndarray] = {}
        for kind in {(int(min(pair)), int(max(pair))) for pair in zip(first, second, strict=True)}:
            chosen = (np.minimum(first, second) == kind[0]) & (np.maximum(first, second) == kind[1])
            own[kind] = (signs[chosen, None] * pairs.separations[chosen]).sum(axis=0)
        sums.append(own)
    kinds = sorted({kind for own in sums for kind in own})
    zero = np.zeros(3)
    return np.array([[own.get(kind, zero) for kind in kinds] for own in sums]).swapaxes(1, 2) if kinds else (
        np.zeros((len(frames), 3, 0))
    ), kinds


def _of_nonmetals(pairs, first: np.ndarray, second: np.ndarray):
    chosen = np.isin(first, NONMETALS) & np.isin(second, NONMETALS)
    return pairs[chosen], first[chosen], second[chosen]


def _is_liquid(frames: Sequence[Atoms]) -> bool:
    """Whether oxygens have neighbours at the distance of hydrogen bonds."""
    for frame in frames[:5]:
        pairs = pairs_of(frame, _REACH)
        oxygen = (frame.numbers[pairs.first] == 8) & (frame.numbers[pairs.second] == 8)
        if np.sum(oxygen & (pairs.distances < _OF_NEIGHBOURS)) >= np.sum(frame.numbers == 8):
            return True
    return False


def _charge(features: np.ndarray, dipoles: np.ndarray, cells: np.ndarray, main: int) -> float | None:
    """The charge along the main kind of bond; None where charges do not describe the dipoles."""
    grid = np.arange(-6.0, 6.0, 0.02)
    inverse = np.linalg.inv(cells)
    errors = [
        np.mean(wrapped(dipoles - charge * features[:, :, main], cells, inverse) ** 2) for charge in grid
    ]
    charges = np.zeros(features.shape[2])
    charges[main] = grid[int(np.argmin(errors))]
    for _ in range(3):
        left = wrapped(dipoles - features @ charges, cells, inverse)
        change, *_ = np.linalg.lstsq(features.reshape(-1, len(charges)), left.ravel(), rcond=None)
        charges += change
    left = wrapped(dipoles - features @ charges, cells, inverse)
    whole = np.mean((features @ charges) ** 2)
    if whole == 0.0 or np.mean(left**2) > (1.0 - _LEAST_DESCRIBED) * (whole + np.mean(left**2)):
        return None
    return float(charges[main])


def wrapped(dipoles: np.ndarray, cells: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Dipoles on the branch nearest to zero: they are defined modulo e times the cell vectors."""
    fractional = np.einsum("fi,fij->fj", dipoles, inverse)
    return np.einsum("fi,fij->fj", fractional - np.round(fractional), cells)


def _may_be_wannier(
    frames: Sequence[Atoms], features: np.ndarray, dipoles: np.ndarray, cells: np.ndarray, main: int
) -> bool:
    """Whether formal charges times positions minus twice these numbers give dipoles of water."""
    formal = features[:, :, main]  # a charge of one on hydrogen, from oxygen
    charge = _charge(features, formal - 2.0 * dipoles, cells, main)
    low, high = _IN_LIQUID if _is_liquid(frames) else _IN_GAS
    return charge is not None and low <= charge <= high
