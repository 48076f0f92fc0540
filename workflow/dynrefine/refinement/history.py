"""What the history of a refinement records of an iteration."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.history import EFFECTIVE_SAMPLE_SIZE, TIME_PER_STEP, Entry
from dynrefine.files.models import Model, flat_parameters, single_numbers
from dynrefine.files.tables import rows_of
from dynrefine.files.trajectories import Trajectories
from dynrefine.refinement.total_gradient import Gradient
from dynrefine.sampling.reweighting import effective_sample_size
from dynrefine.statistics import standard_error, weighted_sum


def terms(table: pd.DataFrame, anchors: Mapping[str, tuple[float, float]]) -> list[Entry]:
    """The objective, and its terms before weighting.

    Arguments:
        table: of the objective: term, state, loss, standard_error, weight.
        anchors: losses on ab initio frames and their weights, by name.
    """
    total, error = weighted_sum(table.loss, table.standard_error, table.weight)
    losses = [
        Entry("loss", row.term, row.loss, row.standard_error, state=str(row.state)) for row in rows_of(table)
    ]
    pulls = [Entry("anchor", name, loss) for name, (loss, _) in anchors.items()]
    total += sum(weight * loss for loss, weight in anchors.values())
    return [Entry("objective", "objective", total, error), *losses, *pulls]


def norms(gradient: Gradient, with_anchor: bool) -> list[Entry]:
    """Norms of the gradient and its parts, and its resolved share.

    Arguments:
        gradient: of the objective in the units of the step.
        with_anchor: whether the objective has an anchor.
    """
    uncertain = gradient.uncertain
    parts = {
        "whole": (gradient.total(shrink=False), uncertain.error),
        "trajectory": (gradient.trajectory.value, gradient.trajectory.error),
        "ensemble": (gradient.ensemble.value, gradient.ensemble.error),
    }
    found = [Entry("gradient", name, _norm(value), _norm(error)) for name, (value, error) in parts.items()]
    if with_anchor:
        found.append(Entry("gradient", "anchor", _norm(gradient.anchor)))
    return [*found, Entry("control", "resolved share of the gradient", uncertain.resolved)]


def shares_of_surfaces(gradients: Mapping[str, Gradient]) -> list[Entry]:
    """The resolved shares of the gradients for surfaces that are refined with the potential."""
    return [
        Entry("control", f"resolved share of the gradient, {surface}", gradient.uncertain.resolved)
        for surface, gradient in gradients.items()
    ]


def named_parameters(potential: Model, units: Mapping[str, str]) -> list[Entry]:
    """The trainable parameters that are single numbers, with their units where known by name."""
    numbers = single_numbers(potential.parameters["trainable"])
    return [Entry("parameter", name, value, unit=units.get(name, "")) for name, value in numbers.items()]


def named_derivatives(potential: Model, gradient: Gradient, units: Mapping[str, str]) -> list[Entry]:
    """Derivatives of the objective with respect to these parameters.

    Arguments:
        potential: whose parameters they are.
        gradient: of the objective.
        units: of the parameters, by their names.
    """
    _, restore = flat_parameters(potential.parameters["trainable"])
    scales = gradient.scales
    refined = single_numbers(restore(jnp.asarray(scales)))
    units_or_one = np.where(scales > 0.0, scales, 1.0)
    values = single_numbers(restore(jnp.asarray(gradient.total(shrink=False) / units_or_one)))
    errors = single_numbers(restore(jnp.asarray(gradient.uncertain.error / units_or_one)))
    return [
        Entry("derivative", name, value, errors[name], unit=f"1/{units[name]}" if name in units else "")
        for name, value in values.items()
        if refined[name]
    ]


def conditions(trajectories: Mapping[str, Sequence[Trajectories]]) -> list[Entry]:
    """Temperature by state and the largest mean energy drift.

    Arguments:
        trajectories: the chunks of each state, by its label.
    """
    found, drifts = [], []
    for label, chunks in trajectories.items():
        temperatures = np.concatenate([chunk.temperatures.mean(axis=1) for chunk in chunks])
        mean, error = float(temperatures.mean()), float(standard_error(temperatures))
        found.append(Entry("condition", "temperature", mean, error, unit="K", state=label))
        drifts.append(float(np.mean(np.abs(np.concatenate([chunk.energy_drift for chunk in chunks])))))
    return [*found, Entry("control", "energy drift", max(drifts), unit="meV/atom")]


def costs(chunks: Sequence[tuple[ChunkGradient, float]]) -> list[Entry]:
    """How exactly the adjoint retraced the trajectories, and its time, from chunks with their seconds per step."""
    error = max(float(chunk.reversal_error.max()) for chunk, _ in chunks)
    seconds = float(np.mean([seconds for _, seconds in chunks]))
    return [
        Entry("control", "reversal error", error, unit="Å"),
        Entry("control", TIME_PER_STEP, 1e3 * seconds, unit="ms"),
    ]


def smallest_sample_size(states: Sequence[np.ndarray]) -> Entry:
    """Effective sample size as a fraction of the starting points, the smallest of all states; from weights [S]."""
    sizes = [float(effective_sample_size(jnp.asarray(weights))) / len(weights) for weights in states]
    return Entry("control", EFFECTIVE_SAMPLE_SIZE, min(sizes))


def _norm(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))
