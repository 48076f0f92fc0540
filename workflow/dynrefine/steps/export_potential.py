"""The file of a potential for users."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import ExportPotential
from dynrefine.export.potential_file import write_exported
from dynrefine.steps.loading import load_potential, load_surfaces


def export_potential(job: Job, settings: ExportPotential) -> None:
    """Write a potential, with the surfaces beside it, as one file for ASE, i-PI and programs that run StableHLO."""
    surfaces = {**load_potential(job, settings).surfaces(), **load_surfaces(job, settings)}
    write_exported(job.outputs.exported, surfaces)
