"""Time-correlation estimators."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float


def autocorrelation(
    series: Float[Array, "*leading frames components"], depth: int
) -> Float[Array, "*leading {depth}+1"]:
    """c(k) = mean over all origins n of a_n · a_(n+k), for k = 0 ... depth.

    Arguments:
        series: in any unit.
        depth: largest lag in frames.

    Returns:
        in the squared unit of the series; zero at lags beyond the series, because the series that the adjoint
        follows may be shorter than the window of a property.
    """
    frames = series.shape[-2]
    held = min(depth, frames - 1)
    padded = frames + held
    spectrum = jnp.fft.rfft(series, n=padded, axis=-2)
    power = jnp.sum(jnp.abs(spectrum) ** 2, axis=-1)
    sums = jnp.fft.irfft(power, n=padded, axis=-1)[..., : held + 1]
    origins = frames - jnp.arange(held + 1, dtype=series.dtype)
    means = sums / jnp.expand_dims(origins, range(sums.ndim - 1))
    return jnp.pad(means, [(0, 0)] * (means.ndim - 1) + [(0, depth - held)])


def velocity_autocorrelation(
    velocities: Float[Array, "*leading frames N 3"], depth: int
) -> Float[Array, "*leading {depth}+1"]:
    """<v(0) · v(t)> per atom, the mean over origins and atoms.

    Arguments:
        velocities: Å/fs.
        depth: largest lag, frames.

    Returns:
        Å²/fs².
    """
    flat = velocities.reshape(*velocities.shape[:-2], -1)
    return autocorrelation(flat, depth) / velocities.shape[-2]


def running_integral(
    correlation: Float[Array, "*leading lags"], interval: float
) -> Float[Array, "*leading lags"]:
    """∫_0^t C(t') dt' at all lags t, by the trapezoidal rule.

    Arguments:
        correlation: C at lags 0, 1, ...
        interval: between lags, fs.

    Returns:
        in the unit of C times fs.
    """
    steps = 0.5 * interval * (correlation[..., 1:] + correlation[..., :-1])
    integral = jnp.cumsum(steps, axis=-1)
    return jnp.concatenate([jnp.zeros_like(integral[..., :1]), integral], axis=-1)


def mean_square_integral(
    series: Float[Array, "*leading frames components"], interval: float, lags: Sequence[int]
) -> Float[Array, "*leading lags"]:
    """<|∫_0^t a(t') dt'|²>, the mean over all origins of time, by the trapezoidal rule.

    Arguments:
        series: a in any unit.
        interval: between frames, fs.
        lags: t in frames.

    Returns:
        in the squared unit of the series times fs; zero at lags beyond the series.
    """
    travelled = running_integral(jnp.swapaxes(series, -1, -2), interval)

    def at(lag: int) -> Float[Array, "*leading"]:
        if not 0 < lag < travelled.shape[-1]:
            return jnp.zeros(series.shape[:-2], series.dtype)
        moved = travelled[..., lag:] - travelled[..., :-lag]
        return jnp.mean(jnp.sum(moved**2, axis=-2), axis=-1)

    return jnp.stack([at(lag) for lag in lags], axis=-1)


def hann_window(depth: int, dtype: Any) -> Float[Array, " {depth}+1"]:
    """A window that falls from one at lag zero to zero at lag `depth`, with zero slope at both ends."""
    return 0.5 * (1.0 + jnp.cos(jnp.pi * jnp.arange(depth + 1, dtype=dtype) / depth))


def cosine_transform(
    correlation: Float[Array, "*leading lags"], interval: float, angular_frequencies: Float[Array, " W"]
) -> Float[Array, "*leading W"]:
    """∫ dt exp(-iωt) C(t) over all times for an even C, by the trapezoidal rule.

    Arguments:
        correlation: C at lags 0, 1, ..., zero beyond.
        interval: between lags, fs.
        angular_frequencies: rad/fs.

    Returns:
        in the unit of C times fs.
    """
    lags = interval * jnp.arange(correlation.shape[-1], dtype=correlation.dtype)
    weights = jnp.full(correlation.shape[-1], 2.0, correlation.dtype).at[0].set(1.0).at[-1].set(1.0)
    kernel = weights[:, None] * jnp.cos(lags[:, None] * angular_frequencies[None, :])
    return interval * (correlation @ kernel)
