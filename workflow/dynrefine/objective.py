"""Losses with their errors, and what the gradient jobs need of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.errors import CampaignError
from dynrefine.observables.base import Observable
from dynrefine.reweighting import ensemble_coefficients
from dynrefine.storage import ArrayFile, read_arrays, write_arrays

# name and unit of the abscissa, and of the property
Quantities = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Evaluation:
    """One observable of one state, evaluated over all replicas.

    Attributes:
        loss: a pure number.
        loss_error: its standard error.
        prediction: the property [W].
        prediction_error: its standard error [W].
        cotangent: dL/dC of the averaged statistic C.
        contributions: l_s = dL/dC · c_s of each replica [S].
    """

    loss: float
    loss_error: float
    prediction: np.ndarray
    prediction_error: np.ndarray
    cotangent: np.ndarray
    contributions: np.ndarray


def evaluate(observable: Observable, statistics: jax.Array, weights: jax.Array) -> Evaluation:
    """Evaluate an observable with jackknife errors over replicas.

    Arguments:
        observable: see there.
        statistics: of each replica [S, ...].
        weights: of the replicas, normalised [S].
    """
    mean = jnp.tensordot(weights, statistics, axes=1)
    loss, cotangent = jax.value_and_grad(observable.loss)(mean)
    left_out = leave_one_out(statistics, weights)
    losses = jax.vmap(observable.loss)(left_out)
    predictions = jax.vmap(observable.predict)(left_out)
    axes = cotangent.ndim
    return Evaluation(
        loss=float(loss),
        loss_error=float(jackknife_error(losses)),
        prediction=np.asarray(observable.predict(mean)),
        prediction_error=np.asarray(jackknife_error(predictions)),
        cotangent=np.asarray(cotangent),
        contributions=np.asarray(jnp.tensordot(statistics, cotangent, axes=axes)),
    )


def leave_one_out(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted means [S, ...] of values [S, ...], each without one of them; weights [S] add up to one."""
    shape = (-1,) + (1,) * (values.ndim - 1)
    total = jnp.tensordot(weights, values, axes=1)
    own = weights.reshape(shape)
    return (total - own * values) / (1.0 - own)


def jackknife_error(left_out: jax.Array) -> jax.Array:
    """Standard error from leave-one-out estimates [S, ...]; not a number for a single one."""
    count = len(left_out)
    spread = jnp.sum((left_out - jnp.mean(left_out, axis=0)) ** 2, axis=0)
    return jnp.sqrt(spread * (count - 1) / count) if count > 1 else jnp.full_like(spread, jnp.nan)


def standard_error(values: np.ndarray, axis: int = 0) -> Any:
    """Standard error of the mean of independent values."""
    return np.std(values, axis=axis, ddof=1) / np.sqrt(values.shape[axis])


@dataclass(frozen=True)
class StateObjective:
    """All observables of one state over all its chunks.

    Attributes:
        weights: of the starting points in averages [S].
        coefficients: of ∂U/∂θ in the ensemble part of the gradient [S], 1/eV.
        abscissae: where each observable is compared [W], by name.
        targets: measured there [W], by name.
        evaluations: by name.
    """

    weights: np.ndarray
    coefficients: np.ndarray
    abscissae: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    evaluations: dict[str, Evaluation]

    def weighted_cotangents(self, weights: Mapping[str, float]) -> dict[str, np.ndarray]:
        """dL/dC of each observable's averaged statistic, times the observable's weight in the objective."""
        return {name: weights[name] * each.cotangent for name, each in self.evaluations.items()}


@dataclass(frozen=True)
class Objective:
    """All observables of all states of one iteration.

    Attributes:
        states: by label.
        weights: of the observables in the objective, by name.
        quantities: name and unit of abscissa and property of each observable.
    """

    states: dict[str, StateObjective]
    weights: dict[str, float] = field(default_factory=dict)
    quantities: dict[str, Quantities] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """Losses: term, state, loss, standard_error, weight."""
        rows = [
            {
                "term": name,
                "state": label,
                "loss": evaluation.loss,
                "standard_error": evaluation.loss_error,
                "weight": self.weights[name],
            }
            for label, state in self.states.items()
            for name, evaluation in state.evaluations.items()
        ]
        return pd.DataFrame(rows)


