"""Figures, all in one style; initial, refined and measured have the same colours in every one."""

from dynrefine.report.figures.data import dataset_figure, training_figure
from dynrefine.report.figures.style import save_figure, to_svg

__all__ = [
    "dataset_figure",
    "save_figure",
    "to_svg",
    "training_figure",
]
