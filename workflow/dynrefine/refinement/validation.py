"""The validation of a potential: properties from long independent runs, fitted or not, each with its error."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, SupportsFloat

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from dynrefine.config.dynamics import State
from dynrefine.config.steps import JudgingSettings
from dynrefine.files.curves import Curve, curve_of
from dynrefine.files.trajectories import Trajectories
from dynrefine.properties.base import Detail, Observable, settled
from dynrefine.refinement.gathering import Chunk, Measured, measured_at, observables_of
from dynrefine.refinement.objective import evaluate
from dynrefine.statistics import Shares, jackknife_error, leave_one_out, standard_error

Role = Literal["loss", "value", "condition", "control"]


@dataclass(frozen=True)
class Found:
    """What a row of the table describes.

    Attributes:
        property: its name for readers.
        family: what it belongs to; rows of one family concern the same measurement.
        role: a loss is itself a distance from the measurement; a condition is chosen, a control shows whether the
            runs are sound.
        unit: of the value.
        fitted: whether the refinement saw it.
    """

    property: str
    family: str
    role: Role
    unit: str
    fitted: bool = False


@dataclass
class Findings:
    """Properties and curves of one potential, gathered state by state.

    Attributes:
        rows: of the table of properties.
        curves: properties as functions of an abscissa.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def add_property(
        self,
        found: Found,
        state: str,
        estimate: tuple[SupportsFloat, SupportsFloat],
        measured: tuple[float, float] = (np.nan, np.nan),
    ) -> None:
        """A row of the table.

        Arguments:
            found: what it is.
            state: label of the state.
            estimate: value and standard error.
            measured: measured value and its uncertainty, which is dropped if the value is unknown.
        """
        (value, error), (measured_value, measured_error) = estimate, measured
        self.rows.append(
            {
                **asdict(found),
                "state": state,
                "value": float(value),
                "standard_error": float(error),
                "measured": measured_value,
                "measured_error": measured_error if np.isfinite(measured_value) else np.nan,
            }
        )

    def table(self) -> pd.DataFrame:
        """Properties: those of `Found`, state, value, standard_error, measured, measured_error."""
        return pd.DataFrame(self.rows)


@dataclass(frozen=True)
class Judged:
    """A property that is validated.

    Attributes:
        name: of its section.
        measured: at the state.
        observable: of the state.
        fitted: whether the refinement saw it.
    """

    name: str
    measured: Measured
    observable: Observable
    fitted: bool

    @property
    def is_static(self) -> bool:
        """Whether no trajectory is needed, so that all records of the chains can be used."""
        return not self.observable.along

    @property
    def target_error(self) -> Float[np.ndarray, " W"]:
        """The uncertainty of the measurement where it is compared; zero where it is not known."""
        where, curve = self.observable.abscissa, self.measured.curve
        if curve is None:
            return np.full(len(where), getattr(self.measured.settings, "target_error", 0.0))
        if self.measured.settings.synthetic:  # compared as it is
            return curve[:, 2]
        return np.nan_to_num(np.interp(where, curve[:, 0], curve[:, 2]))


def judged_properties(
    settings: JudgingSettings, state: State, chunks: Sequence[Chunk], seen: bool
) -> list[Judged]:
    """The properties that are validated at a state: the fitted ones, then the others.

    Arguments:
        settings: of both.
        state: at which they are validated.
        chunks: of the state.
        seen: whether the refinement sees the state.
    """
    fitted, judging = settings.objective.observables.chosen(), settings.validation.properties.chosen()
    chosen = {name: each if seen else each.elsewhere() for name, each in (fitted | judging).items()}
    measured = measured_at(settings, state, chosen)
    observables = observables_of(settings, state, chunks, measured)
    return [Judged(name, each, observables[name], seen and name in fitted) for name, each in measured.items()]


def add_judged(findings: Findings, label: str, judged: Judged, statistics: Float[Array, " S *C"]) -> None:
    """Add the loss and the value or curve of a property, and its details; errors by the jackknife.

    Arguments:
        findings: to add to.
        label: of the state.
        judged: the property.
        statistics: of independent samples of equal weights.
    """
    settings = judged.measured.settings
    name, fitted, family = judged.name, judged.fitted, settings.family or judged.name
    shares = Shares.equal(len(statistics), statistics.dtype)
    observable = settled(judged.observable, statistics, shares.weights)
    evaluation = evaluate(observable, statistics, shares)
    if np.isfinite(evaluation.loss):
        loss = Found(f"{name} loss", family, "loss", "1", fitted)
        findings.add_property(loss, label, (evaluation.loss, evaluation.loss_error))
    own = Detail(
        observable.quantities,
        observable.abscissa,
        observable.target,
        getattr(settings, "target_error", np.nan),
    )
    estimates = {name: (own, (evaluation.prediction, evaluation.prediction_error))}
    details: Mapping[str, Detail] = getattr(observable, "details", {})
    if details:
        mean, errors = evaluate_details(observable, statistics)
        estimates |= {
            f"{name}: {detail}": (told, (mean[detail], errors[detail])) for detail, told in details.items()
        }
    for what, (told, (value, error)) in estimates.items():
        _, (_, unit) = told.quantities
        if len(told.abscissa) == 1:
            found = Found(what, family, "value", unit, fitted)
            measured = float(told.target[0]), told.target_error
            findings.add_property(found, label, (value[0], error[0]), measured)
        places = what, label, told.quantities
        findings.curves.append(curve_of(*places, (told.abscissa, told.target), (value, error)))


def evaluate_details(
    observable: Any, statistics: Float[Array, " S *C"]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The details of a property and their jackknife errors, by name.

    Arguments:
        observable: with details.
        statistics: of independent samples of equal weights.
    """

    @jax.jit
    def evaluated(statistics: jax.Array) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        left_out = leave_one_out(statistics, Shares.equal(len(statistics), statistics.dtype).weights)
        return observable.detail(jnp.mean(statistics, axis=0)), jax.tree.map(
            jackknife_error, jax.vmap(observable.detail)(left_out)
        )

    return jax.tree.map(np.asarray, evaluated(statistics))


def add_conditions(
    findings: Findings, label: str, trajectories: Sequence[Trajectories], kelvin: float
) -> None:
    """Add the temperature and the energy drift of the runs."""
    temperatures = np.concatenate([chunk.temperatures.mean(axis=1) for chunk in trajectories])
    estimate = temperatures.mean(), standard_error(temperatures)
    temperature = Found("temperature", "temperature", "condition", "K")
    findings.add_property(temperature, label, estimate, (kelvin, 0.0))
    drift = np.abs(np.concatenate([chunk.energy_drift.ravel() for chunk in trajectories]))
    control = Found("energy drift", "energy drift", "control", "meV/atom")
    findings.add_property(control, label, (drift.mean(), standard_error(drift)))
