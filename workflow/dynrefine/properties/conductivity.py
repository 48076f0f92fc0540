"""Ionic conductivity from the autocorrelation of the current (Green-Kubo), with Helfand's estimate beside it.

σ = 1/(V kT) ∫ <J(0) J(t)> dt, the mean over the three components of the current J = Σ q v. Formal charges q
suffice: any other charge that atoms carry along averages out and adds nothing at long times (Grasselli & Baroni, Nat.
Phys. 15, 967 (2019)).
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.transport import ConductivitySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions
from dynrefine.properties.green_kubo import OfFlux
from dynrefine.units import BOLTZMANN, CONDUCTIVITY


@dataclass(frozen=True, eq=False)
class IonicConductivity(OfFlux):
    """The ionic conductivity of a liquid, S/m.

    Attributes:
        charges: of each atom, e.
    """

    charges: Float[np.ndarray, " N"]

    along = ("velocities",)
    at_start = ()
    correlation = "current autocorrelation"
    quantities = (("upper limit of the integral", "fs"), ("ionic conductivity", "S/m"))

    @classmethod
    def from_settings(
        cls, settings: ConductivitySettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "IonicConductivity":
        """The property that the configuration section `conductivity` describes."""
        prefactor = CONDUCTIVITY / (conditions.volume * BOLTZMANN * conditions.temperature)
        charges = np.array(conditions.charges, float)
        return cls.of(settings, conditions.interval, prefactor, charges=charges)

    def flux(self, observed: Observed) -> Float[Array, "*leading frames 3"]:
        """The current of the cell, e Å/fs."""
        velocities = observed.along["velocities"]
        return jnp.einsum("i,...ix->...x", jnp.asarray(self.charges, velocities.dtype), velocities)


PROPERTY = IonicConductivity
