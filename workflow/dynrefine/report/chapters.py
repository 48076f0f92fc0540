"""The chapters of the report; those that do not apply to a campaign are left out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dynrefine.config.model import Config
from dynrefine.files.history import TIME_PER_STEP
from dynrefine.report import tables
from dynrefine.report.blocks import Chapter, Folded, Picture, Tile, listed, picture
from dynrefine.report.comparison import Change
from dynrefine.report.curves import refinement_chapter, spectra_chapter
from dynrefine.report.determination import determination_chapter
from dynrefine.report.figures import dataset_figure, horizon_figure, timings_figure, training_figure
from dynrefine.report.formatting import duration, number, percent, value_with_error
from dynrefine.report.quantum import quantum_chapter
from dynrefine.report.results import STAGES, Results
from dynrefine.report.teacher import synthetic_sentence, teacher_chapter


def all_chapters(results: Results, compared: Sequence[Change]) -> list[Chapter]:
    """The chapters of a campaign in the order of the page.

    Arguments:
        results: of the campaign.
        compared: all properties before and after.
    """
    chapters = [
        _properties(compared, synthetic_sentence(results)),
        teacher_chapter(results),
        refinement_chapter(results),
        spectra_chapter(results),
        determination_chapter(results),
        quantum_chapter(results),
        _ab_initio_errors(results),
        _gradient_check(results),
        _horizon(results),
        _training(results),
        _timings(results),
    ]
    return [chapter for chapter in chapters if chapter.blocks]


def tiles(results: Results, compared: Sequence[Change]) -> list[Tile]:
    """The numbers at the head of the page.

    Arguments:
        results: of the campaign.
        compared: all properties before and after.
    """
    losses = [change for change in compared if change.fitted and change.is_loss]
    before, after = (force_error(results, stage) for stage in STAGES)
    optimiser, passed_through = results.campaign.optimiser, len(results.passed_through)
    method = f"{optimiser.name}, learning rate {optimiser.learning_rate:g}"
    if optimiser.name == "natural":
        method = f"natural gradient, steps up to {optimiser.force_change:g} meV/Å"
    if optimiser.averaged > 1:
        method += f"; mean of the last {optimiser.averaged} potentials"
    chosen = [
        *(_loss_tile(change) for change in losses),
        *(_force_tile(*errors) for errors in [(before, after)] if np.isfinite(errors).all()),
        Tile(
            "iterations",
            str(len(results.history.iterations)),
            method + (f"; {passed_through} more skipped after convergence" if passed_through else ""),
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
    """Root mean square error of the forces on the test frames, meV/Å; NaN where there is none."""
    table = results.errors[stage]
    forces = table.value[table.quantity == "force"]
    return float(forces.iloc[0]) if len(forces) else float("nan")


def _loss_tile(change: Change) -> Tile:
    values = f"{value_with_error(*change.before)} → {value_with_error(*change.after)}"
    size = change.standard_errors
    note = f"{abs(size):.1f} standard errors" if np.isfinite(size) else "without error bar"
    return Tile(f"{change.name}, {change.state_name}", values, note)


def _properties(compared: Sequence[Change], synthetic: str) -> Chapter:
    text = (
        "From the validation: runs that the refinement did not use, with other random numbers. Numbers in brackets "
        "are standard errors of the last digits. The change is given in standard errors of the difference; less than "
        "two counts as noise."
    )
    if synthetic:
        text += f" In the column of measured values, {synthetic}."
    blocks = [tables.properties_table(compared)] if compared else []
    return Chapter("properties", "Properties before and after", text, blocks)


def _ab_initio_errors(results: Results) -> Chapter:
    text = "How much agreement with the ab initio data the refinement cost."
    table = tables.errors_table(*(results.errors[stage] for stage in STAGES))
    return Chapter("errors", "Ab initio errors", text, [table] if table.rows else [])


def _gradient_check(results: Results) -> Chapter:
    check = results.gradient_check
    if not len(check):
        return Chapter("gradient-check", "The gradient check", "", [])
    text = " ".join(
        _checked_in(str(precision), rows) for precision, rows in check.groupby("precision", sort=False)
    )
    blocks = [tables.gradient_check_table(check)]
    total = results.total_derivative
    if len(total):
        largest = number(total.standard_errors.abs().max(), 2)
        text += (
            " The gradients of the first iteration agree with the change of the losses between independent "
            f"ensembles within {largest} standard errors."
        )
        blocks.append(tables.total_derivative_table(total))
    return Chapter("gradient-check", "The gradient check", text, blocks)


def _checked_in(precision: str, rows: pd.DataFrame) -> str:
    """What the check found in one precision, as a sentence."""
    largest = rows.groupby("comparison").relative_error.max()
    words = {
        "backpropagation": "the adjoint gradient's relative difference from backpropagation through every step is {}",
        "central difference": "its largest relative difference from central differences is {}",
        "reversal": "reversed trajectories return to within {} Å of their starting points",
    }
    found = [text.format(number(largest[name], 2)) for name, text in words.items() if name in largest]
    return f"In {precision}, {listed(found)}."


def _horizon(results: Results) -> Chapter:
    table = results.horizon
    if not len(table):
        return Chapter("horizon", "The depth of the gradient", "", [])
    settings = results.campaign.gradient.horizon
    chosen = table[table.chosen].iloc[0]
    text = (
        f"A pilot run with {settings.replicas} starting points followed the gradient through the trajectories to "
        f"{len(table)} depths. The adjoint goes {chosen.depth_fs:g} fs deep, where signal to noise is "
        f"{number(chosen.signal_to_noise)} (threshold: {settings.threshold:g}). At the largest depth, the logarithm "
        "of the gradients of single trajectories grows by "
        f"{number(1e3 * table.growth_rate_per_fs.iloc[-1])} per ps."
    )
    caption = (
        "Left: norm of the mean gradient, norm of its standard errors, and spread of the gradients of single "
        "starting points, with outliers shortened (optimiser.outlier_limit). Right: signal to noise, with the "
        "threshold (dashed) and the chosen depth (circle)."
    )
    figure = picture(horizon_figure(table, settings.threshold), caption)
    return Chapter("horizon", "The depth of the gradient", text, [figure])


def _training(results: Results) -> Chapter:
    if not results.trainings and not len(results.frames):
        return Chapter("training", "Data set and training", "", [])
    read = [_frames_read(results.frames)] if len(results.frames) else []
    read += [f"For the {name} alone, {_frames_read(frames)}" for name, frames in results.own_frames.items()]
    text = " ".join(read) + levels_of_theory(results.campaign, list(results.trainings))
    blocks: list[Picture | tables.Table | Folded] = []
    if len(results.frames):
        caption = "Every frame, coloured by its part of the data set."
        blocks = [tables.dataset_table(results.summary), picture(dataset_figure(results.frames), caption)]
    if results.trainings:
        errors = {name: training.errors for name, training in results.trainings.items()}
        blocks.append(tables.training_table(errors))
    for name, training in results.trainings.items():
        caption = f"Training of the {name}: learning curve, and predictions against labels."
        blocks.append(picture(training_figure(training.learning_curve, training.parity), caption))
    return Chapter("training", "Data set and training", text, blocks)


def _frames_read(frames: pd.DataFrame) -> str:
    """A sentence on how many frames of a data set were read, and why some were left out."""
    reasons = frames.reason[frames.verdict == "removed"].value_counts()
    removed = [f"{reason} ({count})" for reason, count in reasons.items()]
    left_out = f"{reasons.sum()} left out: {listed(removed)}." if removed else "none left out."
    return f"{len(frames)} frames were read, with {left_out}"


def levels_of_theory(campaign: Config, surfaces: Sequence[str]) -> str:
    """Levels of theory, as sentences, where surfaces have data sets of their own; else an empty text.

    Arguments:
        campaign: its configuration.
        surfaces: names of those that were trained.
    """
    own = {name: each.dataset for name, each in campaign.surfaces.items() if each.dataset}
    if not own.keys() & set(surfaces):
        return ""
    datasets = {name: own.get(name, campaign.dataset) for name in surfaces}
    levels = {name: (dataset and dataset.level) or "not stated" for name, dataset in datasets.items()}
    stated = listed([f"{name} ({level})" for name, level in levels.items()])
    text = f" Some surfaces have data sets of their own. The levels of theory are: {stated}."
    if len(set(levels.values())) > 1 or "not stated" in levels.values():
        text += (
            " They differ or are not all stated: the potential decides where bands lie, other surfaces how strong "
            "they are."
        )
    return text


def _timings(results: Results) -> Chapter:
    if not len(results.timings):
        return Chapter("timings", "Timings", "", [])
    cost = results.history.by_quantity("control")[TIME_PER_STEP, ""].value.median()
    text = f"The adjoint took {number(cost)} ms per time step and replica." if np.isfinite(cost) else ""
    bars = picture(timings_figure(results.timings), "Total wall time of the jobs of each rule.")
    return Chapter("timings", "Timings", text, [bars, tables.timings_table(results.timings)])
