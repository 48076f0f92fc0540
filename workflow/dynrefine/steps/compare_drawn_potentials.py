"""How far the ab initio frames and the fitted measurements leave properties open."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import EstimateCovariance
from dynrefine.files.tables import write_table
from dynrefine.refinement.drawn_potentials import spread
from dynrefine.steps.determining import determined_properties


def compare_drawn_potentials(job: Job, settings: EstimateCovariance) -> None:
    """Gather the sensitivities of all states: how far properties of drawn potentials lie from the refined ones."""
    write_table(job.outputs.left_open, spread(determined_properties(job, settings)))
