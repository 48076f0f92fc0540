"""Distances of numbers from their median, in robust standard deviations."""

import numpy as np
from jaxtyping import Float

_OF_NORMAL = 1.4826  # standard deviation of a normal distribution over the median distance from its median


def robust_deviations(values: Float[np.ndarray, " S"], least_spread: float = 0.0) -> Float[np.ndarray, " S"]:
    """Distances from the median in standard deviations, estimated so that outliers do not inflate them.

    The float32 energies of some data sets may agree to the last digit: no spread, no outliers.

    Arguments:
        values: NaN where unknown, without a distance.
        least_spread: lower bound on the standard deviation, in the unit of the values.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros_like(values)
    median = np.median(known)
    spread = max(_OF_NORMAL * np.median(np.abs(known - median)), least_spread)
    return np.abs(values - median) / spread if spread > 0.0 else np.zeros_like(values)
