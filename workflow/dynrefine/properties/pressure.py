"""Pressure at the density of the cell, fitted in place of the density at a pressure."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.thermodynamics import PressureSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions
from dynrefine.units import BAR, BOLTZMANN


@dataclass(frozen=True, eq=False)
class Pressure:
    """The pressure of one state: P = N kT/V - <∂U/∂V>.

    Attributes:
        abscissa: temperature, K.
        target: measured pressure, bar.
        ideal: N kT/V, bar.
        scale: difference that counts as a loss of one, bar; absolute, because pressures may be zero.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    ideal: float
    scale: float

    along = ()
    at_start = ("virial_pressure",)
    quantities = (("temperature", "K"), ("pressure", "bar"))

    @classmethod
    def from_settings(
        cls, settings: PressureSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "Pressure":
        """The observable that the configuration section `objective.observables.pressure` describes."""
        return cls(
            np.array([conditions.temperature]),
            settings.measured,
            conditions.atoms * BOLTZMANN * conditions.temperature / (BAR * conditions.volume),
            settings.scale,
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading"]:
        """-∂U/∂V of the starting points, bar."""
        return observed.at_start["virial_pressure"]

    def predict(self, mean: Float[Array, "*leading"]) -> Float[Array, "*leading 1"]:
        """P in bar."""
        return mean[..., None] + self.ideal

    def loss(self, mean: Float[Array, ""]) -> Float[Array, ""]:
        """The squared difference from the target in units of the scale."""
        difference = self.predict(mean) - jnp.asarray(self.target, mean.dtype)
        return jnp.sum((difference / self.scale) ** 2)


PROPERTY = Pressure
