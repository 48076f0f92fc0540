"""The gradient against independent ensembles on either side of a parameter.

The derivative of an ensemble average has two parts, through the trajectories and through the probability of their
starting points. The difference between ensembles sampled anew at displaced parameters knows of neither and holds
both, so that agreement within the statistical errors shows that nothing is missing.
"""

from typing import Any

import numpy as np
import pandas as pd

from dynrefine.files.history import History
from dynrefine.statistics import weighted_sum


def compare_with_ensembles(
    first: History, parameter: str, displacement: float, above: pd.DataFrame, below: pd.DataFrame
) -> dict[str, Any]:
    """The derivative of the objective by a parameter, by the gradient and by the difference of two ensembles.

    Arguments:
        first: the first iteration of the refinement.
        parameter: its name.
        displacement: of the parameter to either side, in its unit.
        above: table of the objective there.
        below: table of the objective on the other side.

    Returns:
        parameter, unit (of the derivatives), gradient, gradient_error, difference, difference_error and
        standard_errors, how far both are apart.
    """
    (upper, upper_error), (lower, lower_error) = (
        weighted_sum(table.loss, table.standard_error, table.weight) for table in (above, below)
    )
    difference = (upper - lower) / (2.0 * displacement)
    error = np.hypot(upper_error, lower_error) / (2.0 * displacement)
    derivatives = first.of_role("derivative")
    own = derivatives[derivatives.quantity == parameter].iloc[0]
    return {
        "parameter": parameter,
        "unit": own.unit,
        "gradient": own.value,
        "gradient_error": own.standard_error,
        "difference": difference,
        "difference_error": error,
        "standard_errors": (own.value - difference) / np.hypot(own.standard_error, error),
    }
