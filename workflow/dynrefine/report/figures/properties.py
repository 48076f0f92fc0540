"""Structure and transport before and after, beside the measured ones."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dynrefine.report.figures.style import (
    FAINT,
    MEASURED,
    STAGES,
    legend_above,
    line_with_band,
    new_figure,
    styled,
)

Curve = Mapping[str, np.ndarray]


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
    legend_above(figure, coefficient)
    return figure
