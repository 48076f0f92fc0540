"""The objective around the path of two parameters, as its values and gradients along the path tell it."""

from collections.abc import Callable

import numpy as np


def fitted_quadratic(
    points: np.ndarray,
    losses: np.ndarray,
    loss_errors: np.ndarray,
    gradients: np.ndarray,
    gradient_errors: np.ndarray,
) -> Callable[[np.ndarray], np.ndarray]:
    """The quadratic function of two variables nearest to values and gradients, each weighed by its error.

    Three points say more than enough about its six coefficients; what they leave open stays as small as it can.

    Arguments:
        points: where values and gradients are known [I, 2].
        losses, loss_errors: values and their standard errors [I].
        gradients, gradient_errors: likewise [I, 2].

    Returns:
        from points [..., 2] to values [...].
    """
    origin, span = points.mean(axis=0), np.ptp(points, axis=0)
    span[span == 0.0] = 1.0

    def terms(points: np.ndarray) -> np.ndarray:
        u, v = np.moveaxis((points - origin) / span, -1, 0)
        return np.stack([np.ones_like(u), u, v, 0.5 * u**2, u * v, 0.5 * v**2], axis=-1)

    u, v = ((points - origin) / span).T
    one, nil = np.ones_like(u), np.zeros_like(u)
    along_u = np.stack([nil, one, nil, u, v, nil], axis=-1) / span[0]
    along_v = np.stack([nil, nil, one, nil, u, v], axis=-1) / span[1]
    errors = np.concatenate([loss_errors, *gradient_errors.T])
    rows = np.concatenate([terms(points), along_u, along_v]) / errors[:, None]
    values = np.concatenate([losses, *gradients.T]) / errors
    coefficients, *_ = np.linalg.lstsq(rows, values)
    return lambda points: terms(points) @ coefficients
