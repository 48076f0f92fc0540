"""Infrared absorption n(ν)α(ν) from the autocorrelation of the cell's dipole derivative.

n(ν)α(ν) = β / (6 ε0 c V) ∫ dt exp(-iωt) <dM/dt(0) · dM/dt(t)>, with the harmonic quantum correction
(Ramírez et al., J. Chem. Phys. 121, 3973 (2004)). The correlation is multiplied by a Hann window; the measured
spectrum is broadened by the same window before they are compared, so that the window does not count as an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.spectra import InfraredSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail
from dynrefine.properties.correlation import autocorrelation, cosine_transform, hann_window
from dynrefine.properties.spectra import as_simulated, band_weights, maxima_of, measured_maxima, wavenumbers
from dynrefine.units import (
    BOLTZMANN,
    ELEMENTARY_CHARGE,
    SPEED_OF_LIGHT,
    VACUUM_PERMITTIVITY,
    WAVENUMBER,
)


@dataclass(frozen=True, eq=False)
class Infrared:
    """The infrared spectrum of one state.

    Attributes:
        abscissa: wavenumbers that are compared, cm⁻¹.
        target: measured n(ν)α(ν) there, broadened by the window, cm⁻¹; NaN where nothing was measured.
        weights: of the squared differences, normalised by band, cm².
        depth: longest lag, frames.
        interval: between frames, fs.
        prefactor: from ∫ dt <dM/dt · dM/dt> in e²Å²/fs to n(ν)α(ν) in cm⁻¹.
        tolerance: fraction by which the target may be scaled.
        maxima: ranges in which they are reported, cm⁻¹, by name.
        details: measured position and height of each.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    weights: Float[np.ndarray, " W"]
    depth: int
    interval: float
    prefactor: float
    tolerance: float
    maxima: Mapping[str, Sequence[float]]
    details: dict[str, Detail]

    along = ("dipole_derivative",)
    at_start = ()
    quantities = (("wavenumber", "cm⁻¹"), ("n(ν)α(ν)", "cm⁻¹"))

    @classmethod
    def from_settings(
        cls,
        settings: InfraredSettings,
        measured: Float[np.ndarray, "rows columns"] | None,
        conditions: Conditions,
    ) -> "Infrared":
        """The observable that the configuration section describes.

        Arguments:
            settings: section `objective.observables.infrared`.
            measured: wavenumber in cm⁻¹, ascending, and n(ν)α(ν) in cm⁻¹; none if nothing was measured.
            conditions: of the state.
        """
        abscissa = wavenumbers(settings)
        depth = round(settings.window / conditions.interval)
        target = as_simulated(settings, measured, abscissa, conditions.interval)
        return cls(
            abscissa,
            target,
            band_weights(abscissa, target, settings.bands),
            depth,
            conditions.interval,
            absorption_prefactor(conditions),
            settings.intensity_tolerance,
            settings.maxima,
            measured_maxima(target, abscissa, settings, cls.quantities[1]),
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.depth}+1"]:
        """Autocorrelation of the dipole derivative, e²Å²/fs²."""
        return autocorrelation(observed.along["dipole_derivative"], self.depth)

    def predict(self, mean: Float[Array, "*leading {self.depth}+1"]) -> Float[Array, "*leading W"]:
        """n(ν)α(ν) in cm⁻¹."""
        windowed = mean * hann_window(self.depth, mean.dtype)
        frequencies = WAVENUMBER * jnp.asarray(self.abscissa, mean.dtype)
        return self.prefactor * cosine_transform(windowed, self.interval, frequencies)

    def detail(self, mean: Float[Array, " {self.depth}+1"]) -> dict[str, Array]:
        """What is reported beside it."""
        return maxima_of(self.predict(mean), self.abscissa, self.maxima)

    def loss(self, mean: Float[Array, " {self.depth}+1"]) -> Float[Array, ""]:
        """Σ over bands of their weight times the mean squared difference relative to the mean squared target.

        The target is scaled within the tolerance so that the loss is smallest.
        """
        weights, target = (jnp.asarray(each, mean.dtype) for each in (self.weights, self.target))
        predicted = self.predict(mean)
        best = jnp.sum(weights * target * predicted) / jnp.sum(weights * target**2)
        scale = jnp.clip(best, 1.0 - self.tolerance, 1.0 + self.tolerance)
        return jnp.sum(weights * (predicted - scale * target) ** 2)


def absorption_prefactor(conditions: Conditions) -> float:
    """β / (6 ε0 c V), from e²Å²/fs to cm⁻¹."""
    coulomb = ELEMENTARY_CHARGE**2 / VACUUM_PERMITTIVITY  # J m
    integral = 1e-20 / 1e-15  # Å²/fs in m²/s
    energy = BOLTZMANN * conditions.temperature * ELEMENTARY_CHARGE  # J
    volume = conditions.volume * 1e-30  # m³
    per_metre = coulomb * integral / (6.0 * SPEED_OF_LIGHT * volume * energy)
    return 0.01 * per_metre


PROPERTY = Infrared
