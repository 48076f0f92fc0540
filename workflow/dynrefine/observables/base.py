"""What every observable is told, and what it must answer."""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np


@dataclass(frozen=True)
class Conditions:
    """The state that is simulated, and how it is observed.

    Attributes:
        temperature: K.
        volume: of the cell, Å³.
        atoms: in the cell.
        interval: between frames of the series, fs.
        symbols: chemical symbols of the atoms [N].
    """

    temperature: float
    volume: float
    atoms: int
    interval: float
    symbols: tuple[str, ...] = ()


class Observable(Protocol):
    """A property of an ensemble of trajectories with a measured target.

    Attributes:
        series: names of the quantities of `dynrefine.series` that it needs along the trajectories.
        statics: names of those of `dynrefine.statics` that it needs at their starting points.
        abscissa: where the property is compared [W].
        target: the measured property there [W].
        quantities: name and unit of the abscissa, and of the property.
    """

    series: tuple[str, ...]
    statics: tuple[str, ...]
    abscissa: np.ndarray
    target: np.ndarray
    quantities: tuple[tuple[str, str], tuple[str, str]]

    def statistic(self, series: dict[str, Any]) -> jax.Array:
        """What is averaged over replicas, from series [..., frames, ...] and statics [..., ...] of one or more."""

    def predict(self, mean: jax.Array) -> jax.Array:
        """The property [W] from the averaged statistic."""

    def loss(self, mean: jax.Array) -> jax.Array:
        """Distance of the property from its target, a pure number."""
