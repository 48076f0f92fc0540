"""The steps of the toy campaign, made again from the files of its iterations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from campaigns import TOY

from dynrefine.files.arrays import read_arrays
from dynrefine.files.gradients import load_gradient
from dynrefine.files.models import flat_parameters, load_model
from dynrefine.refinement.natural_gradient import Rows, Ruler
from dynrefine.refinement.update import optimiser_of

CHUNKS = ("00", "01")

Settings = Mapping[str, Any]


def of_chunks(iteration: Path, kind: str, load: Any) -> list[Any]:
    """What the files of both chunks of an iteration hold."""
    return [load(iteration / f"300K/{kind}_{chunk}.npz") for chunk in CHUNKS]


def parameters_in(path: Path) -> np.ndarray:
    """The trainable parameters of a potential in a file [P]."""
    model = load_model(path, TOY.potential, TOY.elements)
    return np.asarray(flat_parameters(model.parameters["trainable"])[0])


def probes_of(results: Path) -> np.ndarray:
    """Of the force metric [M, P], eV/Å."""
    return read_arrays(results / "pretraining/force_metric.npz", "force metric").arrays["probes"]


def _sum_with_noise(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """The sum of independent rows, and its squared standard error, added up over the components."""
    return rows.sum(axis=0), len(rows) / (len(rows) - 1) * ((rows - rows.mean(axis=0)) ** 2).sum()


def parts_of_gradient(iteration: Path, settings: Settings) -> tuple[Any, Any, np.ndarray]:
    """Trajectory and ensemble part with their noise, and the anchor part, from the files of an iteration."""
    chunks = [gradient for gradient, _ in of_chunks(iteration, "gradient", load_gradient)]
    rows = np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
    lengths = np.linalg.norm(rows, axis=1)
    rows *= np.minimum(1.0, settings["optimiser"]["outlier_limit"] * np.median(lengths) / lengths)[:, None]
    coefficients = np.concatenate([chunk.coefficients for chunk in chunks])
    mean = sum(chunk.mean_energy_gradient.astype(float) for chunk in chunks)
    centred = np.concatenate([chunk.ensemble for chunk in chunks]) - coefficients @ mean
    anchor = read_arrays(iteration / "anchor.npz", "anchor").arrays["gradient"]
    return (
        _sum_with_noise(rows),
        _sum_with_noise(centred),
        (settings["objective"]["anchor"]["weight"] * anchor).astype(float),
    )


def fitted_loss(iteration: Path) -> float:
    """The objective without its anchor."""
    table = pd.read_csv(iteration / "objective.csv")
    return float(table.loss @ table.weight)


def resolved_share(iteration: Path, settings: Settings) -> float:
    """The share of the uncertain parts of an iteration's gradient that stands out of their noise."""
    (trajectory, own), (ensemble, other), _ = parts_of_gradient(iteration, settings)
    return max(0.0, 1.0 - (own + other) / ((trajectory + ensemble) ** 2).sum())


def total_gradient(iteration: Path, settings: Settings) -> np.ndarray:
    """The gradient that a step is made with [P]."""
    (trajectory, _), (ensemble, _), anchor = parts_of_gradient(iteration, settings)
    return anchor + trajectory + ensemble


def parameters_by_optimiser(results: Path, settings: Settings, iterations: Sequence[str]) -> list[np.ndarray]:
    """The parameters after each of these iterations, the first ones, by the optimiser on the gathered gradients."""
    metric, steps, state = Rows(probes_of(results).astype(float)), [], None
    # As in the jobs of a campaign in single precision, and Optax divides by counts of steps.
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        vector = jnp.asarray(parameters_in(results / "pretraining/potential.npz"))
        for number in iterations:
            fitted = fitted_loss(results / "refinement" / number)
            ruler = Ruler(metric, 1e-3 * TOY.optimiser.force_change, fitted)
            optimiser = optimiser_of(TOY.optimiser, ruler)
            state = optimiser.init(vector) if state is None else state
            gradient = jnp.asarray(total_gradient(results / "refinement" / number, settings), jnp.float32)
            updates, state = optimiser.update(gradient, state, vector)
            vector = vector + updates
            steps.append(np.asarray(vector))
    return steps
