"""Energies and forces of flexible water by OpenMM: python openmm_water.py > openmm_water.csv.

OpenMM is needed for nothing else, so that it is no requirement of the tests: pip install openmm==8.6.1.
"""

import math

import numpy as np
import openmm
from openmm import unit

CELL = (8.1, 8.4, 8.9)  # Å
CUTOFF, SWITCHING_WIDTH, ALPHA = 4.0, 1.0, 0.25  # Å, Å, 1/Å
KILOCALORIE, COULOMB = 4.184, 138.93545764438198  # kJ, kJ nm/(mol e²)
# sigma (Å), epsilon, charge, gamma, bond (Å, 1/Å²), anharmonicity (1/Å), angle (°), its constant; in kcal/mol
MODELS = {
    "spc_fw": (3.165492, 0.1554253, 0.41, 1.0, 1.012, 1059.162, 0.0, 113.24, 75.90),
    "q_tip4p_f": (3.1589, 0.1852, 0.5564, 0.73612, 0.9419, 2 * 116.09 * 2.287**2, 2.287, 107.4, 87.85),
}
# The last part of the cutoff is switched as by Brooks et al., J. Comput. Chem. 4, 187 (1983).
SWITCHED = """4*epsilon*((sigma/r)^12 - (sigma/r)^6)*select(step(r - start), falling, 1);
falling = (end^2 - r^2)^2*(end^2 + 2*r^2 - 3*start^2)/(end^2 - start^2)^3"""
# Within a molecule the bare 1/r is taken away from what the others feel, as LAMMPS does (pair style coul/dsf).
_DAMPING, _END = 10 * ALPHA, CUTOFF / 10
_AT_END = math.erfc(_DAMPING * _END) / _END
_SLOPE = (_AT_END + 2 * _DAMPING / math.sqrt(math.pi) * math.exp(-((_DAMPING * _END) ** 2))) / _END
SCREENED = f"(erfc({_DAMPING}*r) - 1)/r - {_AT_END} + {_SLOPE}*(r - {_END})"
DAMPED = f"{COULOMB}*q1*q2*(1/r + screened); screened = {SCREENED}"


def positions(seed=3):
    """Sixteen molecules of all lengths and angles on a shaken grid, 1e-5 Å."""
    generator = np.random.default_rng(seed)
    grid = np.array([(i, j, k) for k in range(2) for j in range(2) for i in range(2)])
    centres = np.concatenate([grid + 0.25, grid + 0.75]) / 2 * CELL
    found = []
    for centre in centres:
        along, helper = generator.normal(size=(2, 3))
        along /= np.linalg.norm(along)
        across = np.cross(along, helper)
        across /= np.linalg.norm(across)
        angle, lengths = math.radians(generator.normal(107.0, 6.0)), generator.normal(0.98, 0.04, 2)
        own = centre + generator.normal(0.0, 0.1, 3)
        found += [own, own + lengths[0] * along]
        found.append(own + lengths[1] * (math.cos(angle) * along + math.sin(angle) * across))
    return np.round(found, 5)


