"""One step of the refinement: gather the gradient, move the parameters, keep the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from dynrefine.errors import CampaignError
from dynrefine.gradient import ChunkGradient
from dynrefine.models import Model, flat_parameters
from dynrefine.objective import load_objective, standard_error
from dynrefine.reweighting import effective_sample_size
from dynrefine.trajectories import Trajectories

OPTIMISERS = {"adam": optax.adam, "sgd": optax.sgd}


@dataclass(frozen=True)
class Gradient:
    """The gradient of the objective, its parts and its standard error, each [P].

    Attributes:
        trajectory: through the dynamics.
        ensemble: through the probability of the starting points.
        anchor: of the errors on the ab initio frames, weighted.
        error: standard error of trajectory and ensemble part together.
    """

    trajectory: np.ndarray
    ensemble: np.ndarray
    anchor: np.ndarray
    error: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Sum of all parts."""
        return self.trajectory + self.ensemble + self.anchor


def gather_gradient(states: Sequence[Sequence[ChunkGradient]], anchor: np.ndarray) -> Gradient:
    """Sum the chunks of all states; the error is the jackknife over starting points, state by state.

    Arguments:
        states: for each state its chunks, whose rows add up to the gradient.
        anchor: weighted gradient of the anchor [P].
    """
    trajectory, ensemble, variance = (np.zeros(len(anchor)) for _ in range(3))
    for chunks in states:
        of_trajectory = np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
        of_ensemble = np.concatenate([chunk.ensemble for chunk in chunks]).astype(float)
        rows = of_trajectory + of_ensemble
        count = len(rows)
        trajectory += of_trajectory.sum(axis=0)
        ensemble += of_ensemble.sum(axis=0)
        variance += count / max(count - 1, 1) * np.sum((rows - rows.mean(axis=0)) ** 2, axis=0)
    return Gradient(trajectory, ensemble, np.asarray(anchor, float), np.sqrt(variance))


def optimiser_of(settings: Mapping[str, Any]) -> optax.GradientTransformation:
    """The optimiser that the configuration section describes."""
    return optax.chain(
        optax.clip_by_global_norm(settings["clip_norm"]),
        OPTIMISERS[settings["name"]](settings["learning_rate"]),
    )


def step(
    potential: Model, gradient: Gradient, settings: Mapping[str, Any], state: Sequence[np.ndarray] | None
) -> tuple[Model, list[np.ndarray], float]:
    """Move the trainable parameters.

    Arguments:
        potential: before the step.
        gradient: of the objective.
        settings: configuration section `optimiser`.
        state: leaves of the optimiser's state after the step before, none at the first.

    Returns:
        the potential after the step, the leaves of the optimiser's state, and the norm of the step.

    Raises:
        CampaignError: the gradient is not finite.
    """
    if not np.isfinite(gradient.total).all():
        raise CampaignError(
            "the gradient of the objective is not finite: look for the cause in the gradient files of this "
            "iteration, and lower gradient.depth or optimiser.learning_rate."
        )
    vector, restore = flat_parameters(potential.parameters["trainable"])
    optimiser = optimiser_of(settings)
    fresh = optimiser.init(vector)
    leaves, structure = jax.tree.flatten(fresh)
    if state is not None:
        fresh = jax.tree.unflatten(
            structure, [jnp.asarray(s, f.dtype) for s, f in zip(state, leaves, strict=True)]
        )
    updates, new = optimiser.update(jnp.asarray(gradient.total, vector.dtype), fresh, vector)
    moved = potential.with_trainable(restore(vector + updates))
    return moved, [np.asarray(leaf) for leaf in jax.tree.leaves(new)], float(jnp.linalg.norm(updates))


def has_converged(totals: Sequence[float], settings: Mapping[str, Any]) -> bool:
    """Whether the objective has stopped falling.

    Arguments:
        totals: of all iterations so far.
        settings: configuration section `optimiser.stop`: patience, tolerance.
    """
    patience = settings["patience"]
    if len(totals) <= patience:
        return False
    best_before = min(totals[:-patience])
    return min(totals[-patience:]) > best_before * (1.0 - settings["tolerance"])


def norms(gradient: Gradient) -> dict[str, float]:
    """Norms of the gradient's parts, for the history."""
    parts = {
        "gradient_norm": gradient.total,
        "gradient_norm_error": gradient.error,
        "trajectory_norm": gradient.trajectory,
        "ensemble_norm": gradient.ensemble,
        "anchor_norm": gradient.anchor,
    }
    return {name: float(np.linalg.norm(part)) for name, part in parts.items()}


def terms(table: pd.DataFrame, anchor: float, anchor_weight: float) -> dict[str, float]:
    """Total objective and its terms with their errors, for the history.

    Arguments:
        table: of the objective: term, state, loss, standard_error, weight.
        anchor: loss on the ab initio frames, unweighted.
        anchor_weight: its weight.
    """
    row = {
        "total": float(np.sum(table.weight * table.loss) + anchor_weight * anchor),
        "total_error": float(np.sqrt(np.sum((table.weight * table.standard_error) ** 2))),
    }
    for term in table.itertuples():
        row[f"{term.term}_{term.state}"] = term.loss
        row[f"{term.term}_{term.state}_error"] = term.standard_error
    return row | {"anchor": anchor}


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


def smallest_sample_size(path: str | Path) -> float:
    """Effective sample size as a fraction of the starting points, the smallest of all states in a file."""
    states = load_objective(path).states.values()
    return min(float(effective_sample_size(jnp.asarray(s.weights))) / len(s.weights) for s in states)
