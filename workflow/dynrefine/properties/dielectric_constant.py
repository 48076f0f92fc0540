"""Static dielectric constant from the fluctuations of the dipole.

ε = ε∞ + (<M²> - <M>²)/(3 ε0 V kT) for periodic boundaries in conducting surroundings, which apply if no long-range
sum is cut off (Neumann, Mol. Phys. 50, 841 (1983)).
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.thermodynamics import DielectricConstantSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, relative_loss
from dynrefine.units import BOLTZMANN, PERMITTIVITY


@dataclass(frozen=True, eq=False)
class DielectricConstant:
    """The static dielectric constant of a liquid of neutral molecules.

    Attributes:
        abscissa: temperature, K.
        target: measured constant; NaN if there is none.
        eps_infinity: of the electrons alone.
        details: the mean dipole, which is zero apart from noise.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    eps_infinity: float
    details: dict[str, Detail]

    along = ()
    at_start = ("whole_dipole", "volume")
    quantities = (("temperature", "K"), ("dielectric constant", "1"))

    @classmethod
    def from_settings(
        cls, settings: DielectricConstantSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "DielectricConstant":
        """The property that the configuration section `dielectric_constant` describes."""
        details = {"mean dipole": Detail.number(("length of the mean dipole", "e Å"))}
        return cls(np.array([conditions.temperature]), settings.measured, settings.eps_infinity, details)

    def statistic(self, observed: Observed) -> Float[Array, "*leading 5"]:
        """M (e Å), M² (e² Å²) and V (Å³) of the starting points."""
        dipole, volume = observed.at_start["whole_dipole"], observed.at_start["volume"]
        squared = jnp.sum(dipole**2, axis=-1)
        return jnp.concatenate([dipole, squared[..., None], volume[..., None]], axis=-1)

    def predict(self, mean: Float[Array, "*leading 5"]) -> Float[Array, "*leading 1"]:
        """ε."""
        variance = mean[..., 3] - jnp.sum(mean[..., :3] ** 2, axis=-1)
        thermal = BOLTZMANN * self.abscissa[0]
        return (self.eps_infinity + variance / (3.0 * PERMITTIVITY * thermal * mean[..., 4]))[..., None]

    def detail(self, mean: Float[Array, " 5"]) -> dict[str, Array]:
        """What is reported beside it."""
        return {"mean dipole": jnp.linalg.norm(mean[:3], keepdims=True)}

    def loss(self, mean: Float[Array, " 5"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return relative_loss(self.predict(mean), self.target)


PROPERTY = DielectricConstant
