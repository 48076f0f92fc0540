"""The row of an iteration in the history."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.files.models import Model, flat_parameters, parameter_name
from dynrefine.files.tables import rows_of
from dynrefine.files.trajectories import Trajectories
from dynrefine.refinement.total_gradient import Gradient
from dynrefine.sampling.reweighting import effective_sample_size
from dynrefine.statistics import standard_error


def norms(gradient: Gradient) -> dict[str, float]:
    """Norms of the gradient and its parts with their errors, and the resolved share, for the history."""
    row = {
        "gradient_norm": float(np.linalg.norm(gradient.total(shrink=False))),
        "gradient_norm_error": float(np.linalg.norm(gradient.uncertain.error)),
        "gradient_resolved": gradient.uncertain.resolved,
    }
    for name, part in (("trajectory", gradient.trajectory), ("ensemble", gradient.ensemble)):
        row[f"{name}_norm"] = float(np.linalg.norm(part.value))
        row[f"{name}_norm_error"] = float(np.linalg.norm(part.error))
    return row | {"anchor_norm": float(np.linalg.norm(gradient.anchor))}


def named_parameters(potential: Model) -> dict[str, float]:
    """The trainable parameters that are single numbers, by name, for the history."""
    return _single_numbers("parameter_{}", potential.parameters["trainable"])


def named_derivatives(potential: Model, gradient: Gradient, scales: np.ndarray) -> dict[str, float]:
    """Derivatives of the objective by these parameters, with errors, for the history.

    Arguments:
        potential: whose parameters they are.
        gradient: of the objective in the units of the step.
        scales: these units [P].
    """
    _, restore = flat_parameters(potential.parameters["trainable"])
    values = restore(jnp.asarray(gradient.total(shrink=False) / scales))
    errors = restore(jnp.asarray(gradient.uncertain.error / scales))
    return _single_numbers("derivative_{}", values) | _single_numbers("derivative_{}_error", errors)


def _single_numbers(column: str, tree: Any) -> dict[str, float]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {column.format(parameter_name(path)): float(leaf) for path, leaf in leaves if jnp.ndim(leaf) == 0}


def terms(table: pd.DataFrame, anchor: float | None, anchor_weight: float) -> dict[str, float]:
    """Total objective and its terms with their errors, for the history.

    Arguments:
        table: of the objective: term, state, loss, standard_error, weight.
        anchor: loss on the ab initio frames, unweighted; none without frames.
        anchor_weight: its weight.
    """
    row = {
        "total": float(np.sum(table.weight * table.loss) + anchor_weight * (anchor or 0.0)),
        "total_error": float(np.sqrt(np.sum((table.weight * table.standard_error) ** 2))),
    }
    for term in rows_of(table):
        row[f"{term.term}_{term.state}"] = term.loss
        row[f"{term.term}_{term.state}_error"] = term.standard_error
    return row if anchor is None else row | {"anchor": anchor}


def conditions(trajectories: Mapping[str, Sequence[Trajectories]]) -> dict[str, float]:
    """Temperature by state and the largest mean energy drift, for the history.

    Arguments:
        trajectories: the chunks of each state, by its label.
    """
    row = {}
    drifts = []
    for label, chunks in trajectories.items():
        temperatures = np.concatenate([chunk.temperatures.mean(axis=1) for chunk in chunks])
        row[f"temperature_{label}"] = float(temperatures.mean())
        row[f"temperature_{label}_error"] = float(standard_error(temperatures))
        drifts.append(float(np.mean(np.abs(np.concatenate([chunk.energy_drift for chunk in chunks])))))
    return row | {"energy_drift_meV_per_atom": max(drifts)}


def smallest_sample_size(states: Sequence[np.ndarray]) -> float:
    """Effective sample size as a fraction of the starting points, the smallest of all states' weights [S]."""
    return min(float(effective_sample_size(jnp.asarray(weights))) / len(weights) for weights in states)
