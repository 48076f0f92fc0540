"""What properties that follow from fluctuations of enthalpy H = U + PV and volume have in common.

The averaged statistics are moments, var(H) = <H²> - <H>² and so on, so weights of starting points and the ensemble
part of the gradient need no special treatment. Kinetic parts are those of classical nuclei.
Source: Allen & Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.5.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.thermodynamics import FluctuationSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, relative_loss
from dynrefine.units import BAR, BOLTZMANN


class Moments(NamedTuple):
    """Mean volume (Å³) and central second moments of enthalpy (eV) and volume."""

    volume: Array
    enthalpy_variance: Array
    covariance: Array
    volume_variance: Array


@dataclass(frozen=True, eq=False)
class Fluctuation:
    """A property of the fluctuations of one state, which `of_moments` computes.

    Attributes:
        abscissa: temperature, K.
        target: measured value.
        conditions: of the state.
        scale: relative difference that counts as a loss of one.
        correction: for nuclei that are not classical, added to the simulated value.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    conditions: Conditions
    scale: float
    correction: float

    along = ()
    at_start = ("potential_energy", "volume")

    @classmethod
    def from_settings(
        cls, settings: FluctuationSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "Fluctuation":
        """The observable that a configuration section describes."""
        abscissa, target = np.array([conditions.temperature]), settings.measured
        return cls(abscissa, target, conditions, settings.scale, settings.quantum_correction)

    @property
    def thermal(self) -> float:
        """kT, eV."""
        return BOLTZMANN * self.conditions.temperature

    def of_moments(self, moments: Moments) -> Float[Array, "*leading"]:
        """The property."""
        raise NotImplementedError

    def statistic(self, observed: Observed) -> Float[Array, "*leading 5"]:
        """H, V, H², HV, V² of the starting points, in eV and Å³."""
        volume = observed.at_start["volume"]
        enthalpy = observed.at_start["potential_energy"] + BAR * self.conditions.pressure * volume
        return jnp.stack([enthalpy, volume, enthalpy**2, enthalpy * volume, volume**2], axis=-1)

    def predict(self, mean: Float[Array, "*leading 5"]) -> Float[Array, "*leading 1"]:
        """The property, from the averaged moments."""
        enthalpy, volume, *second = jnp.moveaxis(mean, -1, 0)
        first = enthalpy**2, enthalpy * volume, volume**2
        central = (square - own for square, own in zip(second, first, strict=True))
        return self.of_moments(Moments(volume, *central))[..., None] + self.correction

    def loss(self, mean: Float[Array, " 5"]) -> Float[Array, ""]:
        """The squared relative difference from the target in units of the scale."""
        return relative_loss(self.predict(mean), self.target, self.scale)
