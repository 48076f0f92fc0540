"""Steps of a quasi-Newton method with whole matrices, beside which those of products are tested."""

from collections.abc import Sequence

import numpy as np


def dense_step(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], gradient: np.ndarray, metric: np.ndarray, radius: float
) -> np.ndarray:
    """By BFGS (Nocedal & Wright, Numerical Optimization, eq. 6.17) from sᵀ M s / sᵀ y M⁻¹ of the last pair.

    Arguments:
        pairs: earlier steps s [P] and changes y of the gradient along them, sᵀ y > 0.
        gradient: at the step's beginning [P].
        metric: M [P, P].
        radius: longest step by the metric; the first one is that long.
    """
    inverse = np.linalg.inv(metric)
    if pairs:
        step, change = pairs[-1]
        inverse = inverse * (step @ metric @ step) / (step @ change)
    for step, change in pairs:
        left = np.eye(len(gradient)) - np.outer(step, change) / (step @ change)
        inverse = left @ inverse @ left.T + np.outer(step, step) / (step @ change)
    whole = -inverse @ gradient
    longest = radius / np.sqrt(whole @ metric @ whole)
    return whole * (min(longest, 1.0) if pairs else longest)
