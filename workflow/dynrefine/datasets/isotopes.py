"""Elements from the labels of atoms in files; deuterium and tritium are hydrogen with another mass."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from dynrefine.errors import CampaignError

ISOTOPES = {"D": ("H", 2.014), "T": ("H", 3.016)}  # symbol: element, mass in u
_TOLERANCE = 0.02  # of the mass that identifies an isotope, u


def element_of(symbol: str) -> str:
    """The element of a symbol: H of D and T, every other itself."""
    return ISOTOPES.get(symbol, (symbol,))[0]


def is_symbol(text: str) -> bool:
    """Whether this is the symbol of an element or an isotope."""
    return text in ISOTOPES or atomic_numbers.get(text, 0) > 0


def symbol_of_label(
    label: str, elements: Collection[str] | None = None, named: Mapping[str, str] | None = None
) -> str | None:
    """The chemical symbol that a label such as OW, H1 or Cl- stands for; None where that is uncertain.

    Arguments:
        label: what the file calls the kind of an atom.
        elements: the symbols that may occur, where they are known; they decide whether CA is carbon or calcium.
        named: symbols that the user has stated for labels.
    """
    if named and label in named:
        return named[label]
    letters = "".join(character for character in label if character.isalpha())
    if is_symbol(label) or is_symbol(letters):
        return label if is_symbol(label) else letters
    candidates = {each for each in (letters[:1].upper(), letters[:2].capitalize()) if is_symbol(each)}
    if elements is not None:
        candidates = {each for each in candidates if _matches(each, elements)}
    return candidates.pop() if len(candidates) == 1 else None


def atoms_of(symbols: Iterable[str], *arguments, **named) -> Atoms:
    """ASE's Atoms from symbols that may be those of isotopes, which are then given their masses."""
    symbols = list(symbols)
    frame = Atoms([element_of(symbol) for symbol in symbols], *arguments, **named)
    heavy = [index for index, symbol in enumerate(symbols) if symbol in ISOTOPES]
    if heavy:
        masses = frame.get_masses()
        masses[heavy] = [ISOTOPES[symbols[index]][1] for index in heavy]
        frame.set_masses(masses)
    return frame


def symbols_of(frame: Atoms) -> list[str]:
    """The symbols of a frame's atoms, D and T where the masses say so."""
    symbols = frame.get_chemical_symbols()
    if not frame.has("masses"):
        return symbols
    for name, (element, mass) in ISOTOPES.items():
        for index in np.flatnonzero(np.abs(frame.get_masses() - mass) < _TOLERANCE):
            if symbols[index] == element:
                symbols[index] = name
    return symbols


def symbol_among(symbol: str, elements: Collection[str]) -> str | None:
    """The one of these elements that a symbol stands for, or another isotope of it; None where there is none.

    Potentials do not depend on masses, so frames of light water serve for heavy water and vice versa.
    """
    if symbol in elements:
        return symbol
    same = [each for each in elements if element_of(each) == element_of(symbol)]
    return same[0] if len(same) == 1 else None


def require_elements(frames: Sequence[Atoms], elements: Collection[str], name: str = "the data set") -> None:
    """Raise where a frame holds an element that is not among those of the potential."""
    for index, frame in enumerate(frames):
        unknown = sorted({each for each in symbols_of(frame) if symbol_among(each, elements) is None})
        if unknown:
            raise CampaignError(
                f"{name}, frame {index} ({frame.info.get('source', 'without a source')}) holds {unknown[0]}, "
                f"expected only {', '.join(elements)}: add {unknown[0]} to the elements or remove the frame."
            )


def _matches(symbol: str, elements: Collection[str]) -> bool:
    return symbol_among(symbol, elements) is not None
