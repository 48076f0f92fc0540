"""Parse what CP2K prints for one geometry, in the units of the library."""

import re
from collections.abc import Sequence

import numpy as np

from dynrefine import units
from dynrefine.errors import CampaignError

_STRESS_UNITS = {"GPa": 1e4, "MPa": 10.0, "kbar": 1e3, "bar": 1.0, "atm": 1.01325}  # in bar


def parse_output(
    printed: str, name: str = "CP2K's output", atoms: int | None = None
) -> dict[str, float | np.ndarray]:
    """The labels that CP2K printed for one geometry, in internal units.

    Arguments:
        printed: the whole output of an ENERGY_FORCE run.
        name: the name of the output in messages.
        atoms: how many forces there must be, if known.

    Returns:
        energy (eV), forces [N,3] (eV/Å), stress [6] (eV/Å³, Voigt order and sign of ASE: negative under
        pressure), dipole [3] (e Å, Berry phase, origin zero, defined modulo e times the cell vectors).

    Raises:
        CampaignError: the self-consistency did not converge, or a part is missing or not a number.
    """
    if "SCF run NOT converged" in printed or "SCF run converged in" not in printed:
        raise CampaignError(
            f"{name}: the self-consistency did not converge{_last_step(printed)}: raise max_scf, loosen "
            "eps_scf, or remove the frame if its geometry is unphysical."
        )
    value = r"([-+*.\d]\S*)"
    # CP2K prints a colon after the unit up to 2023, but none from 2024 on.
    energy = _find(rf"ENERGY\| Total FORCE_EVAL.*?energy \[\S+\]:?\s+{value}", printed, "energy", name)
    stress_unit, stress = _find(
        r"STRESS\| Analytical stress tensor \[(\w+)\](.*?)1/3 Trace", printed, "stress", name
    )
    dipole = _find(
        rf"Berry phase.*?Dipole moment \[Debye\]\s+X=\s*{value}\s+Y=\s*{value}\s+Z=\s*{value}",
        printed,
        "dipole",
        name,
    )
    tensor = re.findall(rf"STRESS\|\s+[xyz]\s+{value}\s+{value}\s+{value}", stress)
    if stress_unit not in _STRESS_UNITS or len(tensor) != 3:
        raise CampaignError(
            f"{name} holds a stress in {stress_unit} in {len(tensor)} rows, expected three in one of "
            f"{', '.join(_STRESS_UNITS)}: run CP2K 2023.1 or later with its default unit of stress."
        )
    pressure = _numbers(tensor, "stress", name) * _STRESS_UNITS[stress_unit] * units.BAR
    return {
        "energy": float(_numbers([energy], "energy", name)[0, 0]) * units.HARTREE,
        "forces": _forces(printed, name, atoms) * (units.HARTREE / units.BOHR),
        "stress": -pressure[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        "dipole": _numbers([dipole], "dipole", name)[0] * units.DEBYE,
    }


def _forces(printed: str, name: str, atoms: int | None) -> np.ndarray:
    """The forces [N, 3], Hartree/Bohr, in the format of CP2K up to 2023 or of 2024 and later."""
    value = r"([-+*.\d]\S*)"
    if "FORCES| Atomic forces [hartree/bohr]" in printed:
        (block,) = _find(
            r"FORCES\| Atomic forces \[hartree/bohr\](.*?)FORCES\|\s+Sum", printed, "forces", name
        )
        pattern = rf"^\s*FORCES\|\s+\d+\s+{value}\s+{value}\s+{value}\s+\S+\s*$"
    else:
        (block,) = _find(r"ATOMIC FORCES in \[a\.u\.\](.*?)SUM OF ATOMIC FORCES", printed, "forces", name)
        pattern = rf"^\s+\d+\s+\d+\s+\w+\s+{value}\s+{value}\s+{value}\s*$"
    rows = re.findall(pattern, block, re.MULTILINE)
    if not rows or (atoms is not None and len(rows) != atoms):
        raise CampaignError(
            f"{name} holds forces on {len(rows)} atoms, expected {atoms or 'some'}: the output is cut short or of "
            "another geometry; remove it and run the rule again."
        )
    return _numbers(rows, "force", name)


def _numbers(rows: Sequence[Sequence[str]], what: str, name: str) -> np.ndarray:
    """Printed rows as numbers; CP2K prints stars for numbers too long for their columns."""
    try:
        return np.array([[float(text.replace("D", "E")) for text in row] for row in rows])
    except ValueError as error:
        raise CampaignError(
            f"{name} holds a {what} that is not a number ({error}), expected one; stars stand for a number too large "
            "for its column: remove the frame, whose geometry is probably unphysical."
        ) from None


def complaint(printed: str) -> str:
    """The text of CP2K's abort box, on one line and in parentheses; empty if there is none."""
    box = re.search(r"\[ABORT\](.*?)\n\s*\*{10,}", printed, re.DOTALL)
    lines = [line.strip(" *\\_/O|") for line in box[1].splitlines()] if box else []
    words = " ".join(line for line in lines if line)
    return f" ({words})" if words else ""


def version(printed: str) -> str:
    """The version of CP2K from its output, such as "2023.1"."""
    return _find(r"CP2K version (\S+)", printed, "version", "CP2K's output")[0]


def _find(pattern: str, printed: str, what: str, name: str) -> tuple[str, ...]:
    found = re.search(pattern, printed, re.DOTALL)
    if found is None:
        raise CampaignError(
            f"{name} holds no {what}: expected the output of a CP2K from 2023.1 to 2026; run such a version."
        )
    return found.groups()


def _last_step(printed: str) -> str:
    steps = re.findall(r"^\s+(\d+) Broy\S*\s.*?([\d.E+-]+)\s+-\d+\.\d+\s+\S+$", printed, re.MULTILINE)
    return f" (step {steps[-1][0]}, deviation {steps[-1][1]})" if steps else ""
