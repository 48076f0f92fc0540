"""Ratios of labels to what they should be."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Slope:
    """A ratio of labels to what they should be, its standard error, and the correlation of the two."""

    value: float
    error: float
    correlation: float

    def differs(self, width: float) -> bool:
        """Whether the ratio differs from one by more than a width, in logarithms, plus two standard errors."""
        if self.value <= 0.0:
            return self.value + 2.0 * self.error < np.exp(-width)
        return abs(np.log(self.value)) > width + 2.0 * self.error / self.value


def slope_of(x: np.ndarray, y: np.ndarray, free: int | None = None) -> Slope:
    """y over x by least squares through the origin.

    Arguments:
        x, y: N numbers each.
        free: remaining degrees of freedom; N - 1 by default.
    """
    xx, yy, xy = x @ x, y @ y, x @ y
    free = len(x) - 1 if free is None else free
    if xx == 0.0 or yy == 0.0 or free < 1:
        return Slope(0.0, np.inf, 0.0)
    left = max(0.0, yy - xy**2 / xx)
    return Slope(xy / xx, float(np.sqrt(left / free / xx)), xy / np.sqrt(xx * yy))
