"""Shear viscosity from the autocorrelation of the shear stress (Green-Kubo), with the estimate of Helfand beside it.

η = V/kT ∫ <P(0) P(t)> dt, the mean over the five independent shear components of the pressure tensor P
(Daivis & Evans, J. Chem. Phys. 100, 541 (1994)).
"""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.transport import ViscositySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, relative_loss
from dynrefine.properties.correlation import autocorrelation, mean_square_integral, running_integral
from dynrefine.statistics import leave_one_out
from dynrefine.units import BAR, BOLTZMANN, VISCOSITY


@dataclass(frozen=True, eq=False)
class ShearViscosity:
    """The shear viscosity of a liquid.

    Attributes:
        limit: upper limit of the integral, frames.
        target: measured viscosity, mPa s; NaN where there is none.
        depth: longest lag, frames.
        interval: between frames, fs.
        prefactor: V/kT, from bar² fs to mPa s.
        is_settled: whether the limit stands, or is to be taken from the noise.
        details: stress autocorrelation, running integral, upper limit, what lies beyond it, estimate of Helfand.
    """

    limit: int
    target: Float[np.ndarray, " 1"]
    depth: int
    interval: float
    prefactor: float
    is_settled: bool
    details: dict[str, Detail]

    along = ("stress",)
    at_start = ()
    quantities = (("upper limit of the integral", "fs"), ("shear viscosity", "mPa s"))

    @classmethod
    def from_settings(
        cls, settings: ViscositySettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "ShearViscosity":
        """The property that the configuration section `viscosity` describes."""
        interval, (target,) = conditions.interval, settings.measured
        depth = round(settings.window / interval)
        limit = settings.window if settings.limit == "auto" else settings.limit
        limit_of_integral, viscosity = cls.quantities
        lags, lag = interval * np.arange(depth + 1), ("lag", "fs")
        return cls(
            min(max(round(limit / interval), 1), depth),
            settings.measured,
            depth,
            interval,
            VISCOSITY * BAR**2 * conditions.volume / (BOLTZMANN * conditions.temperature),
            settings.limit != "auto",
            {
                "stress autocorrelation": Detail.curve(lag, ("stress autocorrelation", "relative"), lags),
                "running integral": Detail.curve(limit_of_integral, viscosity, lags, target),
                "upper limit": Detail.number(limit_of_integral),
                "beyond the limit": Detail.number(viscosity),
                "Helfand": Detail.number(viscosity, target, settings.target_error),
            },
        )

    @property
    def abscissa(self) -> Float[np.ndarray, " 1"]:
        """Upper limit of the integral, fs."""
        return np.array([self.limit * self.interval])

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.depth}+3"]:
        """Autocorrelation of the shear components, bar², and <(∫P dt)²> at half the window and at its end, bar² fs².

        They are means over the components, and zero beyond the series, which may be shorter.
        """
        stress = observed.along["stress"]
        held = min(self.depth, stress.shape[-2] - 1)
        correlation = autocorrelation(stress, held)
        padding = [(0, 0)] * (correlation.ndim - 1) + [(0, self.depth - held)]
        moments = mean_square_integral(stress, self.interval, (self.depth // 2, self.depth))
        return jnp.concatenate([jnp.pad(correlation, padding), moments], axis=-1) / stress.shape[-1]

    def settled(
        self, statistics: Float[Array, "S {self.depth}+3"], weights: Float[Array, " S"]
    ) -> "ShearViscosity":
        """With the upper limit taken from the noise, where it is not set."""
        if self.is_settled or len(statistics) == 1:
            return self
        mean = self._running(jnp.tensordot(weights, statistics, axes=1))
        left_out = self._running(leave_one_out(statistics, weights))
        return replace(self, limit=resolved_limit(np.asarray(mean), np.asarray(left_out)))

    def predict(self, mean: Float[Array, "*leading {self.depth}+3"]) -> Float[Array, "*leading 1"]:
        """η in mPa s."""
        return self._running(mean)[..., self.limit : self.limit + 1]

    def detail(self, mean: Float[Array, " {self.depth}+3"]) -> dict[str, Array]:
        """What is shown beside it."""
        correlation, moments, running = mean[:-2], mean[-2:], self._running(mean)
        time = self.interval * (self.depth - self.depth // 2)
        return {
            "stress autocorrelation": correlation / correlation[0],
            "running integral": running,
            "upper limit": jnp.full(1, self.limit * self.interval, mean.dtype),
            "beyond the limit": running[-1:] - running[self.limit : self.limit + 1],
            "Helfand": 0.5 * self.prefactor * jnp.diff(moments) / time,
        }

    def loss(self, mean: Float[Array, " {self.depth}+3"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return relative_loss(self.predict(mean), self.target)

    def _running(
        self, mean: Float[Array, "*leading {self.depth}+3"]
    ) -> Float[Array, "*leading {self.depth}+1"]:
        """The integral up to each lag, mPa s."""
        return self.prefactor * running_integral(mean[..., :-2], self.interval)


def resolved_limit(running: Float[np.ndarray, " lags"], left_out: Float[np.ndarray, "S lags"]) -> int:
    """The first lag, but 0, from which on no longer integral differs by more than the difference's standard error.

    That balances what the integral lacks against the noise it gathers (Lepskii, Theory Probab. Appl. 35, 454 (1991)).

    Arguments:
        running: the integral up to each lag.
        left_out: the same without each starting point, for the jackknife.
    """
    running, left_out = np.asarray(running, float), np.asarray(left_out, float)
    deviations = left_out - left_out.mean(axis=0)
    covariance = (1.0 - 1.0 / len(left_out)) * deviations.T @ deviations
    variances = np.diag(covariance)
    of_differences = variances[:, None] + variances - 2.0 * covariance
    stands_out = np.triu((running[:, None] - running) ** 2 > of_differences, 1).any(axis=1)
    return 1 + int(np.argmin(stands_out[1:]))


PROPERTY = ShearViscosity
