"""What a potential is judged by: properties from long independent runs, fitted or not, each with its error."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, SupportsFloat

import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.config.dynamics import DiffusionJudgeSettings, StructureSettings
from dynrefine.config.properties import MeasuredNumber, PropertySettings
from dynrefine.files.curves import Curve, CurveRole
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.objectives import Objective
from dynrefine.files.trajectories import Trajectories
from dynrefine.properties.diffusion import (
    einstein_diffusion,
    finite_size_correction,
    running_diffusion,
    velocity_autocorrelation,
)
from dynrefine.properties.rdf import radial_distribution
from dynrefine.statistics import jackknife_error, leave_one_out, standard_error

Role = Literal["loss", "value", "corrected", "other estimate", "condition", "control"]


@dataclass(frozen=True)
class Found:
    """What a row of the table is.

    Attributes:
        property: its name as people read it.
        family: what it belongs to; rows of one family tell of the same measurement.
        role: a loss is itself a distance from the measurement; a corrected value stands for the plain one; a
            condition is chosen, a control shows whether the runs are sound.
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
        curves: as a function of something.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def add_property(
        self,
        found: Found,
        state: str,
        estimate: tuple[SupportsFloat, SupportsFloat],
        measured: tuple[float, float] | None = None,
    ) -> None:
        """A row of the table.

        Arguments:
            found: what it is.
            state: label of the state.
            estimate: value and standard error.
            measured: measured value and its uncertainty.
        """
        value, error = estimate
        measured_value, measured_error = measured or (np.nan, np.nan)
        self.rows.append(
            {
                **asdict(found),
                "state": state,
                "value": float(value),
                "standard_error": float(error),
                "measured": measured_value,
                "measured_error": measured_error,
            }
        )

    def add_curve(
        self,
        role: CurveRole,
        name: str,
        state: str,
        columns: Mapping[str, tuple[np.ndarray, str]],
    ) -> None:
        """A curve of a state, its columns with their units; see `Curve`."""
        values = {column: np.asarray(value) for column, (value, _) in columns.items()}
        units = {column: unit for column, (_, unit) in columns.items()}
        self.curves.append(Curve(role, name, state, values, units))

    def table(self) -> pd.DataFrame:
        """Properties: those of `Found`, state, value, standard_error, measured, measured_error."""
        return pd.DataFrame(self.rows)


def add_evaluated(
    findings: Findings, objective: Objective, settings: Mapping[str, PropertySettings], fitted: bool
) -> None:
    """Losses and predictions of properties that can be fitted.

    Arguments:
        findings: to add to.
        objective: of the runs.
        settings: of these properties, by name.
        fitted: whether the refinement saw them.
    """
    for label, state in objective.states.items():
        for name, evaluation in state.evaluations.items():
            loss = Found(f"{name} loss", name, "loss", "1", fitted)
            findings.add_property(loss, label, (evaluation.loss, evaluation.loss_error))
            _, (_, unit) = objective.quantities[name]
            if len(evaluation.prediction) == 1:
                estimate = evaluation.prediction[0], evaluation.prediction_error[0]
                own = settings[name]
                uncertainty = own.target_error if isinstance(own, MeasuredNumber) else np.nan
                target = float(state.targets[name][0]), uncertainty
                findings.add_property(Found(name, name, "value", unit, fitted), label, estimate, target)
            findings.curves.append(objective.comparison(name, label))


