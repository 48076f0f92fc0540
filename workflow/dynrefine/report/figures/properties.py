"""Structure and transport before and after, beside the measured ones."""

import numpy as np
from matplotlib.figure import Figure

from dynrefine.files.curves import Curve
from dynrefine.report.figures.style import (
    FAINT,
    MEASURED,
    STAGES,
    legend_above,
    line_with_band,
    new_figure,
    styled,
)


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
    distance, measured = initial.columns["distance"], initial.columns["target"]
    if np.isfinite(measured).any():
        axes.plot(distance, measured, color=MEASURED, linestyle="--", label="measured")
    for (stage, colour), curve in zip(STAGES.items(), (initial, refined), strict=True):
        columns = curve.columns
        line_with_band(axes, columns["distance"], columns["value"], columns["error"], colour, stage)
    axes.set(xlabel="distance (Å)", ylabel="g(r)", ylim=(0.0, None))
    axes.set_xlim(distance[0], distance[-1])
    legend_above(figure, axes)
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
        lag, value, error = (autocorrelation.columns[column] for column in ("lag", "value", "error"))
        line_with_band(correlation, lag, value / value[0], error / value[0], colour, stage)
        lag, value, error = (
            integral.columns[column] for column in ("lag", "running_integral", "running_integral_error")
        )
        line_with_band(coefficient, lag, value, error, colour, stage)
    correlation.axhline(0.0, color=FAINT, linewidth=0.8)
    correlation.set(xlabel="lag (fs)", ylabel="velocity autocorrelation\n(relative to lag 0)")
    coefficient.set(xlabel="upper limit of the integral (fs)", ylabel="self-diffusion (10⁻⁹ m²/s)")
    legend_above(figure, coefficient)
    return figure
