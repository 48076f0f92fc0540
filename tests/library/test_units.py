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
        ("PERMITTIVITY", REFERENCE._eps0 / REFERENCE._e * 1e-10),
        ("SPEED_OF_LIGHT", REFERENCE._c),
        ("VISCOSITY", 1e3 * REFERENCE._e * 1e-15 / 1e-30),
        ("CONDUCTIVITY", REFERENCE._e / (1e-15 * 1e-10)),
        ("PHOTON", REFERENCE.invcm),
        ("HARTREE", REFERENCE.Hartree),
        ("BOHR", REFERENCE.Bohr),
        ("AVOGADRO", REFERENCE._Nav),
        ("KILOJOULE_PER_MOLE", REFERENCE.kJ / REFERENCE.mol),
        ("COULOMB", REFERENCE.Hartree * REFERENCE.Bohr),
    ],
)
def test_conversions_agree_with_those_of_ase(name, expected):
    # Constants are written with nine digits or more.
    assert getattr(units, name) == pytest.approx(expected, rel=2e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BOLTZMANN", 1.380649e-23 / 1.602176634e-19),
        ("ELECTRONVOLT", 1.602176634e-19),
        ("AVOGADRO", 6.02214076e23),
        ("ATOMIC_MASS", 1.66053906660e-27),
        ("ELEMENTARY_CHARGE", 1.602176634e-19),
        ("VACUUM_PERMITTIVITY", 8.8541878128e-12),
        ("PERMITTIVITY", 5.526349358e-3),  # ε0/e, 1e10 Å to the metre
        ("SPEED_OF_LIGHT", 299792458.0),
        ("HARTREE", 27.211386245988),
        ("BOHR", 0.529177210903),
        # Worked out by hand from these and the elementary charge, to nine digits or more.
        ("ACCELERATION", 9.64853321e-3),  # e/u in C/kg is 9.64853321e7
        ("KINETIC", 103.6426966),
        ("BAR", 6.24150907e-7),
        ("GRAM_PER_CUBIC_CENTIMETRE", 0.602214076),
        ("KILOJOULE_PER_MOLE", 1.036426966e-2),
        ("COULOMB", 14.3996454785),
        ("DEBYE", 0.2081943327),
        ("DIFFUSION", 1e4),
        ("VISCOSITY", 0.1602176634),
        ("CONDUCTIVITY", 1.602176634e6),
        ("PHOTON", 1.239841984e-4),
        ("WAVENUMBER", 1.88365157e-4),
    ],
)
def test_constants_are_those_of_codata_2018(name, expected):
    # The molar mass constant is 1 g/mol to 3e-10 only.
    assert getattr(units, name) == pytest.approx(expected, rel=4e-9)


def test_every_constant_is_compared():
    compared = {
        name for mark in test_constants_are_those_of_codata_2018.pytestmark for name, _ in mark.args[1]
    }
    assert compared == {name for name in vars(units) if name.isupper()}


def test_the_well_of_argon_is_as_deep_as_its_temperature_says():
    # 0.998 kJ/mol is 120 K.
    kelvin = 0.998 * units.KILOJOULE_PER_MOLE / units.BOLTZMANN
    assert kelvin == pytest.approx(120.0, rel=1e-3)


def test_a_diffusion_coefficient_of_one_in_internal_units():
    assert pytest.approx((1e-10) ** 2 / 1e-15 / 1e-9) == units.DIFFUSION


def test_water_weighs_what_it_should():
    # One molecule of 18.015 u in 29.89 Å³ is 1.0008 g/cm³: with numbers looked up by hand, so to four digits.
    density = 18.015 / 29.89 / units.GRAM_PER_CUBIC_CENTIMETRE
    assert density == pytest.approx(1.0008, rel=1e-4)
