"""The anchor of a surface that is refined with the potential."""

import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.config.steps import AnchorSurface
from dynrefine.files.arrays import ArrayFile, write_arrays, write_passed_through
from dynrefine.refinement.refined_surface import surface_anchor
from dynrefine.steps.loading import load_potential
from dynrefine.steps.loading_surface import load_labelled_surface


def anchor_surface(job: Job, settings: AnchorSurface) -> None:
    """Compute the errors of an iteration's surface on its ab initio training frames, and their gradient."""
    potential = load_potential(job, settings)
    if potential.converged:
        write_passed_through(job.outputs.anchor, "anchor")
        return
    loss, gradient = surface_anchor(load_labelled_surface(job, settings, potential))
    content = ArrayFile({"loss": np.asarray(loss), "gradient": gradient}, {"loss": "1", "gradient": "1"})
    write_arrays(job.outputs.anchor, "anchor", content)
