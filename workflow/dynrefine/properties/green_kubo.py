"""Transport coefficients that are integrals of a correlation function up to a limit (Green-Kubo)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.properties.base import Detail
from dynrefine.statistics import leave_one_out


@dataclass(frozen=True)
class Window:
    """The lags of a correlation function, and how far it is integrated.

    Attributes:
        limit: upper limit of the integral, frames.
        depth: longest lag, frames.
        interval: between frames, fs.
        is_settled: whether the limit stands, or is to be taken from the noise.
    """

    limit: int
    depth: int
    interval: float
    is_settled: bool

    @classmethod
    def of(cls, window: float, limit: float | Literal["auto"] | None, interval: float) -> "Window":
        """That of a longest lag and an upper limit in fs, all of it without one, and frames at an interval in fs."""
        depth = round(window / interval)
        frames = depth if limit in ("auto", None) else round(limit / interval)
        return cls(min(max(frames, 1), depth), depth, interval, limit != "auto")

    @property
    def lags(self) -> Float[np.ndarray, " lags"]:
        """All, fs."""
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
        """With the upper limit taken from the noise, where it is not set."""
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


def details_of_limit(limit: tuple[str, str], coefficient: tuple[str, str]) -> Mapping[str, Detail]:
    """Of `about_limit`, from names and units of both."""
    return {"upper limit": Detail.number(limit), "beyond the limit": Detail.number(coefficient)}


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
