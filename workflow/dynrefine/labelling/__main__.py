"""Choose geometries to label from the starting points of a campaign: those where potentials disagree most."""

import argparse
import sys
from pathlib import Path

import numpy as np

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.datasets.arrays import from_arrays
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import common_symbols, read_surfaces
from dynrefine.labelling.choosing import disagreement, most_uncertain, starting_points


def main() -> None:
    """Read the command line, write the geometries, and print how much the potentials disagree."""
    parser = argparse.ArgumentParser(prog="python -m dynrefine.labelling", description=__doc__)
    parser.add_argument("ensembles", nargs="+", help="files of starting points: ensemble_*.npz")
    parser.add_argument(
        "--potentials",
        nargs="+",
        required=True,
        help="two or more, trained with different seeds or on different frames: potential.npz",
    )
    parser.add_argument("--count", type=int, required=True, help="geometries to choose, at most")
    parser.add_argument(
        "--series", default="uncertain", help="begins their sources: uncertain_0, uncertain_1, ..."
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="extended XYZ file to write")
    options = parser.parse_args()
    if len(options.potentials) < 2:
        parser.error("--potentials names one file, expected two or more, whose forces are compared")
    if options.count < 1:
        parser.error(f"--count is {options.count}, expected 1 or more")
    configure_numerics("float64")
    potentials = {path: read_surfaces(path)["potential"] for path in options.potentials}
    symbols = common_symbols(potentials)
    points = starting_points({path: load_ensemble(path) for path in options.ensembles})
    apart = disagreement(list(potentials.values()), points)
    chosen = most_uncertain(apart, options.count)
    write_frames(options.output, from_arrays(points[chosen], symbols, options.series))
    print(
        f"{len(chosen)} of {len(points)} starting points, where the forces of {len(potentials)} potentials differ by "
        f"{apart[chosen].min():.2f} to {apart.max():.2f} eV/Å; the median of all is {np.median(apart):.2f} eV/Å."
    )


if __name__ == "__main__":
    try:
        main()
    except CampaignError as error:
        sys.exit(f"error: {error}")
