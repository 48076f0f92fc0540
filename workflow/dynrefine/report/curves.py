"""The sections that are mostly figures: the refinement, and curves before and after."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dynrefine.report import tables
from dynrefine.report.blocks import Folded, Picture, Section, listed, picture
from dynrefine.report.figures import (
    is_measured,
    parameters_figure,
    parameters_of,
    refinement_figure,
    spectra_by_iteration_figure,
    spectrum_figure,
    values_by_iteration_figure,
)
from dynrefine.report.formatting import in_words, state_name, value_with_error
from dynrefine.report.results import STAGES, Results

_BANDS = "Bands are one standard error to both sides."


def refinement_section(results: Results) -> Section:
    """Objective and gradients by iteration."""
    history = results.history
    first, last = history.iloc[0], history.iloc[-1]
    text = (
        f"The objective is the sum of {_weighted_terms(results)}. It went from "
        f"{value_with_error(first.total, first.total_error)} at iteration {first.iteration:.0f} to "
        f"{value_with_error(last.total, last.total_error)} at iteration {last.iteration:.0f}. "
        f"{_passed_through(results.passed_through)}"
    )
    caption = (
        "Objective and its terms before weighting, norm of the gradient and of its parts, effective sample size "
        "and temperatures (dashed: wanted), with one standard error; for the gradient that is the norm of the "
        "standard errors of its components. Each point belongs to the potential with which the iteration began; "
        "what the last step came to shows in the validation alone."
    )
    temperatures = {label: state["temperature"] for label, state in results.states.items()}
    blocks = [
        picture(
            refinement_figure(history, list(results.settings["objective"]["observables"]), temperatures),
            caption,
        ),
        *_values_by_iteration(results),
        *_parameters(results),
        Folded("Table of the iterations", tables.history_table(history, "")),
    ]
    return Section("refinement", "Objective and gradients by iteration", text, blocks)


def spectra_section(results: Results) -> Section:
    """Spectra, correlations and structure before, after and, where there is a measurement, as measured."""
    blocks = []
    initial, refined = (results.curves[stage] for stage in STAGES)
    for observable, state in _compared(initial.arrays):
        before, after = (file.group(f"{observable}/{state}") for file in (initial, refined))
        if len(before["abscissa"]) == 1:
            continue
        bands = results.settings["objective"]["observables"].get(observable, {}).get("bands", [])
        ranges = [band["range"] for band in bands]
        title = f"{in_words(observable)}, {state_name(state)}"
        below = ", and below the difference from the measured one" if is_measured(before) else ""
        caption = f"{title}: from the validation runs{below}. {_BANDS}"
        figure = spectrum_figure(before, after, initial.metadata["labels"][observable], ranges)
        blocks.append(picture(figure, f"{caption} {_weighted_bands(bands)}"))
        blocks += _spectra_by_iteration(results, observable, state, ranges)
    return Section("spectra", "Spectra, correlations and structure", "", blocks)


def _weighted_terms(results: Results) -> str:
    objective = results.settings["objective"]
    weights = {f"the {name} loss": chosen["weight"] for name, chosen in objective["observables"].items()}
    if results.settings["dataset"] is not None:
        weights["the anchor to the ab initio frames"] = objective["anchor"]["weight"]
    return listed([f"{weight:g} times {name}" for name, weight in weights.items()])


def _passed_through(iterations: Sequence[int]) -> str:
    if not iterations:
        return ""
    if len(iterations) == 1:
        return f"Iteration {iterations[0]} passed through, the refinement having converged, and is left out."
    ends = f"Iterations {iterations[0]} to {iterations[-1]}"
    return f"{ends} passed through, the refinement having converged, and are left out."


def _weighted_bands(bands: Sequence[Mapping[str, Any]]) -> str:
    if not bands:
        return ""
    parts = [f"{band['range'][0]:g} to {band['range'][1]:g} with weight {band['weight']:g}" for band in bands]
    return f"The objective compares {listed(parts)}."


def _values_by_iteration(results: Results) -> Iterator[Picture]:
    """Fitted properties that are a single number."""
    first = next(iter(results.objectives.values()))
    for observable, state in _compared(first.group("observables")):
        files = [file.group(f"observables/{observable}/{state}") for file in results.objectives.values()]
        if len(files[0]["abscissa"]) == 1:
            values, errors = (
                np.concatenate([file[name] for file in files]) for name in ("prediction", "prediction_error")
            )
            label, target = first.metadata["labels"][observable][1], float(files[0]["target"][0])
            figure = values_by_iteration_figure(list(results.objectives), values, errors, target, label)
            yield picture(figure, f"{in_words(observable)}, {state_name(state)}, by iteration.")


def _parameters(results: Results) -> Iterator[Picture]:
    """The parameters of a potential that has few of them."""
    if parameters_of(results.history):
        caption = (
            "Parameters with which each iteration began; the colour of their path is the objective there, the "
            "contours are the quadratic surface nearest to the objective and its gradients along the path."
        )
        yield picture(parameters_figure(results.history), caption)


def _spectra_by_iteration(
    results: Results, observable: str, state: str, bands: Sequence[Sequence[float]]
) -> Iterator[Picture]:
    name = f"observables/{observable}/{state}"
    files = {number: file for number, file in results.objectives.items() if f"{name}/abscissa" in file.arrays}
    if files:
        first = next(iter(files.values()))
        figure = spectra_by_iteration_figure(
            list(files),
            first.arrays[f"{name}/abscissa"],
            np.stack([file.arrays[f"{name}/prediction"] for file in files.values()]),
            first.arrays[f"{name}/target"],
            first.metadata["labels"][observable],
            bands,
        )
        title = f"{in_words(observable)}, {state_name(state)}"
        yield picture(figure, f"{title}: by iteration, from the shorter runs of the refinement.")


def _compared(arrays: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """Observable and state of all curves that have a target."""
    names = (name.split("/") for name in arrays if name.endswith("/abscissa"))
    return [(observable, state) for observable, state, _ in names]
