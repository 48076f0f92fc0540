"""Shear viscosity from the autocorrelation of the shear stress (Green-Kubo), with Helfand's estimate beside it.

η = V/kT ∫ <P(0) P(t)> dt, the mean over the five independent shear components of the pressure tensor P
(Daivis & Evans, J. Chem. Phys. 100, 541 (1994)).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.transport import ViscositySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions
from dynrefine.properties.green_kubo import OfFlux
from dynrefine.units import BAR, BOLTZMANN, VISCOSITY


@dataclass(frozen=True, eq=False)
class ShearViscosity(OfFlux):
    """The shear viscosity of a liquid, mPa s."""

    along = ("stress",)
    at_start = ()
    correlation = "stress autocorrelation"
    quantities = (("upper limit of the integral", "fs"), ("shear viscosity", "mPa s"))

    @classmethod
    def from_settings(
        cls, settings: ViscositySettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "ShearViscosity":
        """The property that the configuration section `viscosity` describes."""
        prefactor = VISCOSITY * BAR**2 * conditions.volume / (BOLTZMANN * conditions.temperature)
        return cls.of(settings, conditions.interval, prefactor)

    def flux(self, observed: Observed) -> Float[Array, "*leading frames 5"]:
        """The shear components of the pressure tensor, bar."""
        return observed.along["stress"]


PROPERTY = ShearViscosity
