"""How the dipole of a cell changes as a hydrogen moves along its bond: surfaces beside CP2K.

python benchmarks/dipole_derivatives.py workflow/data/water16/frames.extxyz 40 workflow/data/water64/dipole.npz ...

Of one frame, the hydrogens of the shortest, the middle and the longest two hydrogen bonds. Derivatives are central
differences, in e, by the Berry phase of CP2K at 400 Ry, two runs of a minute each.
"""

import argparse
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory

import jax.numpy as jnp
import numpy as np
import pandas as pd
from ase import Atoms
from ase.geometry import find_mic

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.config.data import WATER
from dynrefine.config.labelling import CP2KSettings
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.models import Model, read_model
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.labelling.cp2k import CP2K

STEP = 0.03  # Å
SYMBOLS = [element.symbol for element in WATER]


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
    own = surface.architecture
    data = with_neighbours(to_arrays([frame], SYMBOLS), own.cutoff, surface.dtype)
    return np.asarray(data.evaluate(partial(own.dipole, surface.parameters))[0])


def derivative(
    dipole: Callable[[Atoms], np.ndarray], frame: Atoms, atom: int, direction: np.ndarray
) -> float:
    """Of the dipole's component along the direction in which an atom moves, e."""
    ends = []
    for sign in (1.0, -1.0):
        moved = frame.copy()
        moved.positions[atom] += sign * STEP * direction
        ends.append(dipole(moved))
    change, _ = find_mic(ends[0] - ends[1], frame.cell, frame.pbc)
    return float(change @ direction) / (2.0 * STEP)


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
        bonds = hydrogen_bonds(frame)
        rows = []
        for distance, hydrogen, direction in (bonds[0], bonds[len(bonds) // 2], bonds[-1], bonds[-2]):
            row = {"hydrogen bond (Å)": round(float(distance), 2)}
            for name, dipole in ({"CP2K": engine.get_dipole_moment} | sources).items():
                row[name] = round(derivative(dipole, frame, hydrogen, direction), 3)
            rows.append(row)
    print(pd.DataFrame(rows).to_csv(index=False))


if __name__ == "__main__":
    main()
