"""Figures, all in one style, with the same colours for initial, refined and measured."""

from dynrefine.report.figures.covariance import covariance_figure
from dynrefine.report.figures.data import dataset_figure, training_figure
from dynrefine.report.figures.horizon import horizon_figure
from dynrefine.report.figures.refinement import (
    parameters_figure,
    refinement_figure,
    timings_figure,
    values_by_iteration_figure,
)
from dynrefine.report.figures.spectra import is_measured, spectra_by_iteration_figure, spectrum_figure
from dynrefine.report.figures.style import save_figure, to_svg

__all__ = [
    "covariance_figure",
    "dataset_figure",
    "horizon_figure",
    "is_measured",
    "parameters_figure",
    "refinement_figure",
    "save_figure",
    "spectra_by_iteration_figure",
    "spectrum_figure",
    "timings_figure",
    "to_svg",
    "training_figure",
    "values_by_iteration_figure",
]
