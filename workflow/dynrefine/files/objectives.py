"""Files of objectives: losses with their errors, and what the gradient jobs need from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays
from dynrefine.files.curves import Curve, Quantities, curve_of


@dataclass(frozen=True)
class Evaluation:
    """One observable of one state, evaluated over all replicas.

    Attributes:
        loss: a pure number.
        loss_error: its standard error.
        prediction: the property [W].
        prediction_error: its standard error [W].
        cotangent: dL/dC of the averaged statistic C.
        contributions: l_s = dL/dC · c_s of each starting point [S], of each where a trajectory begins [F], or of the
            surroundings of each of its atoms [S, N].
    """

    loss: float
    loss_error: float
    prediction: np.ndarray
    prediction_error: np.ndarray
    cotangent: np.ndarray
    contributions: np.ndarray


@dataclass(frozen=True)
class StateObjective:
    """All observables of one state over all its chunks.

    Attributes:
        weights: of the starting points in averages [S].
        begun: numbers of the starting points where trajectories begin [F].
        coefficients: in the ensemble part of the gradient, of ∂U/∂θ [S] or of the energies of atoms [S, N], 1/eV.
        abscissae: where each observable is compared [W], by name.
        targets: measured values there [W], by name.
        evaluations: of the observables, by name.
    """

    weights: np.ndarray
    begun: np.ndarray
    coefficients: np.ndarray
    abscissae: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    evaluations: dict[str, Evaluation]

    def of_chunk(self, number: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights and coefficients of the starting points of a chunk, where each chunk has `count` of them."""
        own = slice(number * count, (number + 1) * count)
        return self.weights[own], self.coefficients[own]

    def weighted_cotangents(self, weights: Mapping[str, float]) -> dict[str, np.ndarray]:
        """dL/dC of each observable's averaged statistic, times the observable's weight in the objective."""
        return {name: weights[name] * each.cotangent for name, each in self.evaluations.items()}


@dataclass(frozen=True)
class Objective:
    """All observables of all states of one iteration.

    Attributes:
        states: by label.
        weights: of the observables in the objective, by label of the state and name.
        quantities: name and unit of abscissa and property of each observable.
    """

    states: dict[str, StateObjective]
    weights: dict[str, dict[str, float]] = field(default_factory=dict)
    quantities: dict[str, Quantities] = field(default_factory=dict)

    def comparison(self, name: str, label: str) -> Curve:
        """An observable of a state beside its measurement."""
        state = self.states[label]
        evaluation, measured = state.evaluations[name], (state.abscissae[name], state.targets[name])
        predicted = evaluation.prediction, evaluation.prediction_error
        return curve_of(name, label, self.quantities[name], measured, predicted)

    def table(self) -> pd.DataFrame:
        """Losses: term, state, loss, standard_error, weight."""
        rows = [
            {
                "term": name,
                "state": label,
                "loss": evaluation.loss,
                "standard_error": evaluation.loss_error,
                "weight": self.weights[label][name],
            }
            for label, state in self.states.items()
            for name, evaluation in state.evaluations.items()
        ]
        return pd.DataFrame(rows)


_OF_STATE = {"weights": "1", "begun": "1", "coefficients": "1/eV"}
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
    write_arrays(path, "objective", ArrayFile(arrays, units, metadata))


def load_objective(path: str | Path) -> Objective | None:
    """Read an objective file; None where the job passed through."""
    content = read_arrays(path, "objective")
    if content.passed_through:
        return None
    states = {}
    for label in content.group("weights"):
        evaluations, abscissae, targets = {}, {}, {}
        for name in content.metadata["weights"][label]:
            own = content.group(f"observables/{name}/{label}")
            abscissae[name], targets[name] = own["abscissa"], own["target"]
            loss, error = content.metadata["losses"][f"{name}/{label}"]
            evaluations[name] = Evaluation(loss, error, **{part: own[part] for part in _OF_EVALUATION})
        own_arrays = (content.arrays[f"{part}/{label}"] for part in _OF_STATE)
        states[label] = StateObjective(*own_arrays, abscissae, targets, evaluations)
    return Objective(states, content.metadata["weights"], content.metadata["quantities"])
