"""The sections of the report; what a campaign does not have is left out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dynrefine.report import tables
from dynrefine.report.blocks import Section, Tile, listed, picture
from dynrefine.report.comparison import Change
from dynrefine.report.curves import refinement_section, spectra_section
from dynrefine.report.figures import dataset_figure, horizon_figure, timings_figure, training_figure
from dynrefine.report.formatting import duration, number, percent, state_name, value_with_error
from dynrefine.report.results import STAGES, Results


def all_sections(results: Results, compared: Sequence[Change]) -> list[Section]:
    """The sections of a campaign in the order of the page.

    Arguments:
        results: of the campaign.
        compared: all properties before and after.
    """
    sections = [
        _properties(compared),
        refinement_section(results),
        spectra_section(results),
        _ab_initio_errors(results),
        _gradient_check(results),
        _horizon(results),
        _training(results),
        _timings(results),
    ]
    return [section for section in sections if section.blocks]


def tiles(results: Results, compared: Sequence[Change]) -> list[Tile]:
    """The numbers at the head of the page.

    Arguments:
        results: of the campaign.
        compared: all properties before and after.
    """
    losses = [change for change in compared if change.fitted and change.is_loss]
    before, after = (force_error(results, stage) for stage in STAGES)
    settings, passed_through = results.settings["optimiser"], len(results.passed_through)
    method = f"{settings['name']}, learning rate {settings['learning_rate']:g}"
    if settings["name"] == "natural":
        method = f"natural gradient, {settings['force_change']:g} meV/Å"
    chosen = [
        *(_loss_tile(change) for change in losses),
        *(_force_tile(*errors) for errors in [(before, after)] if np.isfinite(errors).all()),
        Tile(
            "iterations",
            str(len(results.history)),
            method + (f"; {passed_through} more passed through" if passed_through else ""),
        ),
    ]
    if len(results.timings):
        total = duration(results.timings.wall_total.sum())
        chosen.append(Tile("wall time of all jobs", total, f"{results.timings.jobs.sum()} jobs"))
    return chosen


def _force_tile(before: float, after: float) -> Tile:
    values, note = f"{number(before)} → {number(after)}", f"meV/Å, {percent(before, after)}"
    return Tile("force error on the test frames", values, note)


def force_error(results: Results, stage: str) -> float:
    """Root mean square error of the forces on the test frames, meV/Å; NaN where it is not given."""
    table = results.errors[stage]
    forces = table.value[table.quantity == "force"]
    return float(forces.iloc[0]) if len(forces) else float("nan")


def _loss_tile(change: Change) -> Tile:
    values = f"{value_with_error(*change.before)} → {value_with_error(*change.after)}"
    size = change.standard_errors
    note = f"{abs(size):.1f} standard errors" if np.isfinite(size) else "without error bar"
    return Tile(f"{change.name}, {state_name(change.state)}", values, note)


def _properties(compared: Sequence[Change]) -> Section:
    text = (
        "From the validation: runs that the refinement did not see, with other random numbers. In brackets the "
        "standard error of the last digits. The change is given in standard errors of the difference; less than "
        "two count as noise."
    )
    blocks = [tables.properties_table(compared)] if compared else []
    return Section("properties", "Properties before and after", text, blocks)


def _ab_initio_errors(results: Results) -> Section:
    text = "What the refinement cost in agreement with the ab initio data."
    table = tables.errors_table(*(results.errors[stage] for stage in STAGES))
    return Section("errors", "Ab initio errors", text, [table] if table.rows else [])


def _gradient_check(results: Results) -> Section:
    check = results.gradient_check
    if not len(check):
        return Section("gradient-check", "The gradient check", "", [])
    text = " ".join(
        _checked_in(str(precision), rows) for precision, rows in check.groupby("precision", sort=False)
    )
    blocks = [tables.gradient_check_table(check)]
    total = results.total_derivative
    if len(total):
        largest = number(total.standard_errors.abs().max(), 2)
        text += (
            " The gradient of the first iteration agrees with the change of the objective between independent "
            f"ensembles within {largest} standard errors."
        )
        blocks.append(tables.total_derivative_table(total))
    return Section("gradient-check", "The gradient check", text, blocks)


def _checked_in(precision: str, rows: pd.DataFrame) -> str:
    """What the check found in one precision, as a sentence."""
    largest = rows.groupby("comparison").relative_error.max()
    words = {
        "backpropagation": "the adjoint gradient differs from backpropagation through every step by {}",
        "central difference": "from central differences by at most {}",
        "reversal": "reversed trajectories came back to their starting points within {} Å",
    }
    found = [text.format(number(largest[name], 2)) for name, text in words.items() if name in largest]
    return f"In {precision}, {listed(found)}."


def _horizon(results: Results) -> Section:
    table = results.horizon
    if not len(table):
        return Section("horizon", "The depth of the gradient", "", [])
    settings = results.settings["gradient"]["horizon"]
    chosen = table[table.chosen].iloc[0]
    text = (
        f"A pilot of {settings['replicas']} starting points followed the gradient through the trajectories to "
        f"{len(table)} depths; the adjoint goes {chosen.depth_fs:g} fs deep, where signal to noise is "
        f"{number(chosen.signal_to_noise)} (asked for: {settings['threshold']:g}). At the largest depth "
        f"the gradients of single trajectories grow by {number(1e3 * table.growth_rate_per_fs.iloc[-1])} per ps in "
        "their logarithm."
    )
    caption = (
        "Left: norm of the mean gradient, norm of its standard errors, and spread of the gradients of single "
        "starting points, wild ones shortened (optimiser.outlier_limit). Right: signal to noise; dashed what was "
        "asked for, the circle marks the chosen depth."
    )
    figure = picture(horizon_figure(table, settings["threshold"]), caption)
    return Section("horizon", "The depth of the gradient", text, [figure])


def _training(results: Results) -> Section:
    if not len(results.frames):
        return Section("training", "Data set and training", "", [])
    reasons = results.frames.reason[results.frames.verdict == "removed"].value_counts()
    removed = [f"{reason} ({count})" for reason, count in reasons.items()]
    text = f"{len(results.frames)} frames were read, "
    text += f"{reasons.sum()} were left out: {listed(removed)}." if removed else "none were left out."
    blocks = [
        tables.dataset_table(results.summary),
        picture(dataset_figure(results.frames), "Every frame, by the part of the data set it belongs to."),
        tables.training_table({name: surface.errors for name, surface in results.surfaces.items()}),
    ]
    for name, surface in results.surfaces.items():
        caption = f"Training of the {name}: learning curve, and predictions against labels."
        blocks.append(picture(training_figure(surface.learning_curve, surface.parity.arrays), caption))
    return Section("training", "Data set and training", text, blocks)


def _timings(results: Results) -> Section:
    if not len(results.timings):
        return Section("timings", "Timings", "", [])
    cost = results.history.milliseconds_per_step.median()
    text = f"The adjoint took {number(cost)} ms per time step and replica." if np.isfinite(cost) else ""
    bars = picture(timings_figure(results.timings), "Wall time of all jobs of each rule.")
    return Section("timings", "Timings", text, [bars, tables.timings_table(results.timings)])
