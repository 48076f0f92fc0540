"""Pressure at the density of the cell, which stands for the density of the liquid at a pressure."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.properties import PressureSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions
from dynrefine.units import BAR, BOLTZMANN


@dataclass(frozen=True, eq=False)
class Pressure:
    """The pressure of one state: P = N kT/V - <∂U/∂V>.

    Attributes:
        abscissa: temperature [1], K.
        target: measured pressure [1], bar.
        ideal: N kT/V, bar.
        scale: difference that counts as a loss of one, bar; there is no relative one, since pressures may be zero.
    """

    abscissa: np.ndarray
    target: np.ndarray
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
            np.array([settings.target]),
            conditions.atoms * BOLTZMANN * conditions.temperature / (BAR * conditions.volume),
            settings.scale,
        )

    def statistic(self, observed: Observed) -> jax.Array:
        """-∂U/∂V of the starting points [...], bar."""
        return observed.at_start["virial_pressure"]

    def predict(self, mean: jax.Array) -> jax.Array:
        """P [1] in bar."""
        return mean[..., None] + self.ideal

    def loss(self, mean: jax.Array) -> jax.Array:
        """The squared difference from the target in units of the scale."""
        difference = self.predict(mean) - jnp.asarray(self.target, mean.dtype)
        return jnp.sum((difference / self.scale) ** 2)


PROPERTY = Pressure
