"""The anchor of a surface that is refined with the potential."""

from dataclasses import replace

import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.config.steps import AnchorSurface
from dynrefine.files.arrays import ArrayFile, write_arrays, write_passed_through
from dynrefine.files.models import load_model
from dynrefine.refinement.refined_surface import surface_anchor
from dynrefine.steps.loading import load_potential
from dynrefine.steps.loading_surface import load_labelled_surface


def anchor_surface(job: Job, settings: AnchorSurface) -> None:
    """Compute how far a surface is from what holds it on its ab initio frames, and the gradient of that."""
    potential = load_potential(job, settings)
    if potential.converged:
        write_passed_through(job.outputs.anchor, "anchor")
        return
    surface = load_labelled_surface(job, settings, potential)
    if job.inputs.beginning:
        first = load_model(job.inputs.beginning, settings.potential, settings.elements)
        surface = replace(surface, beginning=first.surfaces()[settings.surface].cast(surface.model.dtype))
    loss, gradient = surface_anchor(surface)
    content = ArrayFile({"loss": np.asarray(loss), "gradient": gradient}, {"loss": "1", "gradient": "1"})
    write_arrays(job.outputs.anchor, "anchor", content)
