"""Figures of the refinement: objective and gradient by iteration, and what the jobs cost."""

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dynrefine.config.dynamics import State
from dynrefine.files.curves import Curve
from dynrefine.files.history import EFFECTIVE_SAMPLE_SIZE, History
from dynrefine.report.figures.style import (
    FAINT,
    INK,
    MEASURED,
    REFINED,
    SERIES,
    axis_label,
    legend_above,
    legend_over_panel,
    new_figure,
    styled,
)
from dynrefine.report.formatting import unit_name
from dynrefine.report.loss_surface import fitted_quadratic

_LINES = "o-", "o--", "o:"  # for the anchors of several surfaces
_PARTS = {"whole": INK, "trajectory": SERIES[2], "ensemble": SERIES[3], "anchor": FAINT}


@styled
def refinement_figure(history: History, states: Mapping[str, State]) -> Figure:
    """Losses, gradient norms, effective sample size and temperatures by iteration.

    Arguments:
        history: without the iterations that passed through.
        states: by their labels.
    """
    figure = new_figure(5.4)
    (losses, gradients), (samples, thermometer) = figure.subplots(2, 2, sharex=True)
    _draw_losses(losses, history, states)
    _draw_gradients(gradients, history)
    sizes = history.by_quantity("control")[EFFECTIVE_SAMPLE_SIZE, ""]
    samples.plot(sizes.iteration, sizes.value, "o-", color=INK, markersize=4)
    samples.set(ylabel="effective sample size\n(fraction of the replicas)", ylim=(0.0, 1.05))
    _draw_temperatures(thermometer, history, states)
    for axes in (samples, thermometer):
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def values_by_iteration_figure(comparisons: Mapping[int, Curve], reference: str = "measured") -> Figure:
    """How a fitted number changed from iteration to iteration.

    Arguments:
        comparisons: with the measured number, by iteration.
        reference: what the measured number is called.
    """
    figure = new_figure(2.8)
    axes = figure.subplots()
    curves = list(comparisons.values())
    target = float(curves[0].columns["target"][0])
    values, errors = (
        np.concatenate([curve.columns[name] for curve in curves])
        for name in ("prediction", "prediction_error")
    )
    axes.axhline(target, color=MEASURED, linestyle="--", linewidth=1.3, label=reference)
    style: dict[str, Any] = {"fmt": "o-", "color": REFINED, "markersize": 4, "capsize": 2}
    axes.errorbar(list(comparisons), values, errors, label="simulated", **style)
    axes.set(xlabel="iteration", ylabel=unit_name(curves[0].axes[1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_above(figure, axes)
    return figure


@styled
def parameters_figure(history: History) -> Figure:
    """The named parameters by iteration, and for two of them their path over the objective."""
    parameters = {quantity: rows for (quantity, _), rows in history.by_quantity("parameter").items()}
    labels = {quantity: axis_label(quantity, rows.unit.iloc[0]) for quantity, rows in parameters.items()}
    figure = new_figure(2.9)
    panels = figure.subplots(1, len(parameters) + (len(parameters) == 2), squeeze=False)[0]
    for axes, (quantity, rows) in zip(panels, parameters.items(), strict=False):
        axes.plot(rows.iteration, rows.value, "o-", color=REFINED, markersize=4)
        axes.set(xlabel="iteration", ylabel=labels[quantity])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(parameters) == 2:
        second, first = parameters
        path = np.stack([parameters[quantity].value for quantity in (first, second)], axis=-1)
        objective = history.objective.value.to_numpy()
        panels[-1].plot(*path.T, "-", color=FAINT, linewidth=1.0)
        points = panels[-1].scatter(*path.T, c=objective, s=22, cmap="viridis_r", zorder=3)
        panels[-1].set(xlabel=labels[first], ylabel=labels[second])
        if len(path) >= 3:
            slopes = history.by_quantity("derivative")
            gradients = np.stack([slopes[quantity, ""].value for quantity in (first, second)], axis=-1)
            _draw_loss_surface(panels[-1], fitted_quadratic(path, objective, gradients))
        figure.colorbar(points, ax=panels[-1], label="objective")
    return figure


def _draw_loss_surface(axes: Axes, surface: Callable[[np.ndarray], np.ndarray]) -> None:
    """Contours of the objective over the whole panel."""
    ranges = [np.linspace(*limits, 80) for limits in (axes.get_xlim(), axes.get_ylim())]
    grid = np.stack(np.meshgrid(*ranges), axis=-1)
    objective = surface(grid)
    # Levels grow as squares, so that contours of a squared deviation are evenly spaced.
    levels = objective.min() + np.ptp(objective) * (np.arange(1, 10) / 10) ** 2
    style: dict[str, Any] = {"colors": FAINT, "linewidths": 0.6, "linestyles": "solid", "zorder": 1}
    axes.contour(*ranges, objective, levels=levels, **style)


@styled
def timings_figure(timings: pd.DataFrame) -> Figure:
    """Wall time of all jobs of each rule.

    Arguments:
        timings: rule, jobs, wall_total (s), drawn from top to bottom.
    """
    figure = new_figure(0.7 + 0.24 * len(timings))
    axes = figure.subplots()
    rows = timings.iloc[::-1]
    minutes = rows.wall_total / 60.0
    bars = axes.barh(rows.rule, minutes, color=SERIES[3], height=0.7)
    labels = [f" {jobs} job{'s' if jobs > 1 else ''}" for jobs in rows.jobs]
    axes.bar_label(bars, labels, fontsize=8.0, padding=2, color=INK)
    axes.set_xlabel("wall time of all jobs (min)")
    axes.set_xlim(right=1.12 * minutes.max())
    axes.grid(axis="y", visible=False)
    return figure


def _draw_losses(axes: Axes, history: History, states: Mapping[str, State]) -> None:
    """The objective and its terms; states are named where there are several."""
    # Rings, since the objective coincides with a term that outweighs all others.
    _errorbar(axes, history.objective, INK, "objective", markersize=6.5, markerfacecolor="none")
    for ((quantity, state), rows), colour in zip(
        history.by_quantity("loss").items(), cycle(SERIES), strict=False
    ):
        label = f"{quantity}, {states[state].name(state)}" if len(states) > 1 else quantity
        _errorbar(axes, rows, colour, label)
    lines = zip(history.by_quantity("anchor").items(), cycle(_LINES), strict=False)
    for ((quantity, _), rows), line in lines:
        _errorbar(axes, rows, FAINT, quantity, fmt=line)
    axes.set(ylabel="loss", ylim=(0.0, None))
    legend_over_panel(axes)


def _draw_gradients(axes: Axes, history: History) -> None:
    for (part, _), rows in history.by_quantity("gradient").items():
        _errorbar(axes, rows, _PARTS[part], part)
    axes.set(ylabel="norm of the gradient", yscale="log")
    legend_over_panel(axes)


def _draw_temperatures(axes: Axes, history: History, states: Mapping[str, State]) -> None:
    found = history.by_quantity("condition")
    for ((_, state), rows), colour in zip(found.items(), cycle(SERIES), strict=False):
        axes.axhline(states[state].temperature, color=colour, linestyle="--", linewidth=1.0)
        _errorbar(axes, rows, colour, states[state].name(state))
    axes.set_ylabel("temperature (K)")
    legend_over_panel(axes)


def _errorbar(axes: Axes, rows: pd.DataFrame, colour: str, label: str, **style: Any) -> None:
    """Values by iteration, with error bars where errors are known."""
    error = rows.standard_error if rows.standard_error.notna().any() else None
    style = {"fmt": "o-", "markersize": 4, "capsize": 2, "linewidth": 1.3} | style
    axes.errorbar(rows.iteration, rows.value, error, color=colour, label=label, **style)
