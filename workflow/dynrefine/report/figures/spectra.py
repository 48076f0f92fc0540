"""Spectra before and after, by iteration, and measured."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from dynrefine.files.curves import Curve
from dynrefine.report.figures.style import (
    CLASSICAL,
    INITIAL,
    MEASURED,
    QUANTUM,
    REFINED,
    STAGES,
    legend_above,
    line_with_band,
    new_figure,
    styled,
)
from dynrefine.report.formatting import unit_name

Band = Sequence[float]

_DRAWN_ITERATIONS = 7  # more spectra cannot be told apart
_COLOURS = STAGES | {"classical nuclei": CLASSICAL, "quantum nuclei": QUANTUM}
_FROM_INITIAL_TO_REFINED = LinearSegmentedColormap.from_list("iterations", [INITIAL, "#b9a7b8", REFINED])


@styled
def spectrum_figure(
    curves: Mapping[str, Curve], bands: Sequence[Band] = (), reference: str = "measured"
) -> Figure:
    """Simulated curves beside the measured one, if any, and the differences from it below.

    Arguments:
        curves: of the same property, named by what was simulated: "initial" and "refined", or "classical nuclei"
            and "quantum nuclei".
        bands: first and last abscissa of parts that are drawn side by side, each on its own scale; if empty, the
            whole spectrum is drawn.
        reference: what the measured curve is called.
    """
    first = next(iter(curves.values()))
    measured = is_measured(first)
    figure = new_figure(4.2 if measured else 3.0)
    bands = _drawn_bands(first.columns["abscissa"], bands)
    panels = figure.subplots(
        2 if measured else 1,
        len(bands),
        sharex="col",
        squeeze=False,
        height_ratios=(2.2, 1) if measured else (1,),
        width_ratios=_widths(bands),
    )
    for column, band in zip(panels.T, bands, strict=True):
        _draw_spectrum(list(column), curves, band, reference)
        column[-1].set_xlabel(first.axes[0])
    panels[0, 0].set_ylabel(unit_name(first.axes[1]))
    if measured:
        panels[1, 0].set_ylabel(f"simulated −\n{reference}")
    figure.align_ylabels(panels[:, 0])
    legend_above(figure, panels[0, 0])
    return figure


@styled
def spectra_by_iteration_figure(
    spectra: Mapping[int, Curve], bands: Sequence[Band] = (), reference: str = "measured"
) -> Figure:
    """How the fitted spectrum changed from the first to the last iteration.

    Arguments:
        spectra: the comparison of each iteration, by its number.
        bands: parts that are drawn side by side, see `spectrum_figure`.
        reference: what the measured curve is called.
    """
    figure = new_figure(3.2)
    iterations, curves = list(spectra), list(spectra.values())
    abscissa, target = curves[0].columns["abscissa"], curves[0].columns["target"]
    bands = _drawn_bands(abscissa, bands)
    panels = figure.subplots(1, len(bands), squeeze=False, width_ratios=_widths(bands))[0]
    last = len(iterations) - 1
    chosen = np.unique(np.linspace(0, last, _DRAWN_ITERATIONS).round().astype(int))
    for axes, band in zip(panels, bands, strict=True):
        inside = _within(abscissa, band)
        axes.plot(abscissa[inside], target[inside], color=MEASURED, label=reference, linestyle="--")
        for row in chosen:
            colour = _FROM_INITIAL_TO_REFINED(row / max(last, 1))
            name = "iteration 0" if iterations[row] == 0 else str(iterations[row])
            prediction = curves[row].columns["prediction"][inside]
            axes.plot(abscissa[inside], prediction, color=colour, linewidth=1.2, label=name)
        axes.set(xlabel=curves[0].axes[0], xlim=(abscissa[inside][0], abscissa[inside][-1]))
    panels[0].set_ylabel(unit_name(curves[0].axes[1]))
    legend_above(figure, panels[0])
    return figure


def is_measured(curve: Curve) -> bool:
    """Whether a measurement exists for any part of a curve."""
    return bool(np.isfinite(curve.columns["target"]).any())


def _draw_spectrum(panels: Sequence[Axes], curves: Mapping[str, Curve], band: Band, reference: str) -> None:
    """One band, and in the second panel, if any, the differences from the measured curve."""
    first = next(iter(curves.values())).columns
    inside = _within(first["abscissa"], band)
    x, target = first["abscissa"][inside], first["target"][inside]
    spectrum, differences = panels[0], panels[1:]
    if differences:
        spectrum.plot(x, target, color=MEASURED, linestyle="--", label=reference)
    for difference in differences:
        difference.axhline(0.0, color=MEASURED, linestyle="--", linewidth=1.0)
    for simulated, curve in curves.items():
        colour = _COLOURS[simulated]
        prediction, error = (curve.columns[name][inside] for name in ("prediction", "prediction_error"))
        line_with_band(spectrum, x, prediction, error, colour, simulated)
        for difference in differences:
            line_with_band(difference, x, prediction - target, error, colour, None)
    spectrum.set(xlim=(x[0], x[-1]))


def _drawn_bands(abscissa: np.ndarray, bands: Sequence[Band]) -> list[Band]:
    """The bands that hold more than one point; if there are none, the whole range."""
    drawn = [band for band in bands if np.sum(_within(abscissa, band)) > 1]
    return drawn or [(abscissa[0], abscissa[-1])]


def _widths(bands: Sequence[Band]) -> list[float]:
    """Widths of the panels: a wide band gets more room, but less than in proportion."""
    return [(last - first) ** 0.5 for first, last in bands]


def _within(abscissa: np.ndarray, band: Band) -> np.ndarray:
    return (abscissa >= band[0]) & (abscissa <= band[1])
