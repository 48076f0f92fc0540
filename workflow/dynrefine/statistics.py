"""Averages of independent samples and their standard errors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@dataclass(frozen=True)
class Estimate:
    """A vector with its error.

    Attributes:
        value: of all components.
        error: standard error of each.
    """

    value: Float[np.ndarray, " P"]
    error: Float[np.ndarray, " P"]

    @property
    def resolved(self) -> float:
        """The positive-part James-Stein factor 1 - |error|² / |value|², the share above the noise.

        Multiplied by it, a vector of many uncertain components is closer to the true one on average (Stein 1956).
        NaN where the error is not known.
        """
        signal, noise = (float(np.sum(each**2)) for each in (self.value, self.error))
        share = 1.0 - noise / signal if signal > 0.0 else 0.0
        return share if np.isnan(noise) else max(0.0, share)

    @classmethod
    def sum(cls, parts: Iterable["Estimate"]) -> "Estimate":
        """The sum of independent estimates."""
        parts = list(parts)
        variance = sum((part.error**2 for part in parts), np.zeros(()))
        return cls(sum((part.value for part in parts), np.zeros(())), np.sqrt(variance))


@dataclass(frozen=True)
class Shares:
    """The weights of samples in averages.

    Attributes:
        weights: of the samples, normalised [S].
        chains: number of each sample's chain [S]; chains are independent. None: all samples are independent.
    """

    weights: Float[Array, " S"]
    chains: Int[np.ndarray, " S"] | None = None

    @classmethod
    def equal(cls, count: int, dtype: Any, chains: Int[np.ndarray, " S"] | None = None) -> "Shares":
        """Equal weights for `count` samples."""
        return cls(jnp.full(count, 1.0 / count, dtype), chains)

    def among(self, chosen: Int[np.ndarray, " F"]) -> "Shares":
        """The weights of some of the samples in averages over these alone."""
        weights = self.weights[chosen]
        chains = self.chains if self.chains is None else self.chains[chosen]
        return Shares(weights / jnp.sum(weights), chains)

    def chain_means(
        self, values: Float[Array, " S *shape"]
    ) -> tuple[Float[Array, " R *shape"], Float[Array, " R"]]:
        """Means over the samples of each chain, and the weights of the chains."""
        if self.chains is None:
            return values, self.weights
        weights = self.weights.reshape(-1, *[1] * (values.ndim - 1))
        count = int(self.chains.max()) + 1
        counted, sums = (
            jax.ops.segment_sum(each, self.chains, count) for each in (weights, weights * values)
        )
        return sums / jnp.where(counted > 0.0, counted, 1.0), counted.reshape(-1)


def numbered_through(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Consecutive chain numbers for several parts, each of which numbers its chains from zero."""
    firsts = np.cumsum([0, *(own.max() + 1 for own in parts[:-1])])
    return np.concatenate([first + own for first, own in zip(firsts, parts, strict=True)])


def weighted_sum(values: np.ndarray, errors: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The weighted sum of independent numbers, and its standard error."""
    return float(np.sum(weights * values)), float(np.sqrt(np.sum((weights * errors) ** 2)))


def sum_with_error(
    rows: Float[np.ndarray, "S P"],
    weights: Float[np.ndarray, " S"],
    chains: Int[np.ndarray, " S"] | None = None,
) -> Estimate:
    """The sum of the rows of samples, which include their weights, and its standard error.

    The error is that of a weighted mean with normalised weights; NaN for a single sample or chain.

    Arguments:
        rows: of the samples.
        weights: of the samples.
        chains: number of each sample's chain, as in `Shares`.
    """
    if chains is not None:
        rows, weights = (sums_by_chain(each, chains) for each in (rows, weights))
    count, total = len(rows), rows.sum(axis=0)
    if count == 1:
        return Estimate(total, np.full_like(total, np.nan))
    deviations = rows - weights[:, None] * total
    return Estimate(total, np.sqrt(count / (count - 1) * np.sum(deviations**2, axis=0)))


def sums_by_chain(
    values: Float[np.ndarray, " S *shape"], chains: Int[np.ndarray, " S"]
) -> Float[np.ndarray, " R *shape"]:
    """Sums over the samples of each chain; `chains` as in `Shares`."""
    sums = np.zeros((chains.max() + 1, *values.shape[1:]), values.dtype)
    np.add.at(sums, chains, values)
    return sums


def shortened(
    rows: Float[np.ndarray, "S P"], weights: Float[np.ndarray, " S"], outlier_limit: float
) -> Float[np.ndarray, "S P"]:
    """The rows of samples, with those longer than `outlier_limit` times the median length shortened to that.

    Chaos makes the gradients of a few trajectories thousands of times longer than all others together. Lengths are
    taken without the weights, since a large weight does not make a row an outlier.

    Arguments:
        rows: of the samples, which include their weights.
        weights: of the samples; a row without weight is zero.
        outlier_limit: in medians of the lengths.
    """
    counted = weights > 0.0
    lengths = np.linalg.norm(rows[counted], axis=1) / weights[counted]
    limit = outlier_limit * np.median(lengths)
    result = rows.copy()
    result[counted] *= np.minimum(1.0, limit / np.maximum(lengths, np.finfo(float).tiny))[:, None]
    return result


def standard_error(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Standard error of the mean of independent values."""
    return np.std(values, axis=axis, ddof=1) / np.sqrt(values.shape[axis])


def leave_one_out(
    values: Float[Array, " S *shape"], weights: Float[Array, " S"]
) -> Float[Array, " S *shape"]:
    """Weighted means of values, each leaving out one of them; the weights add up to one."""
    shape = (-1,) + (1,) * (values.ndim - 1)
    total = jnp.tensordot(weights, values, axes=1)
    own = weights.reshape(shape)
    return (total[None] - own * values) / (1.0 - own)


def jackknife_error(left_out: Float[Array, " S *shape"]) -> Float[Array, "*shape"]:
    """Standard error from leave-one-out estimates; NaN if there is only one."""
    count = len(left_out)
    spread = jnp.sum((left_out - jnp.mean(left_out, axis=0, keepdims=True)) ** 2, axis=0)
    return jnp.sqrt(spread * (count - 1) / count) if count > 1 else jnp.full_like(spread, jnp.nan)
