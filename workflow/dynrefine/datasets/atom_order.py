"""Whether the symbols of atoms are in the order of their positions."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from math import gcd

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from dynrefine.datasets.pairs import BONDED, pairs_of, spread

_REACH = 2.2  # Å, beyond the bonds of hydrogen
# share of hydrogens with one bond: at most, for a wrong order, and at least, for a right one
_FEW_BONDED, _ALL_BONDED = 0.8, 0.95
_MOST_ELEMENTS = 4


def order_sentence(frames: Sequence[Atoms]) -> str | None:
    """A sentence if hydrogens have one bond each only when the symbols are put in another common order.

    Arguments:
        frames: with positions in Å.
    """
    sample = [frame for frame in spread(frames, 5) if 1 in frame.numbers and len(set(frame.numbers)) > 1]
    if not sample:
        return None
    found = np.mean([_part_bonded(frame, frame.numbers) for frame in sample])
    if found > _FEW_BONDED:
        return None
    first = sample[0]
    for numbers, order in _orders(first.numbers):
        alike = [frame for frame in sample if np.array_equal(frame.numbers, first.numbers)]
        if np.mean([_part_bonded(frame, numbers) for frame in alike]) > _ALL_BONDED:
            return (
                f"only {100 * found:.0f} % of the hydrogens are bonded to one heavier atom, expected nearly all: the "
                f"order of the atoms seems to be {order}, but type.raw or the file gives another; correct the "
                "symbols there."
            )
    return None


def _part_bonded(frame: Atoms, numbers: np.ndarray) -> float:
    """The share of hydrogens with exactly one bond to a heavier atom, if atoms have these numbers."""
    other = frame.copy()
    other.numbers = numbers
    pairs = pairs_of(other, _REACH)
    light = numbers == 1
    bonds = (pairs.ratios < BONDED) & (light[pairs.first] != light[pairs.second])
    hydrogens = np.where(light[pairs.first], pairs.first, pairs.second)[bonds]
    return float(np.mean(np.bincount(hydrogens, minlength=len(numbers))[light] == 1))


def _orders(numbers: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """The same atoms element by element and molecule by molecule, each with a description of the order."""
    kinds, counts = np.unique(numbers, return_counts=True)
    if len(kinds) > _MOST_ELEMENTS:
        return
    molecules = gcd(*counts.tolist())
    for places in permutations(range(len(kinds))):
        own = kinds[list(places)], counts[list(places)]
        names = [chemical_symbols[kind] for kind in own[0]]
        yield np.repeat(*own), f"all {', then all '.join(names)}"
        formula = np.repeat(own[0], own[1] // molecules)
        pattern = " ".join(chemical_symbols[kind] for kind in formula)
        yield np.tile(formula, molecules), f"{pattern} by {pattern}"
