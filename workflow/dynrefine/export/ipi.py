"""Compute energies, forces and stresses for i-PI over its socket."""

import argparse
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

from dynrefine.campaign.numerics import numerics
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.errors import CampaignError
from dynrefine.export.calculator import DynrefineCalculator
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.ipi.protocol import Evaluation, Labels, connected, serve


def evaluation(calculator: DynrefineCalculator, atoms: Atoms) -> Evaluation:
    """The function that answers i-PI, for a whole batch of periodic structures at once, or for isolated ones in turn.

    Arguments:
        calculator: of the potential.
        atoms: in the same order as in i-PI.

    Raises:
        CampaignError: an element is not one of the potential, or, in an evaluation, the number of atoms is another.
    """
    species = calculator.species(atoms)

    def one_by_one(cells: np.ndarray, positions: np.ndarray) -> Labels:
        energies, forces = [], []
        for each in positions:
            atoms.positions[:] = each  # sets fixed atoms too, since i-PI moves them
            energies.append(calculator.get_potential_energy(atoms))
            forces.append(calculator.get_forces(atoms))
        return Labels(np.array(energies), np.stack(forces), np.zeros_like(cells))

    offset = float(calculator.offsets[species].sum())
    labels = (
        BeadForces(calculator.potential, species, NeighbourSettings(), offset)
        if atoms.pbc.all()
        else one_by_one
    )

    def of_these_atoms(cells: np.ndarray, positions: np.ndarray) -> Labels:
        if positions.shape[1] != len(atoms):
            raise CampaignError(
                f"i-PI moves {positions.shape[1]} atoms, expected {len(atoms)} as in the file of atoms: give the "
                "file that i-PI starts from."
            )
        return labels(cells, positions)

    return of_these_atoms


def main() -> None:
    """Read the command line and serve until i-PI ends."""
    parser = argparse.ArgumentParser(prog="python -m dynrefine.export.ipi", description=__doc__)
    parser.add_argument("potential", type=Path, help="exported potential")
    parser.add_argument(
        "atoms", type=Path, help="file with the atoms in the order of i-PI; the cell comes from i-PI"
    )
    parser.add_argument("--host", default="localhost", help="address in ffsocket")
    parser.add_argument("--port", type=int, help="port in ffsocket")
    parser.add_argument("--unix", help='address in ffsocket with mode="unix"')
    parser.add_argument("--precision", choices=["float32", "float64"], default="float64")
    parser.add_argument("--isolated", action="store_true", help="without periodic images")
    parser.add_argument("--wait", type=float, default=60.0, help="seconds to wait for i-PI")
    options = parser.parse_args()
    if (options.port is None) == (options.unix is None):
        parser.error("give either --port or --unix, as in ffsocket")
    atoms = read(options.atoms, index=0)
    assert isinstance(atoms, Atoms)
    atoms.pbc = not options.isolated
    with numerics(options.precision):
        evaluate = evaluation(DynrefineCalculator(options.potential, precision=options.precision), atoms)
        serve(connected(options.wait, options.host, options.port, options.unix), evaluate)


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
