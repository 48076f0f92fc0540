"""How far steps along the gradient of one iteration go, by the gradient of the next, whose noise is its own.

    python benchmarks/step_directions.py config/water.yaml --damping 0.001 0.01 0.1 1

For a finished refinement with the natural gradient. A step of 1 meV/Å, measured on ab initio test frames that gave no
probe of the metric, lowers the objective by so much: means over neighbouring iterations and their standard errors, by
the damping of the metric and by what the step follows: the whole gradient, its trajectory part alone, or both parts,
each shrunk by its own error. Beside it, what a step is long on the test frames that the metric takes for 1 meV/Å.
"""

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from recorded import gradients_of_chunks, potential_in

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.config import load_config
from dynrefine.config.model import Config
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import read_arrays
from dynrefine.files.models import Model, load_model, read_model
from dynrefine.refinement.force_metric import unlabelled
from dynrefine.refinement.natural_gradient import Metric, Rows, damped
from dynrefine.refinement.total_gradient import Gradient, gather_gradient, refined_parameters
from dynrefine.statistics import standard_error
from dynrefine.training.potential import predictions

FOLLOWED: dict[str, Callable[[Gradient], np.ndarray]] = {
    "whole": lambda own: own.uncertain.value,
    "trajectory part": lambda own: own.trajectory.value,
    "parts shrunk apart": lambda own: (
        own.trajectory.resolved * own.trajectory.value + own.ensemble.resolved * own.ensemble.value
    ),
}
FRAMES = 12  # of the test set


def gradients(results: Path, refined: np.ndarray, outlier_limit: float) -> list[Gradient]:
    """Of all iterations by the parameters with these numbers, without the anchor."""
    nothing, ones = np.zeros(len(refined)), np.ones(len(refined))
    return [
        gather_gradient(states, nothing, ones, outlier_limit)
        for states in gradients_of_chunks(results, refined).values()
    ]


def lengths_on(potential: Model, path: Path, symbols: list[str]) -> Callable[[np.ndarray], float]:
    """The root mean square change of the forces on the frames of a file by a change of the parameters, eV/Å."""
    frames = to_arrays(read_frames(path)[:FRAMES], symbols)
    data = unlabelled(potential, frames, jnp.float32)

    @jax.jit
    def forces(change: jax.Array) -> jax.Array:
        return predictions(potential.architecture, potential.moved(change).parameters, data)[1]

    unmoved = forces(0.0)

    def length(change: np.ndarray) -> float:
        moved = forces(jnp.asarray(change, jnp.float32)) - unmoved
        return float(jnp.sqrt(jnp.mean(moved**2)))

    return length


def rows(
    found: list[Gradient], metric: Metric, dampings: list[float], length: Callable[[np.ndarray], float]
) -> pd.DataFrame:
    """The table."""
    entries = []
    for damping in dampings:
        inverse = damped(metric, damping, found[0].anchor.size)
        for name, followed in FOLLOWED.items():
            slopes, ratios = [], []
            for own, following in pairwise(found):
                vector = followed(own)
                step = -inverse(vector)
                step *= 1e-3 / np.sqrt(-vector @ step)
                true = length(step) / 1e-3
                slopes.append(-step @ following.uncertain.value / true)
                ratios.append(true)
            entries.append(
                (damping, name, np.mean(slopes), standard_error(np.array(slopes)), np.mean(ratios))
            )
    columns = ["damping", "followed", "gain per meV/Å", "standard error", "length on test frames"]
    return pd.DataFrame(entries, columns=columns)


def measured(campaign: Config, dampings: list[float]) -> pd.DataFrame:
    """Read the files of a campaign; the table."""
    results = Path("results", campaign.campaign.name)
    potential = load_model(results / "pretraining/potential.npz", campaign.potential, campaign.elements)
    probes = read_arrays(results / "pretraining/force_metric.npz", "force metric").arrays["probes"]
    refined = refined_parameters(read_model(potential_in(results / "pretraining")), campaign.optimiser)
    found = gradients(results, refined, campaign.optimiser.outlier_limit)
    symbols = [element.symbol for element in campaign.elements]
    length = lengths_on(potential.cast(jnp.float32), results / "dataset/test.extxyz", symbols)
    return rows(found, Rows(probes.astype(float)), dampings, length)


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("configuration")
    parser.add_argument("--damping", nargs="+", type=float, default=[0.01, 0.1, 1.0])
    options = parser.parse_args()
    configure_jax("float32", threads=1)
    print(
        measured(load_config(options.configuration), options.damping).to_csv(index=False, float_format="%.3g")
    )


if __name__ == "__main__":
    main()
