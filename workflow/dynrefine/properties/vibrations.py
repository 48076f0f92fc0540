"""Vibrational density of states from the velocity autocorrelation.

g(ν) = 3/π Σ_e x_e ∫ dω/dν dt exp(-iωt) <v(0) · v(t)>_e / <v²>_e over the elements e and their mole fractions x_e. In
classical mechanics, where each vibration has the same kinetic energy, this counts the vibrations of an atom by
wavenumber and integrates to three (Dickey & Paskin, Phys. Rev. 188, 1407 (1969)). The correlation is multiplied by a
Hann window, which broadens the lines.
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.spectra import VibrationsSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, curve_loss
from dynrefine.properties.correlation import cosine_transform, hann_window, velocity_autocorrelation
from dynrefine.units import WAVENUMBER


@dataclass(frozen=True, eq=False)
class Vibrations:
    """The vibrational density of states of an element, or of all atoms.

    Attributes:
        abscissa: wavenumbers, cm⁻¹.
        target: measured density of states there, cm; NaN where nothing was measured.
        atoms: indices of the atoms of each element.
        depth: longest lag, frames.
        interval: between frames, fs.
        details: velocity autocorrelation of each element.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    atoms: dict[str, np.ndarray]
    depth: int
    interval: float
    details: dict[str, Detail]

    along = ("velocities",)
    at_start = ()
    quantities = (("wavenumber", "cm⁻¹"), ("density of states", "cm"))

    @classmethod
    def from_settings(
        cls, settings: VibrationsSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "Vibrations":
        """The property that the configuration section describes.

        Arguments:
            settings: section `vibrations`.
            measured: wavenumber (cm⁻¹) and density of states per atom (cm), as broad as the window makes it.
            conditions: of the state.
        """
        first, last = settings.range
        abscissa = np.arange(first, last + 0.5 * settings.resolution, settings.resolution)
        symbols = np.array(conditions.symbols)
        chosen = [settings.element] if settings.element is not None else list(dict.fromkeys(symbols.tolist()))
        depth = round(settings.window / conditions.interval)
        lags = conditions.interval * np.arange(depth + 1)
        correlation = ("velocity autocorrelation", "relative")
        return cls(
            abscissa,
            np.full_like(abscissa, np.nan) if measured is None else np.interp(abscissa, *measured.T[:2]),
            {symbol: np.flatnonzero(symbols == symbol) for symbol in chosen},
            depth,
            conditions.interval,
            {f"velocities of {symbol}": Detail.curve(("lag", "fs"), correlation, lags) for symbol in chosen},
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading elements {self.depth}+1"]:
        """<v(0) · v(t)> of an atom of each element, Å²/fs²."""
        velocities = observed.along["velocities"]
        each = [
            velocity_autocorrelation(velocities[..., atoms, :], self.depth) for atoms in self.atoms.values()
        ]
        return jnp.stack(each, axis=-2)

    def predict(self, mean: Float[Array, "*leading elements {self.depth}+1"]) -> Float[Array, "*leading W"]:
        """Density of states in cm."""
        counts = np.array([len(atoms) for atoms in self.atoms.values()], float)
        fractions = jnp.asarray(counts / counts.sum(), mean.dtype)
        whole = jnp.einsum("e,...et->...t", fractions, mean / mean[..., :1])
        frequencies = WAVENUMBER * jnp.asarray(self.abscissa, mean.dtype)
        windowed = whole * jnp.broadcast_to(hann_window(self.depth, mean.dtype), whole.shape)
        return 3.0 / math.pi * WAVENUMBER * cosine_transform(windowed, self.interval, frequencies)

    def detail(self, mean: Float[Array, "elements {self.depth}+1"]) -> dict[str, Array]:
        """What is reported beside it."""
        return dict(zip(self.details, mean / mean[:, :1], strict=True))

    def loss(self, mean: Float[Array, "elements {self.depth}+1"]) -> Float[Array, ""]:
        """Σ (difference)² relative to Σ (measured)²."""
        return curve_loss(self.predict(mean), self.target)


PROPERTY = Vibrations
