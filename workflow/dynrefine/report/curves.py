"""The chapters that are mostly figures: the refinement, and curves before and after."""

from collections.abc import Iterator, Mapping, Sequence

from dynrefine.config.properties.base import Band
from dynrefine.files.curves import Curve
from dynrefine.report import tables
from dynrefine.report.blocks import Chapter, Folded, Picture, listed, picture
from dynrefine.report.figures import (
    is_measured,
    parameters_figure,
    refinement_figure,
    spectra_by_iteration_figure,
    spectrum_figure,
    values_by_iteration_figure,
)
from dynrefine.report.formatting import in_words, value_with_error
from dynrefine.report.results import Results

_SHOWN = 12  # longer tables are folded
_BANDS = "Bands show one standard error on either side."


def refinement_chapter(results: Results) -> Chapter:
    """Objective and gradients by iteration."""
    history = results.history
    first, last = history.objective.iloc[0], history.objective.iloc[-1]
    text = (
        f"The objective is the sum of {_weighted_terms(results)}. It went from "
        f"{value_with_error(first.value, first.standard_error)} at iteration {first.iteration} to "
        f"{value_with_error(last.value, last.standard_error)} at iteration {last.iteration}. "
        f"{_passed_through(results.passed_through)}"
    )
    caption = (
        "The objective and its terms before weighting, the norms of the gradient and its parts, the effective sample "
        "size and the temperatures (dashed: set values). Error bars are one standard error; for the gradient, the "
        "norm of the standard errors of its components. Each point belongs to the potential at the start of the "
        "iteration, so the effect of the last step shows only in the validation."
    )
    losses = tables.losses_table(history, results.state_names)
    blocks = [
        picture(refinement_figure(history, results.campaign.states_by_label()), caption),
        *_values_by_iteration(results),
        *_parameters(results),
        losses if len(losses.rows) <= _SHOWN else Folded("Table of the losses", losses),
        Folded("Table of gradients and controls", tables.history_table(history, results.state_names)),
    ]
    return Chapter("refinement", "Objective and gradients by iteration", text, blocks)


def spectra_chapter(results: Results) -> Chapter:
    """Spectra, correlations and structure before and after, and as measured where there is a measurement."""
    properties, blocks = results.campaign.all_properties(), []
    for initial, refined in results.before_and_after():
        if _is_number(initial):
            continue
        bands = properties[initial.name].compared_bands if initial.name in properties else []
        ranges = results.drawn_ranges(initial.name)
        title = _title(initial, results)
        reference = results.reference(initial.name)
        below = f"; below, the difference from the {reference} curve" if is_measured(initial) else ""
        caption = f"{title}: from the validation runs{below}. {_BANDS}"
        figure = spectrum_figure({"initial": initial, "refined": refined}, ranges, reference)
        blocks.append(picture(figure, f"{caption} {_weighted_bands(bands)}"))
        spectra = _by_iteration(results, initial.name, initial.state)
        if spectra:
            figure = spectra_by_iteration_figure(spectra, ranges, reference)
            blocks.append(picture(figure, f"{title}: by iteration, from the shorter runs of the refinement."))
    return Chapter("spectra", "Spectra, correlations and structure", "", blocks)


def _weighted_terms(results: Results) -> str:
    objective = results.campaign.objective
    terms = []
    for name, chosen in objective.observables.chosen().items():
        own = ", ".join(f"{weight:g} at {state}" for state, weight in chosen.weights.items())
        terms.append(f"{chosen.weight:g}{f' ({own})' if own else ''} times the {name} loss")
    if results.campaign.dataset is not None:
        terms.append(f"{objective.anchor.weight:g} times the anchor to the ab initio frames")
    for name, refined in results.campaign.optimiser.surfaces.items():
        terms.append(f"{refined.anchor_weight:g} times that of the {name}")
    return listed(terms)


def _passed_through(iterations: Sequence[int]) -> str:
    if not iterations:
        return ""
    if len(iterations) == 1:
        return f"Iteration {iterations[0]} was skipped because the refinement had converged, and is left out."
    ends = f"Iterations {iterations[0]} to {iterations[-1]}"
    return f"{ends} were skipped because the refinement had converged, and are left out."


def _weighted_bands(bands: Sequence[Band]) -> str:
    if not bands:
        return ""
    parts = [f"{band.range[0]:g} to {band.range[1]:g} (weight {band.weight:g})" for band in bands]
    return f"The loss covers {listed(parts)}."


def _values_by_iteration(results: Results) -> Iterator[Picture]:
    """Fitted properties that are a single number."""
    first = next(iter(results.objectives.values()))
    for state, evaluated in first.states.items():
        for name in evaluated.evaluations:
            comparisons = _by_iteration(results, name, state)
            curve = next(iter(comparisons.values()))
            if _is_number(curve):
                figure = values_by_iteration_figure(comparisons, results.reference(name))
                yield picture(figure, f"{_title(curve, results)}, by iteration.")


def _parameters(results: Results) -> Iterator[Picture]:
    """The parameters of a potential that has few of them."""
    if len(results.history.of_role("parameter")):
        caption = (
            "Parameters at the start of each iteration. The colour of the points on their path is the objective. The "
            "contours show the quadratic surface that best fits the objective and its gradients along the path."
        )
        yield picture(parameters_figure(results.history), caption)


def _by_iteration(results: Results, name: str, state: str) -> Mapping[int, Curve]:
    """A fitted property of a state beside its measurement, by iteration; empty where it was not fitted."""
    return {
        number: objective.comparison(name, state)
        for number, objective in results.objectives.items()
        if state in objective.states and name in objective.states[state].evaluations
    }


def _is_number(curve: Curve) -> bool:
    return len(curve.columns["abscissa"]) == 1


def _title(curve: Curve, results: Results) -> str:
    return f"{in_words(curve.name)}, {results.state_names[curve.state]}"
