"""Whether the steps of a refinement were too long: the slope of the objective along each, where it begins and ends.

    python benchmarks/step_slopes.py config/water.yaml

Both are from the gradients of their iterations, without the anchor, with standard errors, times the step: what the
objective would change by along all of it, by surface that moved. A step that ends where the slope has turned round
was too long; the last column is the part of it after which a parabola through both slopes is lowest.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from recorded import gradients_of_chunks, potential_in

from dynrefine.config import load_config
from dynrefine.config.base import TrainableSettings
from dynrefine.config.load import read_together
from dynrefine.config.model import Config
from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.models import Model, flat_parameters, read_model
from dynrefine.refinement.total_gradient import gather_gradient, surface_scales
from dynrefine.statistics import shortened


def parameters(potential: Model) -> np.ndarray:
    """All of them [P]."""
    return np.asarray(flat_parameters(potential.parameters["trainable"])[0], float)


def along(chunk: ChunkGradient, step: np.ndarray, outlier_limit: float) -> ChunkGradient:
    """What the starting points of a chunk contribute to the slope along a step."""
    column = step[:, None]
    followed = shortened(chunk.trajectory.astype(float), chunk.trajectory_weights, outlier_limit)
    return replace(
        chunk,
        trajectory=followed @ column,
        ensemble=chunk.ensemble @ column,
        mean_energy_gradient=chunk.mean_energy_gradient @ column,
    )


def slope(
    states: Sequence[Sequence[ChunkGradient]], step: np.ndarray, outlier_limit: float
) -> tuple[float, float]:
    """Of the objective along a step, by the gradients of an iteration, and its standard error."""
    own = [[along(chunk, step, outlier_limit) for chunk in chunks] for chunks in states]
    found = gather_gradient(own, np.zeros(1), np.ones(1), np.inf).uncertain
    return float(found.value[0]), float(found.error[0])


def measured(campaign: Config) -> pd.DataFrame:
    """Read the files of a campaign; the table."""
    results, outlier_limit = Path("results", campaign.campaign.name), campaign.optimiser.outlier_limit
    recorded = gradients_of_chunks(results)
    rows = []
    for (before, begin), (_, end) in pairwise(pairwise([results / "pretraining", *recorded])):
        old, new = (read_model(potential_in(folder)) for folder in (before, begin))
        for surface in ("potential", *campaign.optimiser.surfaces):
            moved = surface_scales(old, surface, TrainableSettings())
            step = moved * (parameters(new) - parameters(old))
            slopes = [slope(recorded[iteration], step, outlier_limit) for iteration in (begin, end)]
            (first, _), (last, _) = slopes
            rows.append((begin.name, surface, *slopes[0], *slopes[1], first / (first - last)))
    columns = ["step", "surface", "begin", "begin_error", "end", "end_error", "lowest_after"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("configuration", nargs="+", type=Path, help="later files stand on top")
    campaign = load_config(read_together(parser.parse_args().configuration))
    print(measured(campaign).to_csv(index=False, float_format="%.3g"))


if __name__ == "__main__":
    main()
