"""Units by their usual names, as factors to eV, Å and e; a leading minus means the opposite sign."""

import re
from collections.abc import Iterable, Iterator

from dynrefine import units

_ENERGY = {
    "eV": 1.0,
    "meV": 1e-3,
    "hartree": units.HARTREE,
    "Ha": units.HARTREE,
    "Eh": units.HARTREE,
    "a.u.": units.HARTREE,
    "rydberg": units.HARTREE / 2.0,
    "Ry": units.HARTREE / 2.0,
    "kJ/mol": units.KILOJOULE_PER_MOLE,
    "kcal/mol": 4.184 * units.KILOJOULE_PER_MOLE,
    "J": 1.0 / units.ELECTRONVOLT,
}
_LENGTH = {
    "angstrom": 1.0,
    "Å": 1.0,
    "A": 1.0,
    "Ang": 1.0,
    "nm": 10.0,
    "pm": 0.01,
    "m": 1e10,
    "bohr": units.BOHR,
    "a0": units.BOHR,
    "a.u.": units.BOHR,
}
_PRESSURE = {
    "bar": units.BAR,
    "kbar": 1e3 * units.BAR,
    "kB": 1e3 * units.BAR,
    "Mbar": 1e6 * units.BAR,
    "Pa": 1e-5 * units.BAR,
    "kPa": 1e-2 * units.BAR,
    "MPa": 10.0 * units.BAR,
    "GPa": 1e4 * units.BAR,
    "atm": 1.01325 * units.BAR,
}
_DIPOLE = {
    "D": units.DEBYE,
    "debye": units.DEBYE,
    "a.u.": units.BOHR,
    "C m": 1e10 / units.ELEMENTARY_CHARGE,
}
_EXAMPLES = {
    "positions": "angstrom, nm or bohr",
    "energy": "eV, hartree, Ry, kJ/mol or kcal/mol, with /atom where they are per atom",
    "forces": "eV/angstrom, hartree/bohr, eV/bohr, kJ/mol/nm or kcal/mol/angstrom",
    "stress": "eV/angstrom^3, GPa, kbar, bar or hartree/bohr^3",
    "virial": "eV, hartree, kJ/mol or kcal/mol",
    "dipole": "e*angstrom, debye or e*bohr",
    "polarizability": "angstrom^3 or bohr^3",
}
QUANTITIES = tuple(_EXAMPLES)
_MULTIPLE = re.compile(r"(\d+\.?\d*(?:[eE][-+]?\d+)?)\s*[*·x]?\s+")


def factor(quantity: str, unit: str) -> float:
    """The factor from a unit to eV, Å and e (per atom is left to the caller).

    Arguments:
        quantity: positions, energy, forces, stress, virial, dipole or polarizability.
        unit: its name, such as "kJ/mol/nm"; case matters only where it distinguishes units. A number before
            it means a multiple, as in "10 kJ/mol/angstrom", and a minus the opposite sign, as for gradients.

    Raises:
        ValueError: the unit is unknown.
    """
    text = unit.strip()
    sign = -1.0 if text.startswith(("-", "−")) else 1.0
    plain = text.lstrip("-− ").strip()
    number = _MULTIPLE.match(plain)
    if number is None:
        return sign * _FACTORS[quantity](plain)
    return sign * float(number[1]) * _FACTORS[quantity](plain[number.end() :])


def signed(quantity: str, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Units and their factors, then the same with the opposite sign."""
    for sign in ("", "-"):
        for unit in names:
            yield f"{sign}{unit}", factor(quantity, f"{sign}{unit}")


def is_per_atom(unit: str) -> bool:
    """Whether a unit of energy is per atom."""
    return re.search(r"/\s*atom$", unit.strip()) is not None


def known_units(quantity: str) -> str:
    """Examples of the units of a quantity."""
    return _EXAMPLES[quantity]


def _one_of(table: dict[str, float], text: str) -> float:
    """The factor of a name as written, or else of the only name that is the same but for case."""
    if text in table:
        return table[text]
    alike = {value for name, value in table.items() if name.lower() == text.lower()}
    if len(alike) != 1:
        raise ValueError(f"unknown unit {text}")
    return alike.pop()


def _energy(text: str) -> float:
    return _one_of(_ENERGY, re.sub(r"\s*/\s*atom$", "", text).replace(" ", ""))


def _virial(text: str) -> float:
    return _one_of(_ENERGY, text.replace(" ", ""))


def _length(text: str) -> float:
    return _one_of(_LENGTH, re.sub(r"(?i)^(ångström|ångstrom|angström)s?$", "angstrom", text).rstrip())


def _forces(text: str) -> float:
    if text in ("a.u.", "au"):
        return units.HARTREE / units.BOHR
    energy, _, length = text.replace(" ", "").rpartition("/")
    return _energy_alone(energy) / _length(length)


def _energy_alone(text: str) -> float:
    return _one_of(_ENERGY, text)


def _stress(text: str) -> float:
    plain = text.replace(" ", "").replace("³", "^3").replace("**3", "^3")
    if plain in ("a.u.", "au"):
        return units.HARTREE / units.BOHR**3
    if plain.endswith("^3") and "/" in plain:
        energy, _, length = plain.removesuffix("^3").rpartition("/")
        return _energy_alone(energy) / _length(length) ** 3
    if re.fullmatch(r"(?i).*/(ang|angstrom|a|bohr|nm)3", plain):
        return _stress(f"{plain[:-1]}^3")
    return _one_of(_PRESSURE, plain)


def _dipole(text: str) -> float:
    parts = re.fullmatch(r"e\s*[*·.x-]?\s*(?!\s)(.+)", text)
    if parts:
        return _length(parts[1])
    return _one_of(_DIPOLE, text)


def _volume(text: str) -> float:
    plain = text.replace(" ", "").replace("³", "^3").replace("**3", "^3")
    if plain in ("a.u.", "au"):
        return units.BOHR**3
    if not plain.endswith("^3"):
        raise ValueError(f"unknown unit {text}")
    return _length(plain.removesuffix("^3")) ** 3


_FACTORS = {
    "positions": _length,
    "energy": _energy,
    "forces": _forces,
    "stress": _stress,
    "virial": _virial,
    "dipole": _dipole,
    "polarizability": _volume,
}
