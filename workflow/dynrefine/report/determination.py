"""The chapter on how well the measurements determine the parameters."""

import numpy as np
import pandas as pd

from dynrefine.files.tables import rows_of
from dynrefine.report.blocks import Chapter, listed, picture
from dynrefine.report.figures import covariance_figure
from dynrefine.report.formatting import measured_beside, number, unit_name, value_with_error
from dynrefine.report.results import Results
from dynrefine.report.tables import Table

# Uncertainty of a combination, relative to that before the fit, above which it counts as degenerate.
_UNDETERMINED = 0.5


def determination_chapter(results: Results) -> Chapter:
    """How well parameters and properties are known, or properties alone, from potentials drawn at random."""
    title = "determination", "What the data determine"
    if len(results.left_open):
        table = results.left_open
        return Chapter(*title, _of_drawn(table), [left_open_table(table, results.state_names)])
    table = results.covariance
    if not len(table):
        return Chapter(*title, "", [])
    text = (
        f"This is how well the measurements of {_fitted(results.sensitivities)} determine the parameters, given the "
        "derivatives of the properties with the refined potential and the errors of the measurements and the "
        "simulation. Before the fit, each parameter is taken as known to within its own size. "
        + _worst_direction(table)
    )
    parameters = list(dict.fromkeys(table.parameter))
    caption = (
        "Ellipses of one and two standard errors for pairs of parameters; the cross marks the refined values."
    )
    figures = [picture(covariance_figure(table), caption)] if len(parameters) > 1 else []
    return Chapter(
        *title,
        text,
        [*figures, parameters_table(table), left_errors_table(results.sensitivities, results.state_names)],
    )


def _fitted(table: pd.DataFrame) -> str:
    return listed(sorted(set(table.property[table.fitted])))


def _of_drawn(table: pd.DataFrame) -> str:
    """What the table of drawn potentials shows, as sentences."""
    return (
        "Potentials were drawn at random around the refined one, with forces that differ from its forces by as much "
        "as those are wrong on the ab initio test frames. The spread of their properties shows what the frames leave "
        f"open. What remains of it once {_fitted(table)} must agree with measurement, to within the errors, is still "
        "undecided: a new measurement would tell most where it is large. All changes are taken as linear around the "
        "refined potential."
    )


def directions(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Relative uncertainties of the uncorrelated combinations of parameters, rising, and these as rows."""
    names = list(dict.fromkeys(table.parameter))
    covariance = table.pivot(index="parameter", columns="other", values="covariance")
    values = table.drop_duplicates("parameter").set_index("parameter").value[names]
    sizes = np.where(values == 0.0, 1.0, np.abs(values))
    squared, columns = np.linalg.eigh(covariance.loc[names, names] / np.outer(sizes, sizes))
    return np.sqrt(squared), columns.T


def _worst_direction(table: pd.DataFrame) -> str:
    """A sentence on the combination of parameters that the data determine least."""
    names = list(dict.fromkeys(table.parameter))
    uncertainties, rows = directions(table)
    weights = rows[-1] * np.sign(rows[-1][np.argmax(np.abs(rows[-1]))])
    combination = " ".join(
        f"{'+' if weight > 0 else '−'} {abs(weight):.2f} Δ{name}/{name}"
        for name, weight in zip(names, weights, strict=True)
        if abs(weight) >= 0.05
    ).removeprefix("+ ")
    known = f"{number(100.0 * uncertainties[-1], 2)} %"
    if uncertainties[-1] > _UNDETERMINED:
        return f"The combination {combination} is degenerate: the data determine it only to {known}."
    if len(names) == 1:
        return ""
    best = f"{number(100.0 * uncertainties[0], 2)} %"
    return f"The least well determined combination, {combination}, is known to {known}, the best to {best}."


def parameters_table(table: pd.DataFrame) -> Table:
    """The parameters with their uncertainties, and the correlation of each with the others.

    Arguments:
        table: see `dynrefine.refinement.covariance.Determination.pairs`.
    """
    names = list(dict.fromkeys(table.parameter))
    correlations = table.pivot(index="parameter", columns="other", values="correlation")
    rows = [
        (
            row.parameter,
            unit_name(row.unit),
            value_with_error(row.value, row.uncertainty),
            value_with_error(row.uncertainty, row.uncertainty_error),
            *(f"{correlations.loc[row.parameter, other]:+.3f}".replace("-", "−") for other in names),
        )
        for row in rows_of(table.drop_duplicates("parameter"))
    ]
    header = ("parameter", "unit", "refined", "uncertainty", *(f"correlation with {name}" for name in names))
    caption = "Uncertainties left by the fitted measurements, with their own statistical errors in brackets."
    return Table(header, rows, (False, False, *[True] * (len(names) + 2)), caption)


def left_errors_table(table: pd.DataFrame, states: dict[str, str]) -> Table:
    """Single-number properties, with the errors that come from the parameters.

    Arguments:
        table: see `dynrefine.refinement.covariance.Determination.sensitivities`.
        states: their names by their labels.
    """
    caption = (
        "Errors of the properties due to the uncertainty of the parameters, beside their statistical errors."
    )
    points = table[table.parameter == table.parameter.iloc[0]]
    return _numbers_table(points, states, {"error from the parameters": "parameter_error"}, caption)


def left_open_table(table: pd.DataFrame, states: dict[str, str]) -> Table:
    """Single-number properties, with what the frames and the fitted measurements leave open of them.

    Arguments:
        table: see `dynrefine.refinement.drawn_potentials.spread`.
        states: their names by their labels.
    """
    caption = (
        "Uncertainties of the properties left by the ab initio frames alone, and by the frames together with the "
        "fitted measurements. For curves, see validation/refined/left_open.csv."
    )
    columns = {"left open by the frames": "beforehand", "left open by frames and fit": "left"}
    return _numbers_table(table, states, columns, caption)


def _numbers_table(
    points: pd.DataFrame, states: dict[str, str], errors: dict[str, str], caption: str
) -> Table:
    """Single-number properties, with the errors in these columns, by their headings."""
    numbers = points[points.groupby(["property", "state"]).property.transform("size") == 1]
    rows = [
        (
            row.property + (" (fitted)" if row.fitted else ""),
            states[row.state],
            unit_name(row.unit),
            value_with_error(row.value, row.standard_error),
            *(number(getattr(row, column), 2) for column in errors.values()),
            measured_beside(row.target, row.target_error, row.standard_error),
        )
        for row in rows_of(numbers)
    ]
    header = ("property", "state", "unit", "simulated", *errors, "measured")
    return Table(header, rows, (False, False, False, *[True] * (len(errors) + 2)), caption)
