"""Self-diffusion from the velocity autocorrelation (Green-Kubo), with the finite-size correction beside it."""

import math

import jax
import jax.numpy as jnp

from dynrefine.correlation import autocorrelation
from dynrefine.units import BOLTZMANN, DIFFUSION, ELECTRONVOLT

# Cubic lattice sum of Yeh & Hummer, J. Phys. Chem. B 108, 15873 (2004), eq. 12.
_YEH_HUMMER = 2.837297


def velocity_autocorrelation(velocities: jax.Array, depth: int) -> jax.Array:
    """<v(0) · v(t)> per atom, the mean over origins and atoms.

    Arguments:
        velocities: [..., frames, N, 3], Å/fs.
        depth: largest lag, frames.

    Returns:
        [..., depth + 1], Å²/fs².
    """
    flat = velocities.reshape(*velocities.shape[:-2], -1)
    return autocorrelation(flat, depth) / velocities.shape[-2]


def running_diffusion(correlation: jax.Array, interval: float) -> jax.Array:
    """D(t) = 1/3 ∫_0^t <v(0) · v(t')> dt' by the trapezoidal rule.

    Arguments:
        correlation: velocity autocorrelation [..., K], Å²/fs².
        interval: between lags, fs.

    Returns:
        [..., K], 1e-9 m²/s.
    """
    steps = 0.5 * interval * (correlation[..., 1:] + correlation[..., :-1])
    integral = jnp.cumsum(steps, axis=-1)
    padded = jnp.concatenate([jnp.zeros_like(integral[..., :1]), integral], axis=-1)
    return DIFFUSION * padded / 3.0


def finite_size_correction(kelvin: float, viscosity: float, volume: float) -> float:
    """What periodic images take from D in a cubic cell: ξ kT / (6 π η L).

    Arguments:
        kelvin: temperature, K.
        viscosity: of the liquid, mPa s.
        volume: of the cell, Å³.

    Returns:
        to be added to the simulated D, 1e-9 m²/s. Source: Yeh & Hummer, J. Phys. Chem. B 108, 15873 (2004).
    """
    edge = volume ** (1.0 / 3.0) * 1e-10
    energy = BOLTZMANN * kelvin * ELECTRONVOLT
    return 1e9 * _YEH_HUMMER * energy / (6.0 * math.pi * 1e-3 * viscosity * edge)
