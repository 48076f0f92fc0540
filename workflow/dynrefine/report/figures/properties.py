"""Figures of the validation: spectra, structure and transport before and after, beside the measured ones."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynrefine.report.figures.style import (
    FAINT,
    MEASURED,
    STAGES,
    line_with_band,
    new_figure,
    place_legend_above,
    styled,
)

Curve = Mapping[str, np.ndarray]


@styled
def spectrum_figure(
    initial: Curve,
    refined: Curve,
    labels: Sequence[str],
    bands: Sequence[Sequence[float]] = (),
) -> Figure:
    """A spectrum before and after the refinement beside the measured one, and the differences from it below.

    Arguments:
        initial: abscissa, target, prediction and prediction_error [W] with the initial potential, in the
            units of the labels.
        refined: the same with the refined potential.
        labels: of abscissa and spectrum.
        bands: first and last abscissa of parts that are drawn beside each other, each on its own scale; the
            whole spectrum where there are none.
    """
    x = initial["abscissa"]
    bands = [band for band in bands if np.any(_within(x, band))] or [(x[0], x[-1])]
    widths = np.sqrt([last - first for first, last in bands])
    figure = new_figure(4.2)
    panels = figure.subplots(
        2, len(bands), sharex="col", squeeze=False, height_ratios=(2.2, 1), width_ratios=widths
    )
    for (spectrum, difference), band in zip(panels.T, bands, strict=True):
        _draw_spectrum(spectrum, difference, initial, refined, band)
        difference.set_xlabel(labels[0])
    panels[0, 0].set_ylabel(labels[1])
    panels[1, 0].set_ylabel("simulated −\nmeasured")
    figure.align_ylabels(panels[:, 0])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@styled
def structure_figure(initial: Curve, refined: Curve) -> Figure:
    """A pair distribution function before and after the refinement, and the measured one.

    Arguments:
        initial: distance (Å), value, error and target [R] with the initial potential; the target is not a
            number where nothing was measured.
        refined: the same with the refined potential.
    """
    figure = new_figure(3.2)
    axes = figure.subplots()
    axes.axhline(1.0, color=FAINT, linewidth=0.8)
    measured = np.isfinite(initial["target"])
    if measured.any():
        axes.plot(initial["distance"], initial["target"], color=MEASURED, linestyle="--", label="measured")
    for (stage, colour), curve in zip(STAGES.items(), (initial, refined), strict=True):
        line_with_band(axes, curve["distance"], curve["value"], curve["error"], colour, stage)
    axes.set(xlabel="distance (Å)", ylabel="g(r)", ylim=(0.0, None))
    axes.set_xlim(initial["distance"][0], initial["distance"][-1])
    place_legend_above(axes)
    return figure


@styled
def diffusion_figure(
    velocity_autocorrelation: tuple[Curve, Curve],
    running_integral: tuple[Curve, Curve],
    measured: float | None = None,
) -> Figure:
    """Velocity autocorrelation, and its running integral, the self-diffusion coefficient.

    Arguments:
        velocity_autocorrelation: lag (fs), value and error [T] before and after; drawn relative to lag 0.
        running_integral: lag (fs), running_integral and running_integral_error [T] (1e-9 m²/s) before and
            after.
        measured: self-diffusion coefficient, 1e-9 m²/s.
    """
    figure = new_figure(3.0)
    correlation, coefficient = figure.subplots(1, 2)
    if measured is not None:
        coefficient.axhline(measured, color=MEASURED, linestyle="--", linewidth=1.3, label="measured")
    pairs = zip(velocity_autocorrelation, running_integral, strict=True)
    for (stage, colour), (autocorrelation, integral) in zip(STAGES.items(), pairs, strict=True):
        value = autocorrelation["value"][0]
        line_with_band(
            correlation,
            autocorrelation["lag"],
            autocorrelation["value"] / value,
            autocorrelation["error"] / value,
            colour,
            stage,
        )
        line_with_band(
            coefficient,
            integral["lag"],
            integral["running_integral"],
            integral["running_integral_error"],
            colour,
            stage,
        )
    correlation.axhline(0.0, color=FAINT, linewidth=0.8)
    correlation.set(xlabel="lag (fs)", ylabel="velocity autocorrelation\n(relative to lag 0)")
    coefficient.set(xlabel="upper limit of the integral (fs)", ylabel="self-diffusion (10⁻⁹ m²/s)")
    place_legend_above(coefficient)
    return figure


def _draw_spectrum(
    spectrum: Axes, difference: Axes, initial: Curve, refined: Curve, band: Sequence[float]
) -> None:
    inside = _within(initial["abscissa"], band)
    x, target = initial["abscissa"][inside], initial["target"][inside]
    spectrum.plot(x, target, color=MEASURED, linestyle="--", label="measured")
    difference.axhline(0.0, color=MEASURED, linestyle="--", linewidth=1.0)
    for (stage, colour), curve in zip(STAGES.items(), (initial, refined), strict=True):
        prediction, error = curve["prediction"][inside], curve["prediction_error"][inside]
        line_with_band(spectrum, x, prediction, error, colour, stage)
        line_with_band(difference, x, prediction - target, error, colour, None)
    spectrum.set(xlim=(x[0], x[-1]))


def _within(x: np.ndarray, band: Sequence[float]) -> np.ndarray:
    return (x >= band[0]) & (x <= band[1])
