"""The gradient against independent ensembles on either side of a parameter.

The derivative of an ensemble average has two parts, through the trajectories and through the probability of their
starting points. The difference between ensembles sampled anew at displaced parameters contains both without computing
either, so agreement within the statistical errors shows that nothing is missing.
"""

from typing import Any

import numpy as np
import pandas as pd

from dynrefine.files.history import Entry
from dynrefine.statistics import weighted_sum


def compare_with_ensembles(
    derivative: Entry, displacement: float, above: pd.DataFrame, below: pd.DataFrame
) -> dict[str, Any]:
    """The derivative of an observable's losses by a parameter, beside the difference between two ensembles.

    Arguments:
        derivative: by the parameter, from the gradient.
        displacement: of the parameter to either side, in its unit.
        above: the observable's rows of the table of the objective there, one for each state.
        below: those on the other side.

    Returns:
        parameter, unit (of the derivatives), gradient, gradient_error, difference, difference_error and
        standard_errors: how many of these the two are apart.
    """
    (upper, upper_error), (lower, lower_error) = (
        weighted_sum(table.loss, table.standard_error, table.weight) for table in (above, below)
    )
    difference = (upper - lower) / (2.0 * displacement)
    error = np.hypot(upper_error, lower_error) / (2.0 * displacement)
    return {
        "parameter": derivative.quantity,
        "unit": derivative.unit,
        "gradient": derivative.value,
        "gradient_error": derivative.standard_error,
        "difference": difference,
        "difference_error": error,
        "standard_errors": (derivative.value - difference) / np.hypot(derivative.standard_error, error),
    }
