"""How the dipole of a cell changes as a hydrogen moves along its bond: surfaces beside CP2K.

python benchmarks/dipole_derivatives.py workflow/data/water16/frames.extxyz 40 workflow/data/water64/dipole.npz ...

Of one frame, the hydrogens of the shortest, the middle and the longest two hydrogen bonds. Derivatives are central
differences, in e, by the Berry phase of CP2K at 400 Ry, two runs of a minute each.
"""

import argparse
from functools import partial
from tempfile import TemporaryDirectory

import jax.numpy as jnp
import numpy as np
import pandas as pd
from ase import Atoms
from ase.geometry import find_mic

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.config.data import WATER, CP2KSettings
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.datasets.conventions import formal_charges
from dynrefine.datasets.reading import read_frames
from dynrefine.dynamics.force_field import force_field
from dynrefine.files.models import Model, read_model
from dynrefine.labelling.cp2k import CP2K

STEP = 0.03  # Å
CHARGES = {element.symbol: element.charge for element in WATER}


def hydrogen_bonds(frame: Atoms) -> list[tuple[float, int, np.ndarray]]:
    """The distance of each hydrogen from the second oxygen, its index and the direction of its bond, sorted."""
    oxygens = np.flatnonzero(frame.numbers == 8)
    found = []
    for hydrogen in np.flatnonzero(frame.numbers == 1):
        vectors, distances = find_mic(
            frame.positions[hydrogen] - frame.positions[oxygens], frame.cell, frame.pbc
        )
        bond, other = np.argsort(distances)[:2]
        found.append((distances[other], int(hydrogen), vectors[bond] / distances[bond]))
    return sorted(found, key=lambda each: each[0])


def dipole_of(surface: Model, frame: Atoms) -> np.ndarray:
    """The dipole by a surface, e Å."""
    lists = NeighbourSettings(neighbour_skin=0.1, neighbour_capacity=400, rebuild_interval=1)
    field = force_field(surface.architecture, frame.cell.array[None], len(frame), lists)
    positions, cell = jnp.asarray(frame.positions), jnp.asarray(frame.cell.array)
    species = jnp.asarray(np.where(frame.numbers == 8, 0, 1))
    own = surface.architecture.local_dipoles(
        surface.parameters, species, positions, cell, field.neighbours(positions, cell)
    )
    return np.asarray(own).sum(axis=0) + formal_charges(frame, CHARGES) @ frame.positions


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("frames")
    parser.add_argument("number", type=int)
    parser.add_argument("surfaces", nargs="+")
    arguments = parser.parse_args()
    configure_numerics("float64")
    frame = read_frames(arguments.frames)[arguments.number]
    surfaces = {path: read_model(path).cast(jnp.float64) for path in arguments.surfaces}
    sources = {path: partial(dipole_of, own) for path, own in surfaces.items()}

    with TemporaryDirectory() as folder:
        engine = CP2K(CP2KSettings(cutoff=400.0, relative_cutoff=40.0), "cp2k.psmp", folder)

        def labelled(atoms: Atoms) -> np.ndarray:
            engine.calculate(atoms)
            return engine.results["dipole"]

        bonds = hydrogen_bonds(frame)
        rows = []
        for distance, hydrogen, direction in (bonds[0], bonds[len(bonds) // 2], bonds[-1], bonds[-2]):
            row = {"hydrogen bond (Å)": round(float(distance), 2)}
            for name, dipole in ({"CP2K": labelled} | sources).items():
                ends = []
                for sign in (1.0, -1.0):
                    moved = frame.copy()
                    moved.positions[hydrogen] += sign * STEP * direction
                    ends.append(dipole(moved))
                change, _ = find_mic(ends[0] - ends[1], frame.cell, frame.pbc)
                row[name] = round(float(change @ direction) / (2.0 * STEP), 3)
            rows.append(row)
    print(pd.DataFrame(rows).to_csv(index=False))


if __name__ == "__main__":
    main()
