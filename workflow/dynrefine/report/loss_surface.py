"""The objective around the path of two parameters, from its values and gradients along the path."""

from collections.abc import Callable

import numpy as np

# Singular value, relative to the largest, below which the points do not determine a combination of coefficients: the
# curvature across a nearly straight path would be noise.
NOTHING_TOLD = 0.1


def fitted_quadratic(
    points: np.ndarray, values: np.ndarray, gradients: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The quadratic function of two variables that best fits values and gradients, in units of the points' spans.

    What the points leave open, such as the curvature across a straight path, stays as small as possible.

    Arguments:
        points: where values and gradients are known [I, 2].
        values: [I].
        gradients: [I, 2].

    Returns:
        the function, from points [..., 2] to values [...].
    """
    origin, span = points.mean(axis=0), np.ptp(points, axis=0)
    span[span == 0.0] = 1.0
    root = np.sqrt(0.5)  # makes the smallest coefficients those of the smallest Hessian matrix

    def terms(points: np.ndarray) -> np.ndarray:
        u, v = np.moveaxis((points - origin) / span, -1, 0)
        return np.stack([np.ones_like(u), u, v, 0.5 * u**2, root * u * v, 0.5 * v**2], axis=-1)

    u, v = ((points - origin) / span).T
    one, nil = np.ones_like(u), np.zeros_like(u)
    along_u = np.stack([nil, one, nil, u, root * v, nil], axis=-1)
    along_v = np.stack([nil, nil, one, nil, root * u, v], axis=-1)
    coefficients, *_ = np.linalg.lstsq(
        np.concatenate([terms(points), along_u, along_v]),
        np.concatenate([values, *(gradients * span).T]),
        rcond=NOTHING_TOLD,
    )
    return lambda points: terms(points) @ coefficients
