"""Raman spectrum from the autocorrelation of the cell's polarizability derivative.

With the mean ᾱ = tr α/3 and the anisotropic part β = α - ᾱ 1 the reduced intensities are

    isotropic  ∫ dt exp(-iωt) <dᾱ/dt(0) dᾱ/dt(t)>
    VH         1/10 ∫ dt exp(-iωt) <tr dβ/dt(0) dβ/dt(t)>
    VV         isotropic + 4/3 VH,      unpolarised  VV + VH

(McQuarrie, Statistical Mechanics, ch. 21), with the harmonic quantum correction. Reduced means the Stokes
intensity times ν (1 - exp(-hcν/kT))/(ν₀ - ν)⁴, which is even in ν. As for the infrared, a Hann window multiplies the
correlation and broadens the measured spectrum too. Measured intensities have no absolute scale, so the simulated
spectrum is scaled to fit the measured one best, or to unit area if there is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.spectra import RamanSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail
from dynrefine.properties.correlation import autocorrelation, cosine_transform, hann_window
from dynrefine.properties.spectra import as_simulated, band_weights, maxima_of, measured_maxima, wavenumbers
from dynrefine.units import BOLTZMANN, PHOTON, WAVENUMBER

# Shares of the isotropic correlation and of tr β(0)β(t)/10 in what is measured.
_SHARES = {
    "isotropic": (1.0, 0.0),
    "vh": (0.0, 1.0),
    "vv": (1.0, 4.0 / 3.0),
    "unpolarised": (1.0, 7.0 / 3.0),
}


@dataclass(frozen=True, eq=False)
class Raman:
    """The Raman spectrum of one state, in one geometry of polarisers.

    Attributes:
        abscissa: wavenumbers that are compared, cm⁻¹.
        target: measured reduced intensity there, broadened by the window; NaN where nothing was measured.
        weights: of the squared differences, normalised by band; even within each band if nothing was measured.
        shares: of the isotropic and of the anisotropic correlation.
        depth: longest lag, frames.
        interval: between frames, fs.
        maxima: ranges in which they are reported, cm⁻¹, by name.
        details: measured position and height of each.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    weights: Float[np.ndarray, " W"]
    shares: tuple[float, float]
    depth: int
    interval: float
    maxima: Mapping[str, Sequence[float]]
    details: dict[str, Detail]

    along = ("polarizability_derivative",)
    at_start = ()
    quantities = (("wavenumber", "cm⁻¹"), ("reduced Raman intensity", "arbitrary"))

    @classmethod
    def from_settings(
        cls,
        settings: RamanSettings,
        measured: Float[np.ndarray, "rows columns"] | None,
        conditions: Conditions,
    ) -> "Raman":
        """The observable that the configuration section describes.

        Arguments:
            settings: section `raman`.
            measured: wavenumber in cm⁻¹, ascending, and intensity; none if nothing was measured.
            conditions: of the state.
        """
        abscissa = wavenumbers(settings)
        depth = round(settings.window / conditions.interval)
        if measured is not None and not settings.synthetic:  # the teacher's is reduced already
            wavenumber, intensity = measured.T[:2]
            reduced = intensity * reduction(settings, wavenumber, conditions.temperature)
            measured = np.stack([wavenumber, reduced], axis=1)
        target = as_simulated(settings, measured, abscissa, conditions.interval)
        weights = band_weights(abscissa, target, settings.bands)
        maxima = settings.maxima, measured_maxima(target, abscissa, settings, cls.quantities[1])
        return cls(
            abscissa, target, weights, _SHARES[settings.component], depth, conditions.interval, *maxima
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.depth}+1"]:
        """Autocorrelation of the observed parts of the derivative, Å⁶/fs²."""
        derivative = observed.along["polarizability_derivative"]
        mean = jnp.trace(derivative, axis1=-2, axis2=-1) / 3.0
        rest = derivative - jnp.einsum("...,xy->...xy", mean, jnp.eye(3, dtype=derivative.dtype))
        isotropic, anisotropic = self.shares
        correlation = isotropic * autocorrelation(mean[..., None], self.depth)
        rest = rest.reshape(*rest.shape[:-2], 9)
        return correlation + 0.1 * anisotropic * autocorrelation(rest, self.depth)

    def predict(self, mean: Float[Array, "*leading {self.depth}+1"]) -> Float[Array, "*leading W"]:
        """Reduced intensity on the scale of the measured one."""
        windowed = mean * hann_window(self.depth, mean.dtype)
        frequencies = WAVENUMBER * jnp.asarray(self.abscissa, mean.dtype)
        spectrum = cosine_transform(windowed, self.interval, frequencies)
        weights = jnp.broadcast_to(jnp.asarray(self.weights, mean.dtype), spectrum.shape)
        if np.isnan(self.target).any():
            step = self.abscissa[1] - self.abscissa[0]
            return spectrum / (
                step * jnp.sum(jnp.where(weights > 0.0, spectrum, 0.0), axis=-1, keepdims=True)
            )
        target = jnp.broadcast_to(jnp.asarray(self.target, mean.dtype), spectrum.shape)
        overlap = jnp.sum(weights * target * spectrum, axis=-1, keepdims=True)
        return spectrum * overlap / jnp.sum(weights * spectrum**2, axis=-1, keepdims=True)

    def detail(self, mean: Float[Array, " {self.depth}+1"]) -> dict[str, Array]:
        """What is reported beside it."""
        return maxima_of(self.predict(mean), self.abscissa, self.maxima)

    def loss(self, mean: Float[Array, " {self.depth}+1"]) -> Float[Array, ""]:
        """Σ over bands of their weight times the mean squared difference relative to the mean squared target."""
        weights, target = (jnp.asarray(each, mean.dtype) for each in (self.weights, self.target))
        return jnp.sum(weights * (self.predict(mean) - target) ** 2)


def reduction(settings: RamanSettings, wavenumber: np.ndarray, kelvin: float) -> np.ndarray:
    """The factor from measured to reduced intensity at each wavenumber in cm⁻¹."""
    if settings.form == "reduced":
        return np.ones_like(wavenumber)
    energy = PHOTON * wavenumber / (BOLTZMANN * kelvin)
    scattered = 1e-4 * (1e7 / settings.laser - wavenumber)  # of the order of one
    return -wavenumber * np.expm1(-energy) / scattered**4


PROPERTY = Raman
