"""Write a potential, with surfaces beside it, as one file for ASE, i-PI and programs that run StableHLO."""

import argparse
import logging
import sys
from pathlib import Path

import jax.numpy as jnp

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.errors import CampaignError
from dynrefine.export.potential_file import read_surfaces, write_exported
from dynrefine.files.models import read_model


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
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write, .npz")
    options = parser.parse_args()
    configure_numerics("float64")
    surfaces = read_surfaces(options.potential)
    surfaces |= {path.stem: read_model(path) for path in options.surface}
    dtype = jnp.dtype(options.precision or surfaces["potential"].dtype)
    write_exported(options.output, {name: model.cast(dtype) for name, model in surfaces.items()})


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
