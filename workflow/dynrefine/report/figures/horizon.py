"""The figure of the gradient's horizon."""

import pandas as pd
from matplotlib.figure import Figure

from dynrefine.report.figures.style import FAINT, INITIAL, INK, REFINED, legend_over_panel, new_figure, styled


@styled
def horizon_figure(table: pd.DataFrame, threshold: float) -> Figure:
    """Size, error and spread of the gradient by depth, and its signal to noise.

    Arguments:
        table: from `horizon.measure`.
        threshold: the signal to noise that the chosen depth must reach.
    """
    figure = new_figure(3.0)
    sizes, ratio = figure.subplots(1, 2, sharex=True)
    for column, colour, label in (
        ("gradient_norm", REFINED, "norm"),
        ("gradient_norm_error", INITIAL, "its error"),
        ("spread", INK, "spread"),
    ):
        sizes.plot(table.depth_fs, table[column], "o-", color=colour, markersize=4, label=label)
    sizes.set(xlabel="depth (fs)", ylabel="trajectory part of the gradient", yscale="log")
    legend_over_panel(sizes)
    ratio.plot(table.depth_fs, table.signal_to_noise, "o-", color=REFINED, markersize=4)
    ratio.axhline(threshold, color=FAINT, linestyle="--")
    chosen = table[table.chosen]
    ratio.plot(chosen.depth_fs, chosen.signal_to_noise, "o", color=INITIAL, markersize=8, fillstyle="none")
    ratio.set(xlabel="depth (fs)", ylabel="signal to noise")
    return figure
