"""Whether a potential keeps its energy and its molecules: long dynamics in ASE, without a thermostat or at 1 bar.

    python benchmarks/stability.py results/water/export/refined.npz frame.extxyz --ensemble nve npt --length 100

Begins at the temperature after a short Langevin run from the frame. Prints for each run the drift of the conserved
energy, the temperature, the density, and the longest distance of an atom of hydrogen from the nearest one of oxygen.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from dynrefine.ase import DynrefineCalculator
from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.datasets.reading import read_frames
from dynrefine.units import GRAM_PER_CUBIC_CENTIMETRE

RECORDS = 1000  # of a run
KELVIN = 1e3 * units.kB  # meV/K


def nve(atoms: Atoms, timestep: float, temperature: float) -> tuple[MolecularDynamics, Callable[[], float]]:
    """Constant energy, which is what is conserved, eV; timestep in fs."""
    return VelocityVerlet(atoms, timestep * units.fs), atoms.get_total_energy


def npt(atoms: Atoms, timestep: float, temperature: float) -> tuple[MolecularDynamics, Callable[[], float]]:
    """1 bar by Martyna, Tobias and Klein: the energy with that of thermostats and barostat is conserved, eV."""
    dynamics = IsotropicMTKNPT(
        atoms,
        timestep * units.fs,
        temperature_K=temperature,
        pressure_au=units.bar,
        tdamp=100 * units.fs,
        pdamp=1000 * units.fs,
    )
    return dynamics, dynamics.get_conserved_energy


ENSEMBLES = {"nve": nve, "npt": npt}


def longest_bond(atoms: Atoms) -> float:
    """The longest distance of a hydrogen from its nearest oxygen, Å."""
    oxygen = [atom.index for atom in atoms if atom.symbol == "O"]
    hydrogens = [atom.index for atom in atoms if atom.symbol == "H"]
    return max(float(atoms.get_distances(index, oxygen, mic=True).min()) for index in hydrogens)


def followed(
    dynamics: MolecularDynamics, conserved: Callable[[], float], steps: int
) -> dict[str, np.ndarray]:
    """Records of a run by their names."""
    records = []
    for _ in range(RECORDS):
        dynamics.run(steps // RECORDS)
        atoms = dynamics.atoms
        density = atoms.get_masses().sum() / atoms.get_volume() / GRAM_PER_CUBIC_CENTIMETRE
        records.append((conserved(), atoms.get_temperature(), density, longest_bond(atoms)))
    return dict(zip(("energy", "temperature", "density", "bond"), np.array(records).T, strict=True))


def described(name: str, found: dict[str, np.ndarray], length: float, atoms: int) -> str:
    """One line of a run of so many ps."""
    times = np.linspace(0.0, length, RECORDS)
    energies = 1e3 * found["energy"] / atoms
    line = np.polyfit(times, energies, 1)
    drift, scatter = line[0], np.std(energies - np.polyval(line, times))
    later = slice(RECORDS // 5, None)
    return (
        f"{name}: {length:g} ps, drift {drift:.2e} meV/atom/ps ({drift * length / KELVIN:.2f} K in all), scatter "
        f"{scatter:.2e} meV/atom, temperature {found['temperature'].mean():.1f} K, density "
        f"{found['density'][later].mean():.4f} g/cm³, longest O-H {found['bond'].max():.2f} Å"
    )


def main() -> None:
    """Read the command line, run what is asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("potential", type=Path, help="exported potential")
    parser.add_argument("frame", type=Path, help="file whose first frame is where it begins")
    parser.add_argument("--ensemble", nargs="+", choices=list(ENSEMBLES), default=list(ENSEMBLES))
    parser.add_argument("--temperature", type=float, default=298.15, help="K")
    parser.add_argument("--timestep", type=float, default=0.5, help="fs")
    parser.add_argument("--length", type=float, default=100.0, help="ps")
    parser.add_argument("--precision", choices=["float32", "float64"], default="float64")
    options = parser.parse_args()
    configure_jax("float64", threads=1)
    for name in options.ensemble:
        atoms = read_frames(options.frame)[0]
        atoms.calc = DynrefineCalculator(options.potential, precision=options.precision)
        generator = np.random.default_rng(1)
        MaxwellBoltzmannDistribution(atoms, temperature_K=options.temperature, rng=generator)
        timestep = options.timestep * units.fs
        warmed = Langevin(
            atoms,
            timestep,
            temperature_K=options.temperature,
            friction=0.01 / units.fs,
            rng=generator,
            fixcm=False,
        )
        warmed.run(round(2000 / options.timestep))
        dynamics, conserved = ENSEMBLES[name](atoms, options.timestep, options.temperature)
        steps = round(1000 * options.length / options.timestep)
        found = followed(dynamics, conserved, steps)
        print(described(name, found, options.length, len(atoms)), flush=True)


if __name__ == "__main__":
    main()
