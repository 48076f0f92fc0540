"""What every observable is given, and what it must provide."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.base import PropertySettings
from dynrefine.files.trajectories import Observed
from dynrefine.registry import plug_in


@dataclass(frozen=True)
class Conditions:
    """The state that is simulated, and how it is observed.

    Attributes:
        temperature: K.
        volume: of the cell, Å³.
        atoms: in the cell.
        interval: between frames of the series, fs.
        symbols: chemical symbols of the atoms.
        mass: of the cell, u.
        pressure: bar; zero where the volume is held.
        elements: chemical symbols in the order that numbers the species.
        cell: mean cell vectors as rows [3, 3], Å; by default a cube of the volume.
        charges: formal charges of the atoms, e.
    """

    temperature: float
    volume: float
    atoms: int
    interval: float
    symbols: tuple[str, ...] = ()
    mass: float = 0.0
    pressure: float = 0.0
    elements: tuple[str, ...] = ()
    cell: Float[np.ndarray, "3 3"] | None = None
    charges: tuple[int, ...] = ()

    @property
    def mean_cell(self) -> Float[np.ndarray, "3 3"]:
        """Cell vectors as rows, Å."""
        return np.eye(3) * self.volume ** (1.0 / 3.0) if self.cell is None else self.cell


@dataclass(frozen=True)
class Detail:
    """A number, or a curve with its figure, that is reported beside a property and follows from the same average.

    Attributes:
        quantities: name and unit of the abscissa, and of the ordinate.
        abscissa: where it is computed; a single point for a number.
        target: measured there; NaN where nothing was measured.
        target_error: uncertainty of the target, for a number.
    """

    quantities: tuple[tuple[str, str], tuple[str, str]]
    abscissa: Float[np.ndarray, " T"]
    target: Float[np.ndarray, " T"]
    target_error: float = np.nan

    @classmethod
    def number(cls, quantity: tuple[str, str], target: float = np.nan, error: float = np.nan) -> "Detail":
        """A single number with its name and unit."""
        return cls((("", "1"), quantity), np.zeros(1), np.array([target]), error)

    @classmethod
    def curve(
        cls, abscissa: tuple[str, str], ordinate: tuple[str, str], where: np.ndarray, target: float = np.nan
    ) -> "Detail":
        """A curve, measured as a constant or not at all.

        Arguments:
            abscissa: its name and unit.
            ordinate: its name and unit.
            where: values of the abscissa.
            target: the constant.
        """
        return cls((abscissa, ordinate), where, np.full(len(where), target))


class Observable(Protocol):
    """A property of an ensemble of trajectories with a measured target, NaN where nothing was measured.

    It may have `details`, by name, with `detail(mean)`, which computes them from the averaged statistic, and
    `settled(statistics, weights)`, which returns it with what it chooses from the noise of the statistic.

    Attributes:
        along: names of the quantities that it needs along trajectories.
        at_start: names of those that it needs only at their starting points.
        abscissa: where the property is compared.
        target: the measured property there.
        quantities: name and unit of the abscissa, and of the property.
    """

    along: tuple[str, ...]
    at_start: tuple[str, ...]
    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    quantities: tuple[tuple[str, str], tuple[str, str]]

    def statistic(self, observed: Observed) -> Float[Array, " S *C"]:
        """What is averaged over starting points, from the observations of one or more of them."""

    def predict(self, mean: Float[Array, "*C"]) -> Float[Array, " W"]:
        """The property from the averaged statistic."""

    def loss(self, mean: Float[Array, "*C"]) -> Float[Array, ""]:
        """Distance of the property from its target, a pure number."""


def settled(
    observable: Observable, statistics: Float[Array, " S *C"], weights: Float[Array, " S"]
) -> Observable:
    """The observable with what it chooses from the noise of its statistic; most choose nothing.

    Arguments:
        observable: as configured.
        statistics: of each starting point.
        weights: of these, normalised.
    """
    settle = getattr(observable, "settled", None)
    return observable if settle is None else settle(statistics, weights)


def relative_loss(
    predicted: Float[Array, "*leading 1"], target: Float[np.ndarray, " 1"], scale: float = 1.0
) -> Float[Array, ""]:
    """The squared relative difference of a number from its target, in units of a scale."""
    relative = predicted / jnp.asarray(target, predicted.dtype) - 1.0
    return jnp.sum((relative / scale) ** 2)


def curve_loss(predicted: Float[Array, " W"], target: Float[np.ndarray, " W"]) -> Float[Array, ""]:
    """Σ (difference)² of a curve from its target, relative to Σ (target)²."""
    measured = jnp.asarray(target, predicted.dtype)
    return jnp.sum((predicted - measured) ** 2) / jnp.sum(measured**2)


def weighted_loss(
    predicted: Float[Array, " W"], target: Float[np.ndarray, " W"], weights: Float[np.ndarray, " W"]
) -> Float[Array, ""]:
    """Σ w (difference)² of a curve from its target, which may be NaN where w is zero."""
    difference = predicted - jnp.asarray(np.nan_to_num(target), predicted.dtype)
    return jnp.sum(jnp.asarray(weights, predicted.dtype) * difference**2)


def create_observables(
    settings: Mapping[str, PropertySettings],
    targets: Mapping[str, Float[np.ndarray, "rows columns"] | None],
    conditions: Conditions,
) -> dict[str, Observable]:
    """The observables of a state, by name.

    Arguments:
        settings: of each, by name.
        targets: the measured property of each, as in its file, with a column of errors, NaN where unknown; none if
            the settings hold it or nothing was measured.
        conditions: of the state.
    """
    return {
        name: plug_in("properties", chosen.kind or name).PROPERTY.from_settings(
            chosen, targets[name], conditions
        )
        for name, chosen in settings.items()
    }
