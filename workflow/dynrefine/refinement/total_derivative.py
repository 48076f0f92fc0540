"""The gradient against independent ensembles on either side of a parameter.

The derivative of an ensemble average has two parts, through the trajectories and through the probability of their
starting points. The difference between ensembles sampled anew at displaced parameters knows of neither and holds
both, so that agreement within the statistical errors shows that nothing is missing.
"""

from typing import Any

import numpy as np
import pandas as pd

from dynrefine.refinement.history import terms


def compare_with_ensembles(
    first: pd.Series, parameter: str, displacement: float, above: pd.DataFrame, below: pd.DataFrame
) -> dict[str, Any]:
    """The derivative of the objective by a parameter, by the gradient and by the difference of two ensembles.

    Arguments:
        first: row of the refinement's history for its first iteration.
        parameter: its name.
        displacement: of the parameter to either side, in its unit.
        above: table of the objective there.
        below: table of the objective on the other side.

    Returns:
        parameter, gradient, gradient_error, difference, difference_error (1 by the parameter's unit) and
        standard_errors, how far both are apart.
    """
    upper, lower = (terms(table, None, 0.0) for table in (above, below))
    difference = (upper["total"] - lower["total"]) / (2.0 * displacement)
    error = np.hypot(upper["total_error"], lower["total_error"]) / (2.0 * displacement)
    gradient, own_error = first[f"derivative_{parameter}"], first[f"derivative_{parameter}_error"]
    return {
        "parameter": parameter,
        "gradient": gradient,
        "gradient_error": own_error,
        "difference": difference,
        "difference_error": error,
        "standard_errors": (gradient - difference) / np.hypot(own_error, error),
    }
