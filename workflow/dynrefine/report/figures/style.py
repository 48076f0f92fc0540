"""The common style of figures, and how they are written to a file or a page."""

import re
from collections.abc import Callable
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dynrefine.files.arrays import atomic_path

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # absent from the oldest supported matplotlib

# After Okabe and Ito: safe for colour-blind readers, on light and dark pages.
INK, FAINT = "#1f2328", "#8b949e"
INITIAL, REFINED, MEASURED = "#d55e00", "#0072b2", INK
STAGES = {"initial": INITIAL, "refined": REFINED}
CLASSICAL, QUANTUM = REFINED, "#7a5195"
PARTS = {"train": "#9aa4ae", "validation": "#cc79a7", "test": "#009e73", "removed": "#d55e00"}
SERIES = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")

_SYMBOLS = {"sigma": "σ", "epsilon": "ε"}  # of parameters
_ROW = 36  # characters that fit over half a figure
WIDTH = 8.0  # inches; readable at 800 pixels with these font sizes

STYLE: "dict[RcKeyType, Any]" = {
    "figure.dpi": 100,
    "savefig.transparent": True,
    "font.size": 9.5,
    "font.family": "sans-serif",
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "dynrefine",
}

# On the page, these colours follow its light or dark theme.
_PAGE_COLOURS = {INK: "currentColor", INITIAL: "var(--initial)", REFINED: "var(--refined)"}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw a figure in the common style."""

    @wraps(draw)
    def in_style(*arguments: Any, **named: Any) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **named)

    return in_style


def new_figure(height: float) -> Figure:
    """An empty figure of the common width; height in inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def axis_label(parameter: str, unit: str) -> str:
    """The symbol of a parameter, or its name if it has none, and its unit."""
    symbol = _SYMBOLS.get(parameter, parameter)
    return f"{symbol} ({unit})" if unit else symbol


def line_with_band(
    axes: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, colour: str, label: str | None
) -> None:
    """A line in a band of one standard error on either side."""
    axes.plot(x, y, color=colour, label=label)
    axes.fill_between(x, y - error, y + error, color=colour, alpha=0.25, linewidth=0)


def legend_above(figure: Figure, axes: Axes) -> None:
    """The legend of one panel in a row above the whole figure, where it hides no data."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))


def legend_over_panel(axes: Axes) -> None:
    """A legend above a panel, in drawing order; lines without labels are left out."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4 if sum(map(len, labels)) < _ROW else 2,
        borderaxespad=0.2,
        columnspacing=0.9,
        handlelength=1.0,
        handletextpad=0.4,
    )


def save_figure(path: str | Path, figure: Figure) -> None:
    """Write a figure on a white background, in the format of the path's ending (.png, .svg, .pdf).

    Arguments:
        path: the file to write.
        figure: the figure.
    """
    with atomic_path(path) as temporary, matplotlib.rc_context(STYLE):
        figure.savefig(temporary, dpi=150, transparent=False, facecolor="white")


def to_svg(figure: Figure, description: str) -> str:
    """A figure as an SVG element for a page.

    Arguments:
        figure: the figure.
        description: a text for those who cannot see the figure, without markup.

    Returns:
        the element; it is self-contained, and takes colours and fonts from the page.
    """
    stream = StringIO()
    with matplotlib.rc_context(STYLE):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", dpi=150, metadata=nothing)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' id="[A-Za-z0-9]+_\d+"', "", svg)  # unneeded, and repeated in every figure
    for colour, on_page in _PAGE_COLOURS.items():
        svg = svg.replace(colour, on_page)
    return svg.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
