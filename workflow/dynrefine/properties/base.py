"""What every observable is told, and what it must answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties import PropertySettings
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
    """

    temperature: float
    volume: float
    atoms: int
    interval: float
    symbols: tuple[str, ...] = ()
    mass: float = 0.0
    pressure: float = 0.0


class Observable(Protocol):
    """A property of an ensemble of trajectories with a measured target.

    Attributes:
        along: names of the quantities that it needs along trajectories.
        at_start: names of those that it needs at their starting points alone.
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
        """What is averaged over starting points, from what was observed of one or more of them."""

    def predict(self, mean: Float[Array, "*C"]) -> Float[Array, " W"]:
        """The property from the averaged statistic."""

    def loss(self, mean: Float[Array, "*C"]) -> Float[Array, ""]:
        """Distance of the property from its target, a pure number."""


def create_observables(
    settings: Mapping[str, PropertySettings],
    targets: Mapping[str, Float[np.ndarray, "rows columns"] | None],
    conditions: Conditions,
) -> dict[str, Observable]:
    """The observables of a state, by name.

    Arguments:
        settings: of each, by name.
        targets: the measured property of each, as in its file; none where the settings hold it.
        conditions: of the state.
    """
    return {
        name: plug_in("properties", name).PROPERTY.from_settings(chosen, targets[name], conditions)
        for name, chosen in settings.items()
    }
