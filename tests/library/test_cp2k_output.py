"""What CP2K prints: up to 2023 and from 2024 on the same labels; numbers that are none are told."""

import re
from pathlib import Path

import numpy as np
import pytest

from dynrefine.errors import CampaignError
from dynrefine.labelling.cp2k_output import parse_output

PRINTED = Path(__file__).with_name("cp2k_water_pair.out").read_text()
NUMBER = r"(-?\d+\.\d+)"


def as_of_2025(printed):
    """The same output with energy and forces as CP2K prints them from 2024 on."""
    printed = re.sub(r"energy \[a\.u\.\]:", "energy [hartree]", printed)
    before, block, after = re.split(
        r"(ATOMIC FORCES in \[a\.u\.\].*?SUM OF ATOMIC FORCES[^\n]*\n)", printed, flags=re.S
    )
    rows = re.findall(rf"^\s+(\d+)\s+\d+\s+\w+\s+{NUMBER}\s+{NUMBER}\s+{NUMBER}\s*$", block, re.MULTILINE)
    lines = ["FORCES| Atomic forces [hartree/bohr]", " FORCES|   Atom     x       y       z       |f|"]
    for number, *force in rows:
        x, y, z = map(float, force)
        size = float(np.linalg.norm([x, y, z]))
        lines.append(f" FORCES| {number:>6} {x:.8E} {y:.8E} {z:.8E} {size:.8E}")
    lines += [" FORCES|    Sum  0.0E+00 0.0E+00 0.0E+00 0.0E+00", " FORCES| Total atomic force 0.0", ""]
    return f"{before}{chr(10).join(lines)}{after}"


def test_the_output_of_later_versions_holds_the_same_labels():
    printed = as_of_2025(PRINTED)
    assert "ATOMIC FORCES in" not in printed
    assert "[hartree]  " in printed
    found, expected = parse_output(printed, atoms=6), parse_output(PRINTED, atoms=6)
    for label, value in expected.items():
        np.testing.assert_allclose(found[label], value, rtol=0, atol=1e-6, err_msg=label)


@pytest.mark.parametrize("unit", ["MPa", "kbar", "bar"])
def test_stresses_are_read_in_the_unit_that_is_printed(unit):
    factor = {"MPa": 1e3, "kbar": 10.0, "bar": 1e4}[unit]
    before, block, after = re.split(
        r"(STRESS\| Analytical stress tensor \[GPa\].*?1/3 Trace)", PRINTED, flags=re.S
    )[:3]
    block = block.replace("[GPa]", f"[{unit}]")
    block = re.sub(r"-?\d\.\d+E[-+]\d+", lambda found: f"{factor * float(found[0]):.11E}", block)
    np.testing.assert_allclose(
        parse_output(before + block + after)["stress"], parse_output(PRINTED)["stress"], rtol=1e-9
    )


@pytest.mark.parametrize("change", [lambda text: text, as_of_2025], ids=["2023", "2025"])
def test_stars_and_another_number_of_atoms_are_told(change):
    printed = change(PRINTED)
    mark = "FORCES|      2" if "FORCES|" in printed else "ATOMIC FORCES"
    start = printed.index(mark)
    first = re.compile(r"-?\d+\.\d+(E[-+]\d+)?").search(printed, start)
    stars = printed[: first.start()] + "*" * len(first[0]) + printed[first.end() :]
    with pytest.raises(
        CampaignError, match=r"label\.out holds a force that is not a number .*remove the frame"
    ):
        parse_output(stars, "label.out", 6)
    with pytest.raises(CampaignError, match=r"label\.out holds forces on 6 atoms, expected 9"):
        parse_output(printed, "label.out", 9)
