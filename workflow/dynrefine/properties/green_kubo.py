"""Transport coefficients that are integrals of a correlation function up to a limit (Green-Kubo)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.transport import FluxSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Detail, relative_loss
from dynrefine.properties.correlation import autocorrelation, mean_square_integral, running_integral
from dynrefine.statistics import leave_one_out


@dataclass(frozen=True)
class Window:
    """The lags of a correlation function, and how far it is integrated.

    Attributes:
        limit: upper limit of the integral, frames.
        depth: longest lag, frames.
        interval: between frames, fs.
        is_settled: whether the limit is fixed, or still to be chosen from the noise.
    """

    limit: int
    depth: int
    interval: float
    is_settled: bool

    @classmethod
    def of(cls, window: float, limit: float | Literal["auto"] | None, interval: float) -> "Window":
        """The window for a longest lag, an upper limit (the longest lag by default) and a frame interval, in fs."""
        depth = round(window / interval)
        frames = depth if limit in ("auto", None) else round(limit / interval)
        return cls(min(max(frames, 1), depth), depth, interval, limit != "auto")

    @property
    def lags(self) -> Float[np.ndarray, " lags"]:
        """All lags, fs."""
        return self.interval * np.arange(self.depth + 1)


@dataclass(frozen=True, eq=False)
class GreenKubo:
    """What transport coefficients have in common.

    Attributes:
        window: lags and upper limit.
    """

    window: Window

    @property
    def abscissa(self) -> Float[np.ndarray, " 1"]:
        """Upper limit of the integral, fs."""
        return np.array([self.window.limit * self.window.interval])

    def running(self, mean: Float[Array, "*leading statistic"]) -> Float[Array, "*leading lags"]:
        """The integral up to each lag, from the averaged statistic."""
        raise NotImplementedError

    def settled(self, statistics: Float[Array, "S statistic"], weights: Float[Array, " S"]) -> Self:
        """The same with the upper limit chosen from the noise, unless it is set."""
        if self.window.is_settled or len(statistics) == 1:
            return self
        mean = self.running(jnp.tensordot(weights, statistics, axes=1))
        left_out = self.running(leave_one_out(statistics, weights))
        limit = resolved_limit(np.asarray(mean), np.asarray(left_out))
        return replace(self, window=replace(self.window, limit=limit))

    def limited(self, running: Float[Array, "*leading lags"]) -> Float[Array, "*leading 1"]:
        """The integral up to the limit."""
        return running[..., self.window.limit : self.window.limit + 1]

    def about_limit(self, running: Float[Array, " lags"]) -> dict[str, Array]:
        """The limit in fs, and what the rest of the window would add."""
        return {
            "upper limit": jnp.full(1, self.abscissa[0], running.dtype),
            "beyond the limit": running[-1:] - self.limited(running),
        }


@dataclass(frozen=True, eq=False)
class OfFlux(GreenKubo):
    """A transport coefficient a ∫ <J(0) J(t)> dt, the mean over the components of a flux J of the cell.

    The slope of a/2 <(∫J dt)²> over the second half of the window is reported beside it (Helfand, Phys. Rev. 119, 1
    (1960)).

    Attributes:
        correlation: name of the autocorrelation of the flux.
        target: measured coefficient; NaN where there is none.
        prefactor: a, from the unit of J² fs to that of the coefficient.
        details: autocorrelation, running integral, upper limit, what lies beyond it, Helfand's estimate.
    """

    target: Float[np.ndarray, " 1"]
    prefactor: float
    details: dict[str, Detail]

    correlation: ClassVar[str]
    quantities: ClassVar[tuple[tuple[str, str], tuple[str, str]]]

    @classmethod
    def of(cls, settings: FluxSettings, interval: float, prefactor: float, **own: Any) -> Self:
        """The coefficient that a section of the configuration describes.

        Arguments:
            settings: the section.
            interval: between frames, fs.
            prefactor: a.
            own: further attributes.
        """
        window, (target,) = Window.of(settings.window, settings.limit, interval), settings.measured
        limit, coefficient = cls.quantities
        details = {
            cls.correlation: Detail.curve(("lag", "fs"), (cls.correlation, "relative"), window.lags),
            "running integral": Detail.curve(limit, coefficient, window.lags, target),
            **details_of_limit(limit, coefficient),
            "Helfand": Detail.number(coefficient, target, settings.target_error),
        }
        return cls(window, settings.measured, prefactor, details, **own)

    def flux(self, observed: Observed) -> Float[Array, "*leading frames components"]:
        """J along the trajectories."""
        raise NotImplementedError

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.window.depth}+3"]:
        """Autocorrelation of the flux, and <(∫J dt)²> at half the window and at its end, means over components."""
        flux, depth = self.flux(observed), self.window.depth
        moments = mean_square_integral(flux, self.window.interval, (depth // 2, depth))
        return jnp.concatenate([autocorrelation(flux, depth), moments], axis=-1) / flux.shape[-1]

    def predict(self, mean: Float[Array, "*leading {self.window.depth}+3"]) -> Float[Array, "*leading 1"]:
        """The coefficient."""
        return self.limited(self.running(mean))

    def detail(self, mean: Float[Array, " {self.window.depth}+3"]) -> dict[str, Array]:
        """What is reported beside it."""
        correlation, moments, running = mean[:-2], mean[-2:], self.running(mean)
        time = self.window.interval * (self.window.depth - self.window.depth // 2)
        return {
            self.correlation: correlation / correlation[0],
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
        """The integral up to each lag."""
        return self.prefactor * running_integral(mean[..., :-2], self.window.interval)


def details_of_limit(limit: tuple[str, str], coefficient: tuple[str, str]) -> Mapping[str, Detail]:
    """The details of `about_limit`, from names and units of the limit and the coefficient."""
    return {"upper limit": Detail.number(limit), "beyond the limit": Detail.number(coefficient)}


def resolved_limit(running: Float[np.ndarray, " lags"], left_out: Float[np.ndarray, "S lags"]) -> int:
    """The first lag after 0 beyond which the integral changes by no more than the standard error of the change.

    This balances what the integral lacks against the noise it gathers (Lepskii, Theory Probab. Appl. 35, 454 (1991)).

    Arguments:
        running: the integral up to each lag.
        left_out: the same without each starting point in turn, for the jackknife.
    """
    running, left_out = np.asarray(running, float), np.asarray(left_out, float)
    deviations = left_out - left_out.mean(axis=0)
    covariance = (1.0 - 1.0 / len(left_out)) * deviations.T @ deviations
    variances = np.diag(covariance)
    of_differences = variances[:, None] + variances - 2.0 * covariance
    stands_out = np.triu((running[:, None] - running) ** 2 > of_differences, 1).any(axis=1)
    return 1 + int(np.argmin(stands_out[1:]))
