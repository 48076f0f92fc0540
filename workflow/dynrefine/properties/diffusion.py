"""Self-diffusion from the velocity autocorrelation (Green-Kubo), with the finite-size correction beside it."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.properties import DiffusionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions
from dynrefine.properties.correlation import autocorrelation
from dynrefine.units import BOLTZMANN, DIFFUSION, ELECTRONVOLT

# Cubic lattice sum of Yeh & Hummer, J. Phys. Chem. B 108, 15873 (2004), eq. 12.
_YEH_HUMMER = 2.837297


@dataclass(frozen=True, eq=False)
class SelfDiffusion:
    """The self-diffusion coefficient of one element.

    Attributes:
        abscissa: upper limit of the Green-Kubo integral, fs.
        target: measured coefficient, 1e-9 m²/s.
        diffusing: which atoms are of the element, indices.
        depth: upper limit of the integral, frames.
        interval: between frames, fs.
        correction: for the finite size of the cell, added to the simulated coefficient, 1e-9 m²/s.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    diffusing: Int[np.ndarray, " atoms"]
    depth: int
    interval: float
    correction: float

    along = ("velocities",)
    at_start = ()
    quantities = (("upper limit of the integral", "fs"), ("self-diffusion", "1e-9 m²/s"))

    @classmethod
    def from_settings(
        cls, settings: DiffusionSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "SelfDiffusion":
        """The observable that the configuration section `objective.observables.diffusion` describes."""
        depth = round(settings.window / conditions.interval)
        correction = 0.0
        if settings.viscosity is not None:
            correction = finite_size_correction(conditions.temperature, settings.viscosity, conditions.volume)
        return cls(
            np.array([depth * conditions.interval]),
            np.array([settings.target]),
            np.flatnonzero(np.array(conditions.symbols) == settings.element),
            depth,
            conditions.interval,
            correction,
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.depth}+1"]:
        """Velocity autocorrelation, Å²/fs²; zero beyond the series, which may be shorter."""
        velocities = observed.along["velocities"]
        held = min(self.depth, velocities.shape[-3] - 1)
        correlation = velocity_autocorrelation(velocities[..., self.diffusing, :], held)
        padding = [(0, 0)] * (correlation.ndim - 1) + [(0, self.depth - held)]
        return jnp.pad(correlation, padding)

    def predict(self, mean: Float[Array, "*leading {self.depth}+1"]) -> Float[Array, "*leading 1"]:
        """D in 1e-9 m²/s."""
        return running_diffusion(mean, self.interval)[..., -1:] + self.correction

    def loss(self, mean: Float[Array, " {self.depth}+1"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return jnp.sum((self.predict(mean) / jnp.asarray(self.target, mean.dtype) - 1.0) ** 2)


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


def running_diffusion(
    correlation: Float[Array, "*leading lags"], interval: float
) -> Float[Array, "*leading lags"]:
    """D(t) = 1/3 ∫_0^t <v(0) · v(t')> dt' by the trapezoidal rule.

    Arguments:
        correlation: velocity autocorrelation, Å²/fs².
        interval: between lags, fs.

    Returns:
        1e-9 m²/s.
    """
    steps = 0.5 * interval * (correlation[..., 1:] + correlation[..., :-1])
    integral = jnp.cumsum(steps, axis=-1)
    padded = jnp.concatenate([jnp.zeros_like(integral[..., :1]), integral], axis=-1)
    return DIFFUSION * padded / 3.0


def einstein_diffusion(
    velocities: Float[Array, "*leading frames N 3"], interval: float, depth: int
) -> Float[Array, "*leading"]:
    """D as a sixth of the mean slope of <|x(t) - x(0)|²> over the second half of the lags (Einstein).

    Arguments:
        velocities: Å/fs; their trapezoidal sums are the displacements, never wrapped.
        interval: between frames, fs.
        depth: largest lag, frames, at least 2.

    Returns:
        1e-9 m²/s.
    """
    steps = 0.5 * interval * (velocities[..., 1:, :, :] + velocities[..., :-1, :, :])
    travelled = jnp.cumsum(jnp.concatenate([jnp.zeros_like(steps[..., :1, :, :]), steps], axis=-3), axis=-3)

    def mean_square(lag: int) -> Float[Array, "..."]:
        moved = travelled[..., lag:, :, :] - travelled[..., :-lag, :, :]
        return jnp.mean(jnp.sum(moved**2, axis=-1), axis=(-2, -1))

    half = depth // 2
    return DIFFUSION * (mean_square(depth) - mean_square(half)) / (6.0 * interval * (depth - half))


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


PROPERTY = SelfDiffusion
