"""Shear viscosity from the autocorrelation of the shear stress (Green-Kubo), with the estimate of Helfand beside it.

η = V/kT ∫ <P(0) P(t)> dt, the mean over the five independent shear components of the pressure tensor P
(Daivis & Evans, J. Chem. Phys. 100, 541 (1994)).
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.transport import ViscositySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, relative_loss
from dynrefine.properties.correlation import autocorrelation, mean_square_integral, running_integral
from dynrefine.properties.green_kubo import GreenKubo, Window, details_of_limit
from dynrefine.units import BAR, BOLTZMANN, VISCOSITY


@dataclass(frozen=True, eq=False)
class ShearViscosity(GreenKubo):
    """The shear viscosity of a liquid.

    Attributes:
        window: of the stress autocorrelation, and upper limit of the integral.
        target: measured viscosity, mPa s; NaN where there is none.
        prefactor: V/kT, from bar² fs to mPa s.
        details: stress autocorrelation, running integral, upper limit, what lies beyond it, estimate of Helfand.
    """

    target: Float[np.ndarray, " 1"]
    prefactor: float
    details: dict[str, Detail]

    along = ("stress",)
    at_start = ()
    quantities = (("upper limit of the integral", "fs"), ("shear viscosity", "mPa s"))

    @classmethod
    def from_settings(
        cls, settings: ViscositySettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "ShearViscosity":
        """The property that the configuration section `viscosity` describes."""
        window, (target,) = Window.of(settings.window, settings.limit, conditions.interval), settings.measured
        limit, viscosity = cls.quantities
        correlation = ("stress autocorrelation", "relative")
        return cls(
            window,
            settings.measured,
            VISCOSITY * BAR**2 * conditions.volume / (BOLTZMANN * conditions.temperature),
            {
                "stress autocorrelation": Detail.curve(("lag", "fs"), correlation, window.lags),
                "running integral": Detail.curve(limit, viscosity, window.lags, target),
                **details_of_limit(limit, viscosity),
                "Helfand": Detail.number(viscosity, target, settings.target_error),
            },
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.window.depth}+3"]:
        """Autocorrelation of the shear components, bar², and <(∫P dt)²> at half the window and at its end, bar² fs².

        They are means over the components.
        """
        stress, depth = observed.along["stress"], self.window.depth
        moments = mean_square_integral(stress, self.window.interval, (depth // 2, depth))
        return jnp.concatenate([autocorrelation(stress, depth), moments], axis=-1) / stress.shape[-1]

    def predict(self, mean: Float[Array, "*leading {self.window.depth}+3"]) -> Float[Array, "*leading 1"]:
        """η in mPa s."""
        return self.limited(self.running(mean))

    def detail(self, mean: Float[Array, " {self.window.depth}+3"]) -> dict[str, Array]:
        """What is shown beside it."""
        correlation, moments, running = mean[:-2], mean[-2:], self.running(mean)
        time = self.window.interval * (self.window.depth - self.window.depth // 2)
        return {
            "stress autocorrelation": correlation / correlation[0],
            "running integral": running,
            **self.about_limit(running),
            "Helfand": 0.5 * self.prefactor * jnp.diff(moments) / time,
        }

    def loss(self, mean: Float[Array, " {self.window.depth}+3"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return relative_loss(self.predict(mean), self.target)

    def running(
        self, mean: Float[Array, "*leading {self.window.depth}+3"]
    ) -> Float[Array, "*leading {self.window.depth}+1"]:
        """The integral up to each lag, mPa s."""
        return self.prefactor * running_integral(mean[..., :-2], self.window.interval)


PROPERTY = ShearViscosity
