"""Self-diffusion from the velocity autocorrelation (Green-Kubo), with the finite-size correction beside it."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, relative_loss
from dynrefine.properties.correlation import autocorrelation, running_integral
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
        details: velocity autocorrelation and running integral, and the coefficient without the correction.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    diffusing: Int[np.ndarray, " atoms"]
    depth: int
    interval: float
    correction: float
    details: dict[str, Detail]

    along = ("velocities",)
    at_start = ()
    quantities = (("upper limit of the integral", "fs"), ("self-diffusion", "1e-9 m²/s"))

    @classmethod
    def from_settings(
        cls, settings: DiffusionSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "SelfDiffusion":
        """The observable that the configuration section `objective.observables.diffusion` describes."""
        depth = round(settings.window / conditions.interval)
        target, correction = settings.measured, correction_of(settings, conditions)
        lags, lag = conditions.interval * np.arange(depth + 1), ("lag", "fs")
        details = {
            "velocity autocorrelation": Detail.curve(lag, ("velocity autocorrelation", "relative"), lags),
            "running integral": Detail.curve(*cls.quantities, lags, float(target[0]) - correction),
        }
        if correction:
            details["in the finite cell"] = Detail.number(cls.quantities[1])
        return cls(
            np.array([depth * conditions.interval]),
            target,
            atoms_of(settings, conditions),
            depth,
            conditions.interval,
            correction,
            details,
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

    def detail(self, mean: Float[Array, " {self.depth}+1"]) -> dict[str, Array]:
        """What is shown beside it."""
        running = running_diffusion(mean, self.interval)
        found = {
            "velocity autocorrelation": mean / mean[0],
            "running integral": running,
            "in the finite cell": running[-1:],
        }
        return {name: found[name] for name in self.details}

    def loss(self, mean: Float[Array, " {self.depth}+1"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return relative_loss(self.predict(mean), self.target)


def atoms_of(settings: DiffusionSettings, conditions: Conditions) -> Int[np.ndarray, " atoms"]:
    """Which atoms diffuse, indices."""
    return np.flatnonzero(np.array(conditions.symbols) == settings.element)


def correction_of(settings: DiffusionSettings, conditions: Conditions) -> float:
    """What is added to the coefficient of the finite cell, 1e-9 m²/s: nothing where no viscosity is given."""
    if settings.viscosity is None:
        return 0.0
    return finite_size_correction(conditions.temperature, settings.viscosity, conditions.volume)


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
    return DIFFUSION * running_integral(correlation, interval) / 3.0


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
