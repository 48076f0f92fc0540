"""What spectra have in common: weights of bands, maxima, and the window that also broadens the measured spectrum."""

import math
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import Bands
from dynrefine.properties.base import Detail
from dynrefine.properties.correlation import hann_window
from dynrefine.units import WAVENUMBER

SMOOTHING = 20.0  # cm⁻¹, before maxima are found, so that noise makes none
LINE_WIDTHS = 4.0  # beyond which the window leaves next to nothing of a line
TOP = 0.8  # of the height of a maximum: its position is the centroid of what is above


def band_weights(
    abscissa: Float[np.ndarray, " W"], target: Float[np.ndarray, " W"], bands: Sequence[Band]
) -> Float[np.ndarray, " W"]:
    """Weights with which Σ weights (difference)² is the loss.

    Arguments:
        abscissa: wavenumbers, cm⁻¹.
        target: intensity; where nothing was measured, the weights are those of the bands.
        bands: parts of the spectrum with their weights; where bands overlap their weights add up.
    """
    weights, target = np.zeros_like(abscissa), np.nan_to_num(target, nan=1.0)
    for band in bands:
        first, last = band.range
        inside = (abscissa >= first) & (abscissa <= last)
        weights[inside] += band.weight / np.sum(target[inside] ** 2)
    return weights


def maxima_of(
    spectrum: Float[Array, " W"],
    abscissa: Float[np.ndarray, " W"],
    ranges: Mapping[str, Sequence[float]],
) -> dict[str, Float[Array, " 1"]]:
    """Position in cm⁻¹ and height of the maximum in each range of wavenumbers, of the smoothed spectrum.

    The position is the centroid of the top fifth, which moves gradually with the noise. The highest point itself
    jumps between points of equal height, and the jackknife gives no error for that.

    Arguments:
        spectrum: intensity.
        abscissa: its wavenumbers, cm⁻¹.
        ranges: first and last wavenumber, cm⁻¹, by name.
    """
    found = {}
    for name, (first, last) in ranges.items():
        inside = abscissa[(abscissa >= first) & (abscissa <= last)]
        shares = np.exp(-0.5 * ((inside[:, None] - abscissa) / SMOOTHING) ** 2)
        smooth = jnp.asarray(shares / shares.sum(axis=1, keepdims=True), spectrum.dtype) @ spectrum
        height = jnp.max(smooth)
        above = jnp.maximum(smooth - TOP * height, 0.0)
        beyond = jnp.asarray(inside - first, spectrum.dtype)
        position = first + jnp.sum(above * beyond) / jnp.sum(above)
        found |= {f"{name}, position": position[None], f"{name}, height": height[None]}
    return found


def measured_maxima(
    target: Float[np.ndarray, " W"],
    abscissa: Float[np.ndarray, " W"],
    settings: Bands,
    intensity: tuple[str, str],
) -> dict[str, Detail]:
    """The reported details of the maxima of a spectrum, with their measured values.

    Arguments:
        target: measured intensity, NaN where nothing was measured.
        abscissa: its wavenumbers, cm⁻¹.
        settings: of the spectrum.
        intensity: its name and unit.
    """
    quantities = {"position": ("wavenumber", "cm⁻¹"), "height": intensity}
    return {
        name: Detail.number(quantities[name.rpartition(", ")[2]], float(value[0]))
        for name, value in maxima_of(jnp.asarray(target), abscissa, settings.maxima).items()
    }


def wavenumbers(settings: Bands) -> Float[np.ndarray, " W"]:
    """Where a spectrum is compared, cm⁻¹."""
    highest = max(band.range[1] for band in settings.bands)
    return np.arange(settings.resolution, highest + 0.5 * settings.resolution, settings.resolution)


def as_simulated(
    settings: Bands,
    measured: Float[np.ndarray, "rows columns"] | None,
    abscissa: Float[np.ndarray, " W"],
    interval: float,
) -> Float[np.ndarray, " W"]:
    """The measured spectrum to compare with, as broad as the window makes the simulated one.

    Arguments:
        settings: of the spectrum; a synthetic target is that broad already.
        measured: wavenumber and intensity; none if nothing was measured.
        abscissa: where it is wanted, cm⁻¹.
        interval: between frames, fs.
    """
    if measured is None:
        return np.full_like(abscissa, np.nan)
    if settings.synthetic:
        return measured[:, 1]
    return broaden(measured, abscissa, round(settings.window / interval), interval)


def broaden(
    measured: Float[np.ndarray, "rows columns"],
    abscissa: Float[np.ndarray, " W"],
    depth: int,
    interval: float,
) -> Float[np.ndarray, " W"]:
    """A measured spectrum as it would look through the window of the simulated one.

    The spectrum is even in ν, so its cosine transform is its correlation function, which is multiplied by the window
    and transformed back.

    Arguments:
        measured: wavenumber and intensity; interpolated linearly from (0, 0), and constant beyond the last
            wavenumber, so that the window does not make it fall there.
        abscissa: where it is wanted, cm⁻¹.
        depth: of the window, frames.
        interval: between frames, fs.
    """
    width = 2.0 * math.pi / (WAVENUMBER * depth * interval)  # from a line to its first zero
    grid = np.arange(0.0, measured[-1, 0] + LINE_WIDTHS * width, 2.0)
    spectrum = np.interp(grid, np.append(0.0, measured[:, 0]), np.append(0.0, measured[:, 1]))
    frequencies = WAVENUMBER * grid
    lags = interval * np.arange(depth + 1)
    correlation = np.trapezoid(spectrum * np.cos(lags[:, None] * frequencies), frequencies, axis=1) / math.pi
    windowed = correlation * np.asarray(hann_window(depth, jnp.float32), float)
    weights = np.full(depth + 1, 2.0 * interval)
    weights[[0, -1]] = interval
    return (weights * windowed) @ np.cos(lags[:, None] * WAVENUMBER * abscissa)