def evaluate_state(
    observables: Mapping[str, Observable],
    weights: Mapping[str, float],
    series: Mapping[str, Any],
    shares: np.ndarray,
    kelvin: float,
) -> StateObjective:
    """Evaluate all observables of a state.

    Arguments:
        observables: by name.
        weights: of the observables in the objective, by name.
        series: joined in time, of all starting points of the state, by name [S, frames, ...], and statics [S, ...].
        shares: normalised weights of the starting points in averages [S].
        kelvin: temperature, K.
    """
    dtype = next(iter(series.values())).dtype
    shares = jnp.asarray(shares, dtype)
    evaluations = {
        name: evaluate(observable, observable.statistic(series), shares)
        for name, observable in observables.items()
    }
    contributions = sum(weights[name] * each.contributions for name, each in evaluations.items())
    return StateObjective(
        weights=np.asarray(shares),
        coefficients=np.asarray(ensemble_coefficients(shares, jnp.asarray(contributions), kelvin)),
        abscissae={name: observable.abscissa for name, observable in observables.items()},
        targets={name: observable.target for name, observable in observables.items()},
        evaluations=evaluations,
    )


def read_target(path: str | Path) -> np.ndarray:
    """A measured property from a CSV file: comment lines, a header, then numbers [rows, columns].

    Raises:
        CampaignError: the file is missing or holds something else.
    """
    try:
        values = pd.read_csv(path, comment="#").to_numpy(float)
    except (OSError, ValueError) as error:
        raise CampaignError(
            f"{path} cannot be read as a measured property ({error}): expected comment lines beginning with #, a "
            "header with units, then rows of numbers."
        ) from error
    if min(values.shape) < 2 or not np.isfinite(values).all() or np.any(np.diff(values[:, 0]) <= 0):
        raise CampaignError(
            f"{path} holds no measured property: expected two or more rows and columns of finite numbers, the first "
            "column rising."
        )
    return values


def axis_labels(quantities: Mapping[str, Quantities]) -> dict[str, list[str]]:
    """Labels of the axes of each observable, like "wavenumber (cm⁻¹)"."""
    return {name: [f"{what} ({unit})" for what, unit in pair] for name, pair in quantities.items()}


_OF_STATE = {"weights": "1", "coefficients": "1/eV"}
_OF_EVALUATION = ("prediction", "prediction_error", "cotangent", "contributions")


def save_objective(path: str | Path, objective: Objective) -> None:
    """Write an objective file."""
    arrays: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    losses: dict[str, Any] = {}
    for label, state in objective.states.items():
        arrays |= {f"{part}/{label}": getattr(state, part) for part in _OF_STATE}
        units |= {f"{part}/{label}": unit for part, unit in _OF_STATE.items()}
        for name, evaluation in state.evaluations.items():
            (_, abscissa_unit), (_, unit) = objective.quantities[name]
            own = {"abscissa": state.abscissae[name], "target": state.targets[name]}
            own |= {part: getattr(evaluation, part) for part in _OF_EVALUATION}
            own_units = dict.fromkeys(own, "1") | {"abscissa": abscissa_unit}
            own_units |= dict.fromkeys(("target", "prediction", "prediction_error"), unit)
            arrays |= {f"observables/{name}/{label}/{part}": array for part, array in own.items()}
            units |= {f"observables/{name}/{label}/{part}": unit for part, unit in own_units.items()}
            losses[f"{name}/{label}"] = [evaluation.loss, evaluation.loss_error]
    metadata = {"weights": objective.weights, "losses": losses, "quantities": objective.quantities}
    metadata["labels"] = axis_labels(objective.quantities)
    write_arrays(path, "objective", ArrayFile(arrays, units, metadata))


def load_objective(path: str | Path) -> Objective | None:
    """Read an objective file; nothing where the job passed through."""
    content = read_arrays(path, "objective")
    if content.passed_through:
        return None
    states = {}
    for label in content.group("weights"):
        evaluations, abscissae, targets = {}, {}, {}
        for name in content.metadata["weights"]:
            own = content.group(f"observables/{name}/{label}")
            abscissae[name], targets[name] = own["abscissa"], own["target"]
            loss, error = content.metadata["losses"][f"{name}/{label}"]
            evaluations[name] = Evaluation(loss, error, **{part: own[part] for part in _OF_EVALUATION})
        own_arrays = (content.arrays[f"{part}/{label}"] for part in _OF_STATE)
        states[label] = StateObjective(*own_arrays, abscissae, targets, evaluations)
    return Objective(states, content.metadata["weights"], content.metadata["quantities"])