def add_diffusion(
    findings: Findings,
    label: str,
    velocities: Sequence[np.ndarray],
    interval: float,
    settings: DiffusionJudgeSettings,
    kelvin: float,
    volume: float,
) -> None:
    """Self-diffusion by Green-Kubo, the jackknife over trajectories for its error, and the Einstein estimate.

    Arguments:
        findings: to add to.
        label: of the state.
        velocities: of the diffusing atoms, joined in time, chunk by chunk [S, frames, N, 3], Å/fs.
        interval: between frames, fs.
        settings: configuration section `validation.diffusion`.
        kelvin: temperature, K.
        volume: of the cell, Å³.
    """
    depth = min(round(settings.window / interval), velocities[0].shape[1] - 1)
    each = jnp.concatenate([velocity_autocorrelation(jnp.asarray(v), depth) for v in velocities])
    uniform = jnp.full(len(each), 1.0 / len(each), each.dtype)
    left_out = leave_one_out(each, uniform)
    correlation, correlation_error = jnp.mean(each, axis=0), jackknife_error(left_out)
    running = np.asarray(running_diffusion(correlation, interval))
    running_error = np.asarray(jackknife_error(running_diffusion(left_out, interval)))
    lags = interval * np.arange(depth + 1)
    findings.add_curve(
        "running integral",
        "diffusion",
        label,
        {
            "lag": (lags, "fs"),
            "running_integral": (running, "1e-9 m²/s"),
            "running_integral_error": (running_error, "1e-9 m²/s"),
        },
    )
    findings.add_curve(
        "correlation",
        "velocity_autocorrelation",
        label,
        {
            "lag": (lags, "fs"),
            "value": (np.asarray(correlation), "Å²/fs²"),
            "error": (np.asarray(correlation_error), "Å²/fs²"),
        },
    )
    measured = _measured(settings)
    unit = "1e-9 m²/s"
    plain = Found("self-diffusion", "diffusion", "value", unit)
    findings.add_property(plain, label, (running[-1], running_error[-1]), measured)
    if depth >= 2:
        slopes = np.concatenate([einstein_diffusion(jnp.asarray(v), interval, depth) for v in velocities])
        einstein = Found("self-diffusion, Einstein", "diffusion", "other estimate", unit)
        findings.add_property(einstein, label, (slopes.mean(), standard_error(slopes)))
    if settings.viscosity is not None:
        correction = finite_size_correction(kelvin, settings.viscosity, volume)
        corrected = Found("self-diffusion, finite-size corrected", "diffusion", "corrected", unit)
        findings.add_property(corrected, label, (running[-1] + correction, running_error[-1]), measured)


def add_structure(
    findings: Findings,
    label: str,
    ensembles: Sequence[Ensemble],
    species: tuple[int, int],
    settings: StructureSettings,
    target: np.ndarray | None,
) -> None:
    """Radial distribution function, its error from the independent chains.

    Arguments:
        findings: to add to.
        label: of the state.
        ensembles: the chunks of the state.
        species: element indices of the pair.
        settings: configuration section `validation.structure`.
        target: measured distance (Å), g and error [rows, 3], or none.
    """
    edges = np.arange(0.0, settings.longest + 0.5 * settings.bin, settings.bin)
    first, second = (ensembles[0].species == kind for kind in species)
    recorded = np.concatenate([ensemble.recorded_positions for ensemble in ensembles], axis=1)
    chains = radial_distribution(recorded.swapaxes(0, 1), ensembles[0].cells[0], first, second, edges)
    value, error = chains.mean(axis=0), standard_error(chains)
    distance = 0.5 * (edges[1:] + edges[:-1])
    measured = np.full_like(distance, np.nan)
    if target is not None:
        measured = np.interp(distance, target[:, 0], target[:, 1], left=np.nan, right=np.nan)
    findings.add_curve(
        "structure",
        "rdf",
        label,
        {
            "distance": (distance, "Å"),
            "value": (value, "1"),
            "error": (error, "1"),
            "target": (measured, "1"),
        },
    )
    highest = int(np.argmax(value))
    measured_maximum = None
    if target is not None:
        row = target[np.argmax(target[:, 1])]
        measured_maximum = float(row[1]), float(row[2])
    pair = "".join(settings.pair)
    maximum = Found(f"first maximum of g_{pair}", "structure", "value", "1")
    findings.add_property(maximum, label, (value[highest], error[highest]), measured_maximum)


def add_conditions(
    findings: Findings, label: str, trajectories: Sequence[Trajectories], kelvin: float
) -> None:
    """Temperature and energy drift of the runs."""
    temperatures = np.concatenate([chunk.temperatures.mean(axis=1) for chunk in trajectories])
    estimate = temperatures.mean(), standard_error(temperatures)
    temperature = Found("temperature", "temperature", "condition", "K")
    findings.add_property(temperature, label, estimate, (kelvin, 0.0))
    drift = np.abs(np.concatenate([chunk.energy_drift.ravel() for chunk in trajectories]))
    control = Found("energy drift", "energy drift", "control", "meV/atom")
    findings.add_property(control, label, (drift.mean(), standard_error(drift)))


def _measured(settings: DiffusionJudgeSettings) -> tuple[float, float] | None:
    if settings.measured is None:
        return None
    return settings.measured, settings.measured_error
