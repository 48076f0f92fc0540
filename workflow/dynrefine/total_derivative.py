"""The gradient against independent ensembles on either side of a parameter.

The derivative of an ensemble average has two parts, through the trajectories and through the probability of their
starting points. The difference between ensembles sampled anew at displaced parameters knows of neither and holds
both, so that agreement within the statistical errors shows that nothing is missing.
"""

from collections.abc import Iterable, Mapping

import jax
import numpy as np
import pandas as pd

from dynrefine.models import Model, parameter_name
from dynrefine.update import terms


def displaced(potential: Model, displacement: Mapping[str, float]) -> Model:
    """The potential with other values of its named parameters.

    Arguments:
        potential: whose trainable parameters have names.
        displacement: what is added to them, in their units.
    """
    trainable = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf + displacement.get(parameter_name(path), 0.0),
        potential.parameters["trainable"],
    )
    return potential.with_trainable(trainable)


def compare_with_ensembles(
    first: pd.Series, simulated: Iterable[tuple[Mapping[str, float], pd.DataFrame]]
) -> pd.DataFrame:
    """Derivatives of the objective by the gradient and by central differences of independent ensembles.

    Arguments:
        first: row of the refinement's history for its first iteration.
        simulated: displacement of a single parameter by name, and the table of the objective there; two for each
            parameter, by as much to either side.

    Returns:
        parameter, gradient, gradient_error, difference, difference_error, standard_errors; the last is how far both
        are apart in standard errors. The derivatives are those by a parameter in its unit (Å, eV).
    """
    by_parameter: dict[str, dict[float, dict[str, float]]] = {}
    for displacement, table in simulated:
        ((parameter, amount),) = displacement.items()
        by_parameter.setdefault(parameter, {})[amount] = terms(table, None, 0.0)
    rows = []
    for parameter, sides in by_parameter.items():
        width = 2.0 * max(sides)
        above, below = sides[max(sides)], sides[min(sides)]
        difference = (above["total"] - below["total"]) / width
        error = np.hypot(above["total_error"], below["total_error"]) / width
        gradient, own_error = first[f"derivative_{parameter}"], first[f"derivative_{parameter}_error"]
        rows.append(
            {
                "parameter": parameter,
                "gradient": gradient,
                "gradient_error": own_error,
                "difference": difference,
                "difference_error": error,
                "standard_errors": (gradient - difference) / np.hypot(own_error, error),
            }
        )
    return pd.DataFrame(rows)
