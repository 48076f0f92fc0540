"""One step of the refinement: gather the gradient, move the parameters, keep the history."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd

from dynrefine.config.refinement import RowSettings, StepSettings, StopSettings
from dynrefine.errors import CampaignError
from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.models import Model, flat_parameters, parameter_name
from dynrefine.files.trajectories import Trajectories
from dynrefine.refinement.force_metric import natural_step
from dynrefine.sampling.reweighting import effective_sample_size
from dynrefine.statistics import Estimate, shortened, standard_error, sum_with_error

logger = logging.getLogger(__name__)

OPTIMISERS = {"adam": optax.adam, "sgd": optax.sgd}


@dataclass(frozen=True)
class Gradient:
    """The gradient of the objective.

    Attributes:
        trajectory: through the dynamics.
        ensemble: through the probability of the starting points.
        anchor: of the errors on the ab initio frames, weighted [P]; it has no statistical error.
    """

    trajectory: Estimate
    ensemble: Estimate
    anchor: np.ndarray

    @property
    def uncertain(self) -> Estimate:
        """The sum of the trajectory and the ensemble part; at an optimum they cancel, and neither is small."""
        return Estimate.sum([self.trajectory, self.ensemble])

    def total(self, shrink: bool) -> np.ndarray:
        """Sum of all parts [P]; with `shrink`, the uncertain ones times the James-Stein factor of their sum."""
        uncertain = self.uncertain
        return self.anchor + uncertain.value * (uncertain.resolved if shrink else 1.0)


def gather_gradient(
    states: Sequence[Sequence[ChunkGradient]],
    weights: Sequence[np.ndarray],
    anchor: np.ndarray,
    scales: np.ndarray,
    outlier_limit: float,
) -> Gradient:
    """Sum the chunks of all states; errors are those of sums over independent starting points.

    Arguments:
        states: for each state its chunks, whose rows add up to the gradient.
        weights: for each state those of its starting points in averages [S].
        anchor: weighted gradient of the anchor [P].
        scales: units in which the parameters are counted [P].
        outlier_limit: length to which rows of the trajectory part are shortened, in medians of their lengths.
    """
    trajectories, ensembles = [], []
    for chunks, single in zip(states, weights, strict=True):
        shares = np.asarray(single, float) / np.sum(single, dtype=float)
        ends = np.cumsum([len(chunk.coefficients) for chunk in chunks])
        followed = np.concatenate(
            [
                own[: len(chunk.trajectory)]
                for own, chunk in zip(np.split(shares, ends[:-1]), chunks, strict=True)
            ]
        )
        rows = scales * np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
        trajectories.append(sum_with_error(shortened(rows, outlier_limit), followed / followed.sum()))
        energy_gradients = np.concatenate([chunk.energy_gradients for chunk in chunks]).astype(float)
        coefficients = np.concatenate([chunk.coefficients for chunk in chunks]).astype(float)
        # The coefficients add up to zero: a mean taken away changes no sum, but what would be noise of the rows.
        centred = energy_gradients - shares @ energy_gradients
        ensembles.append(sum_with_error(scales * coefficients[:, None] * centred, shares))
    return Gradient(Estimate.sum(trajectories), Estimate.sum(ensembles), scales * np.asarray(anchor, float))


def optimiser_of(settings: StepSettings, probes: np.ndarray | None = None) -> optax.GradientTransformation:
    """The optimiser that the configuration section describes.

    Arguments:
        settings: configuration section `optimiser`.
        probes: of the force metric [M, P], eV/Å; needed by the natural gradient alone.
    """
    decay = settings.learning_rate_decay
    if settings.name == "natural":
        radius = 1e-3 * settings.force_change
        return optax.chain(
            optax.ema(settings.momentum),
            natural_step(probes, settings.damping, radius),
            optax.scale_by_schedule(optax.exponential_decay(1.0, 1, decay)),
        )
    rate = optax.exponential_decay(settings.learning_rate, 1, decay)
    own = {"b1": settings.momentum} if settings.name == "adam" else {}
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), OPTIMISERS[settings.name](rate, **own))


def parameter_scales(potential: Model, settings: RowSettings) -> np.ndarray:
    """The unit in which the optimiser counts each trainable parameter [P], from `optimiser.parameter_scales`."""
    scales = settings.parameter_scales
    return np.asarray(
        flat_parameters(
            jax.tree_util.tree_map_with_path(
                lambda path, leaf: jnp.full_like(leaf, scales.get(parameter_name(path), 1.0)),
                potential.parameters["trainable"],
            )
        )[0]
    )


def step(
    potential: Model,
    gradient: Gradient,
    settings: StepSettings,
    state: Sequence[np.ndarray] | None,
    probes: np.ndarray | None = None,
) -> tuple[Model, list[np.ndarray], float]:
    """Move the trainable parameters.

    Arguments:
        potential: before the step.
        gradient: of the objective, in the units of `parameter_scales`.
        settings: configuration section `optimiser`.
        state: leaves of the optimiser's state after the step before, none at the first.
        probes: of the force metric [M, P], eV/Å; needed by the natural gradient alone.

    Returns:
        the potential after the step, the leaves of the optimiser's state, and the norm of the step in those units.

    Raises:
        CampaignError: the gradient is not finite.
    """
    total = gradient.total(settings.shrink_noise)
    if not np.isfinite(total).all():
        raise CampaignError(
            "the gradient of the objective is not finite: look for the cause in the gradient files of this "
            "iteration, and lower gradient.depth or optimiser.learning_rate."
        )
    vector, restore = flat_parameters(potential.parameters["trainable"])
    optimiser = optimiser_of(settings, probes)
    fresh = optimiser.init(vector)
    leaves, structure = jax.tree.flatten(fresh)
    if state is not None:
        fresh = jax.tree.unflatten(
            structure, [jnp.asarray(s, f.dtype) for s, f in zip(state, leaves, strict=True)]
        )
    updates, new = optimiser.update(jnp.asarray(total, vector.dtype), fresh, vector)
    if settings.name == "natural" and settings.shrink_noise:
        share = gradient.uncertain.resolved
        if share == 0.0:
            logger.warning(
                "the gradient does not stand out of its noise and the potential stays: raise ensemble.replicas"
            )
        updates = share * updates
    scales = jnp.asarray(parameter_scales(potential, settings), vector.dtype)
    moved = potential.with_trainable(restore(vector + scales * updates))
    return moved, [np.asarray(leaf) for leaf in jax.tree.leaves(new)], float(jnp.linalg.norm(updates))


def has_converged(totals: Sequence[float], settings: StopSettings) -> bool:
    """Whether the objective has stopped falling.

    Arguments:
        totals: of all iterations so far.
        settings: configuration section `optimiser.stop`: patience, tolerance.
    """
    patience = settings.patience
    if len(totals) <= patience:
        return False
    best_before = min(totals[:-patience])
    return min(totals[-patience:]) > best_before * (1.0 - settings.tolerance)


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
    for term in table.itertuples():
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
