"""Mass density at constant pressure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.thermodynamics import DensitySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, relative_loss


@dataclass(frozen=True, eq=False)
class Density:
    """The mean density <ρ> of the starting points, whose cells follow the pressure of their state.

    Attributes:
        abscissa: temperature, K.
        target: measured density, g/cm³.
        scale: relative difference that counts as a loss of one.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    scale: float

    along = ()
    at_start = ("density",)
    quantities = (("temperature", "K"), ("density", "g/cm³"))

    @classmethod
    def from_settings(
        cls, settings: DensitySettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "Density":
        """The observable that the configuration section `objective.observables.density` describes."""
        return cls(np.array([conditions.temperature]), settings.measured, settings.scale)

    def statistic(self, observed: Observed) -> Float[Array, "*leading"]:
        """ρ of the starting points, g/cm³."""
        return observed.at_start["density"]

    def predict(self, mean: Float[Array, "*leading"]) -> Float[Array, "*leading 1"]:
        """<ρ> in g/cm³."""
        return mean[..., None]

    def loss(self, mean: Float[Array, ""]) -> Float[Array, ""]:
        """The squared relative difference from the target in units of the scale."""
        return relative_loss(self.predict(mean), self.target, self.scale)


PROPERTY = Density
