"""Physical constants (CODATA 2018), and conversions between internal units and those of the field.

Internal units: Å, fs, eV, u, e, K. Factors for products of these that are not internal units themselves have names.
"""

import math

BOLTZMANN = 8.617333262e-5  # eV/K
ELECTRONVOLT = 1.602176634e-19  # J
AVOGADRO = 6.02214076e23  # 1/mol
ATOMIC_MASS = 1.66053906660e-27  # kg
ELEMENTARY_CHARGE = 1.602176634e-19  # C
VACUUM_PERMITTIVITY = 8.8541878128e-12  # F/m
SPEED_OF_LIGHT = 299792458.0  # m/s
HARTREE = 27.211386245988  # eV
BOHR = 0.529177210903  # Å

ACCELERATION = ELECTRONVOLT / ATOMIC_MASS * 1e-10  # (eV/Å/u) in Å/fs²
KINETIC = 1.0 / ACCELERATION  # (u Å²/fs²) in eV
BAR = 1e5 * 1e-30 / ELECTRONVOLT  # bar in eV/Å³
GRAM_PER_CUBIC_CENTIMETRE = 1e-27 / ATOMIC_MASS  # g/cm³ in u/Å³
KILOJOULE_PER_MOLE = 1e3 / AVOGADRO / ELECTRONVOLT  # kJ/mol in eV
COULOMB = ELEMENTARY_CHARGE / (4.0 * math.pi * VACUUM_PERMITTIVITY) * 1e10  # e²/(4π ε₀) in eV Å
DEBYE = 1e-21 / SPEED_OF_LIGHT / ELEMENTARY_CHARGE * 1e10  # D in e Å
PERMITTIVITY = VACUUM_PERMITTIVITY / ELEMENTARY_CHARGE * 1e-10  # ε0 in e²/(eV Å)
DIFFUSION = 1e4  # Å²/fs in 1e-9 m²/s
VISCOSITY = ELECTRONVOLT * 1e18  # eV fs/Å³ in mPa s
CONDUCTIVITY = ELEMENTARY_CHARGE**2 / ELECTRONVOLT * 1e25  # e²/(eV fs Å) in S/m
PHOTON = 6.62607015e-34 * SPEED_OF_LIGHT * 100.0 / ELECTRONVOLT  # energy at 1 cm⁻¹ in eV
WAVENUMBER = 2.0 * math.pi * SPEED_OF_LIGHT * 1e-13  # cm⁻¹ in rad/fs
