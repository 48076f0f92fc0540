"""The figure of the covariance of parameters."""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dynrefine.report.figures.style import REFINED, axis_label, new_figure, styled

_PANELS = 3  # in a row
_MOST = 9


@styled
def covariance_figure(table: pd.DataFrame) -> Figure:
    """Ellipses of one and two standard errors for each pair of parameters, the most correlated ones first.

    Arguments:
        table: see `dynrefine.refinement.covariance.Determination.pairs`.
    """
    names = list(dict.fromkeys(table.parameter))
    of_pairs = table.set_index(["parameter", "other"])
    single = table.drop_duplicates("parameter").set_index("parameter")
    pairs = sorted(combinations(names, 2), key=lambda pair: -abs(of_pairs.correlation[pair]))[:_MOST]
    lines = -(-len(pairs) // _PANELS)
    figure = new_figure(2.8 * lines)
    panels = figure.subplots(lines, min(len(pairs), _PANELS), squeeze=False).ravel()
    angles = np.linspace(0.0, 2.0 * np.pi, 181)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    for axes, (second, first) in zip(panels, pairs, strict=False):
        pair = [first, second]
        covariance = np.array([[of_pairs.covariance[one, other] for other in pair] for one in pair])
        centre = single.value[pair].to_numpy()[:, None]
        ellipse = np.linalg.cholesky(covariance) @ circle
        axes.plot(*centre, "+", color=REFINED, markersize=9)
        for errors, style in ((1.0, "-"), (2.0, "--")):
            axes.plot(*(centre + errors * ellipse), style, color=REFINED)
        axes.set(xlabel=axis_label(first, single.unit[first]), ylabel=axis_label(second, single.unit[second]))
    for axes in panels[len(pairs) :]:
        axes.set_visible(False)
    return figure
