"""Figures of the refinement: objective and gradient by iteration, and what the jobs cost."""

from collections.abc import Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dynrefine.report.figures.style import (
    FAINT,
    INK,
    MEASURED,
    REFINED,
    SERIES,
    legend_over_panel,
    new_figure,
    styled,
)
from dynrefine.report.formatting import state_name
from dynrefine.report.loss_surface import fitted_quadratic


@styled
def refinement_figure(
    history: pd.DataFrame, observables: Sequence[str], temperatures: dict[str, float]
) -> Figure:
    """Losses, gradient norms, effective sample size and temperatures by iteration.

    Arguments:
        history: a row per iteration, see `update_potential`; without the iterations that passed through.
        observables: names of the fitted properties.
        temperatures: of the states by their labels, K.
    """
    figure = new_figure(5.4)
    (losses, gradients), (samples, thermometer) = figure.subplots(2, 2, sharex=True)
    _draw_losses(losses, history, list(product(temperatures, observables)))
    _draw_gradients(gradients, history)
    samples.plot(history.iteration, history.effective_sample_size, "o-", color=INK, markersize=4)
    samples.set(ylabel="effective sample size\n(fraction of the replicas)", ylim=(0.0, 1.05))
    _draw_temperatures(thermometer, history, temperatures)
    for axes in (samples, thermometer):
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def values_by_iteration_figure(
    iterations: Sequence[int],
    values: np.ndarray,
    errors: np.ndarray,
    target: float,
    label: str,
) -> Figure:
    """How a fitted number moved from iteration to iteration.

    Arguments:
        iterations: their numbers [I].
        values: [I], in the unit of the label.
        errors: standard errors [I].
        target: the measured number.
        label: of the number.
    """
    figure = new_figure(2.8)
    axes = figure.subplots()
    axes.axhline(target, color=MEASURED, linestyle="--", linewidth=1.3, label="measured")
    axes.errorbar(
        iterations, values, errors, fmt="o-", color=REFINED, markersize=4, capsize=2, label="simulated"
    )
    axes.set(xlabel="iteration", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


@styled
def parameters_figure(history: pd.DataFrame) -> Figure:
    """The named parameters by iteration, and for two of them their path over the objective.

    Arguments:
        history: a row per iteration with columns "parameter_<name>", in the units inside, and for the contours
            "derivative_<name>".
    """
    columns = parameters_of(history)
    figure = new_figure(2.9)
    panels = figure.subplots(1, len(columns) + (len(columns) == 2), squeeze=False)[0]
    for axes, (column, label) in zip(panels, columns.items(), strict=False):
        axes.plot(history.iteration, history[column], "o-", color=REFINED, markersize=4)
        axes.set(xlabel="iteration", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(columns) == 2:
        (second, second_label), (first, first_label) = columns.items()
        panels[-1].plot(history[first], history[second], "-", color=FAINT, linewidth=1.0)
        points = panels[-1].scatter(
            history[first], history[second], c=history.total, s=22, cmap="viridis_r", zorder=3
        )
        panels[-1].set(xlabel=first_label, ylabel=second_label)
        if len(history) >= 3:
            _draw_loss_surface(panels[-1], history, first, second)
        figure.colorbar(points, ax=panels[-1], label="objective")
    return figure


def _draw_loss_surface(axes: Axes, history: pd.DataFrame, first: str, second: str) -> None:
    """Contours of the objective as far as the axes reach."""
    derivatives = [column.replace("parameter_", "derivative_") for column in (first, second)]
    surface = fitted_quadratic(
        history[[first, second]].to_numpy(), history.total.to_numpy(), history[derivatives].to_numpy()
    )
    ranges = [np.linspace(*limits, 80) for limits in (axes.get_xlim(), axes.get_ylim())]
    grid = np.stack(np.meshgrid(*ranges), axis=-1)
    objective = surface(grid)
    # Levels as squares: where the objective is a squared deviation, its contours are evenly spaced.
    levels = objective.min() + np.ptp(objective) * (np.arange(1, 10) / 10) ** 2
    style: dict[str, Any] = {"colors": FAINT, "linewidths": 0.6, "linestyles": "solid", "zorder": 1}
    axes.contour(*ranges, objective, levels=levels, **style)


def parameters_of(history: pd.DataFrame) -> dict[str, str]:
    """The columns of a history that are parameters, with labels for axes."""
    names = {"sigma": "σ (Å)", "epsilon": "ε (eV)"}
    columns = [column for column in history if column.startswith("parameter_")]
    return {
        column: names.get(column.removeprefix("parameter_"), column.removeprefix("parameter_"))
        for column in columns
    }


@styled
def timings_figure(timings: pd.DataFrame) -> Figure:
    """Wall time of all jobs of each rule.

    Arguments:
        timings: rule, jobs, wall_total (s), in the order they are drawn from above.
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


def _draw_losses(axes: Axes, history: pd.DataFrame, terms: list[tuple[str, str]]) -> None:
    """The terms are a state and an observable each; states are named where there are several."""
    # rings, since where one term outweighs all others the two coincide
    _errorbar(axes, history, "total", INK, "objective", markersize=6.5, markerfacecolor="none")
    several = len({state for state, _ in terms}) > 1
    for (state, observable), colour in zip(terms, cycle(SERIES), strict=False):
        label = f"{observable}, {state_name(state)}" if several else observable
        _errorbar(axes, history, f"{observable}_{state}", colour, label)
    if "anchor" in history:
        _errorbar(axes, history, "anchor", FAINT, "anchor")
    axes.set(ylabel="loss", ylim=(0.0, None))
    legend_over_panel(axes)


def _draw_gradients(axes: Axes, history: pd.DataFrame) -> None:
    _errorbar(axes, history, "gradient_norm", INK, "whole")
    parts = {"trajectory": SERIES[2], "ensemble": SERIES[3]}
    if "anchor" in history:
        parts["anchor"] = FAINT
    for part, colour in parts.items():
        _errorbar(axes, history, f"{part}_norm", colour, part)
    axes.set(ylabel="norm of the gradient", yscale="log")
    legend_over_panel(axes)


def _draw_temperatures(axes: Axes, history: pd.DataFrame, temperatures: dict[str, float]) -> None:
    for (state, wanted), colour in zip(temperatures.items(), cycle(SERIES), strict=False):
        axes.axhline(wanted, color=colour, linestyle="--", linewidth=1.0)
        _errorbar(axes, history, f"temperature_{state}", colour, state_name(state))
    axes.set_ylabel("temperature (K)")
    legend_over_panel(axes)


def _errorbar(axes: Axes, history: pd.DataFrame, column: str, colour: str, label: str, **style: Any) -> None:
    """A column by iteration, with its error where the history holds one."""
    error = history.get(f"{column}_error")
    style = {"fmt": "o-", "markersize": 4, "capsize": 2, "linewidth": 1.3} | style
    axes.errorbar(history.iteration, history[column], error, color=colour, label=label, **style)
