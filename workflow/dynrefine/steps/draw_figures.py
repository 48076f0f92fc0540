"""Figures of the data set and the training."""

import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.base import Section
from dynrefine.files.parity import load_parity
from dynrefine.report.figures import dataset_figure, save_figure, training_figure


def draw_figures(job: Job, settings: Section) -> None:
    """Draw the data set, and the learning curve and parity of each surface."""
    save_figure(job.outputs.dataset, dataset_figure(pd.read_csv(job.inputs.frames)))
    files = zip(job.inputs.learning_curves, job.inputs.parities, job.outputs.surfaces, strict=True)
    for learning_curve, parity, figure in files:
        save_figure(figure, training_figure(pd.read_csv(learning_curve), load_parity(parity)))
