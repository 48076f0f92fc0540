"""Constants and conversions against those of ASE (CODATA 2018), made from its own set of units."""

import math

import ase.units
import pytest

from dynrefine import units

REFERENCE = ase.units.create_units("2018")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BOLTZMANN", REFERENCE.kB),
        ("ACCELERATION", REFERENCE.fs**2),
        ("KINETIC", 1 / REFERENCE.fs**2),
        ("BAR", REFERENCE.bar),
        ("GRAM_PER_CUBIC_CENTIMETRE", 1e-3 * REFERENCE.kg / (1e8 * REFERENCE.Ang) ** 3),
        ("DEBYE", REFERENCE.Debye),
        ("WAVENUMBER", 2 * math.pi * 1e-15 * REFERENCE.invcm * REFERENCE._e / REFERENCE._hplanck),
        ("ELECTRONVOLT", REFERENCE._e),
        ("ELEMENTARY_CHARGE", REFERENCE._e),
        ("ATOMIC_MASS", REFERENCE._amu),
        ("VACUUM_PERMITTIVITY", REFERENCE._eps0),
        ("SPEED_OF_LIGHT", REFERENCE._c),
    ],
)
def test_conversions_agree_with_those_of_ase(name, expected):
    # Constants are written with nine digits or more.
    assert getattr(units, name) == pytest.approx(expected, rel=2e-9)


def test_a_diffusion_coefficient_of_one_in_internal_units():
    assert pytest.approx((1e-10) ** 2 / 1e-15 / 1e-9) == units.DIFFUSION


def test_water_weighs_what_it_should():
    # One molecule of 18.015 u in 29.89 Å³ is 1.0008 g/cm³: with numbers looked up by hand, so to four digits.
    density = 18.015 / 29.89 / units.GRAM_PER_CUBIC_CENTIMETRE
    assert density == pytest.approx(1.0008, rel=1e-4)