def evaluated(model, electrostatics, places):
    """Energy in kJ/mol and forces [N, 3] in kJ/(mol Å)."""
    sigma, epsilon, charge, gamma, length, constant, anharmonicity, angle, stiffness = MODELS[model]
    sigma, epsilon = sigma / 10, epsilon * KILOCALORIE
    molecules = len(places) // 3
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.diag(CELL) / 10))
    bonds = openmm.CustomBondForce(
        f"{constant * KILOCALORIE * 100}/2*d^2*(1 - {anharmonicity * 10}*d + 7/12*({anharmonicity * 10}*d)^2);"
        f"d = r - {length / 10}"
    )
    angles = openmm.HarmonicAngleForce()
    within = openmm.CustomBondForce(f"{COULOMB}*product*screened; screened = {SCREENED}")
    within.addPerBondParameter("product")
    oxygens = openmm.CustomNonbondedForce(SWITCHED)
    damped = openmm.CustomNonbondedForce(DAMPED)
    damped.addPerParticleParameter("q")
    ewald = openmm.NonbondedForce()
    for name, value in (
        ("sigma", sigma),
        ("epsilon", epsilon),
        ("start", (CUTOFF - SWITCHING_WIDTH) / 10),
        ("end", CUTOFF / 10),
    ):
        oxygens.addGlobalParameter(name, value)
    for force in (oxygens, damped):
        force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    ewald.setNonbondedMethod(openmm.NonbondedForce.Ewald)
    ewald.setEwaldErrorTolerance(1e-9)
    ewald.setUseDispersionCorrection(False)
    for force in (oxygens, damped, ewald):
        force.setCutoffDistance(CUTOFF / 10)
    for molecule in range(molecules):
        oxygen = 4 * molecule
        for mass in (15.999, 1.008, 1.008, 0.0):
            system.addParticle(mass)
        share = (1 - gamma) / 2
        site = openmm.ThreeParticleAverageSite(oxygen, oxygen + 1, oxygen + 2, gamma, share, share)
        system.setVirtualSite(oxygen + 3, site)
        for hydrogen in (1, 2):
            bonds.addBond(oxygen, oxygen + hydrogen)
        angles.addAngle(oxygen + 1, oxygen, oxygen + 2, math.radians(angle), stiffness * KILOCALORIE)
        charges = (0.0, charge, charge, -2 * charge)
        for index, own in enumerate(charges):
            damped.addParticle([own])
            oxygens.addParticle([])
            ewald.addParticle(own, sigma, epsilon if index == 0 else 0.0)
            for other in range(index):
                pair = oxygen + other, oxygen + index
                oxygens.addExclusion(*pair)
                damped.addExclusion(*pair)
                ewald.addException(*pair, 0.0, 1.0, 0.0)
                if own * charges[other]:
                    within.addBond(*pair, [own * charges[other]])
    oxygens.addInteractionGroup(range(0, 4 * molecules, 4), range(0, 4 * molecules, 4))
    forces = {"damped_shifted_force": (oxygens, damped, within), "ewald": (ewald,)}[electrostatics]
    for force in (bonds, angles, *forces):
        system.addForce(force)
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    sites = np.insert(places, range(3, len(places) + 1, 3), 0.0, axis=0) / 10
    context.setPositions(sites)
    context.computeVirtualSites()
    state = context.getState(getEnergy=True, getForces=True)
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    found = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.angstrom)
    if electrostatics == "damped_shifted_force":
        own = -2 * _DAMPING / math.sqrt(math.pi) - _AT_END - _SLOPE * _END
        energy += 0.5 * COULOMB * own * 6 * charge**2 * molecules
    return energy, np.delete(found, range(3, len(found), 4), axis=0)


def main():
    """Print the table."""
    places = positions()
    cases = [(model, kind) for model in MODELS for kind in ("damped_shifted_force", "ewald")]
    results = {case: evaluated(*case, places) for case in cases}
    print(f"""\
# Flexible water by OpenMM {openmm.__version__}, platform Reference: {len(places) // 3} molecules in a cell of
# {CELL} Å, cutoff {CUTOFF} Å. damped_shifted_force: damping {ALPHA} 1/Å, Lennard-Jones switched over
# the last {SWITCHING_WIDTH} Å; ewald: Lennard-Jones truncated. No tail is added.
# Positions in Å, forces in kJ/(mol Å), energies in kJ/mol:""")
    for (model, kind), (energy, _) in results.items():
        print(f"# {model} {kind} {energy:.9f}")
    columns = [f"{model} {kind} {axis}" for model, kind in cases for axis in "xyz"]
    print(",".join(["symbol", "x", "y", "z", *columns]))
    for index, place in enumerate(places):
        found = [f"{value:.8f}" for _, forces in results.values() for value in forces[index]]
        print(",".join(["OHH"[index % 3], *(f"{value:.5f}" for value in place), *found]))


if __name__ == "__main__":
    main()
