"""Write a potential, with any further surfaces, as one file for ASE, i-PI and programs that run StableHLO.

If the output ends in .json, write a bundle for LAMMPS; if it ends in .nqx, a network for the package nequix.
"""

import argparse
import logging
import sys
from pathlib import Path

import jax.numpy as jnp

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.errors import CampaignError
from dynrefine.export.lammps import Room, write_bundle
from dynrefine.export.nequix_file import write_network
from dynrefine.export.potential_file import write_exported
from dynrefine.files.models import read_model, read_surfaces


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(prog="python -m dynrefine.export", description=__doc__)
    parser.add_argument(
        "potential", type=Path, help="updated_potential.npz of an iteration, or an exported file"
    )
    parser.add_argument(
        "--surface",
        type=Path,
        nargs="+",
        default=[],
        help="further surfaces, named after their files: dipole.npz",
    )
    parser.add_argument("--precision", choices=["float32", "float64"], help="default: that of the file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write: .npz, .json or .nqx")
    lammps = parser.add_argument_group("for LAMMPS, whose arrays have fixed sizes")
    lammps.add_argument("--atoms", type=int, help="room for atoms of a process, periodic copies included")
    lammps.add_argument("--neighbours", type=int, help="room for neighbours of each atom, skin included")
    lammps.add_argument("--platform", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    if options.surface and options.output.suffix in (".json", ".nqx"):
        parser.error(
            f"a {options.output.suffix} file holds the potential alone: leave out --surface, or write an .npz file"
        )
    configure_numerics("float64")
    surfaces = read_surfaces(options.potential)
    surfaces |= {path.stem: read_model(path) for path in options.surface}
    dtype = jnp.dtype(options.precision or surfaces["potential"].dtype)
    surfaces = {name: model.cast(dtype) for name, model in surfaces.items()}
    if options.output.suffix == ".nqx":
        write_network(options.output, surfaces["potential"])
    elif options.output.suffix != ".json":
        write_exported(options.output, surfaces)
    elif options.atoms is None or options.neighbours is None:
        parser.error("a bundle for LAMMPS needs --atoms and --neighbours")
    else:
        room = Room(options.atoms, options.neighbours)
        write_bundle(options.output, surfaces["potential"], room, options.platform)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
