"""A surface that is refined with the potential and the frames that it was trained on, as steps read them."""

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import LabelledSurfaceStep
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.models import Model
from dynrefine.refinement.refined_surface import LabelledSurface
from dynrefine.registry import plug_in


def load_labelled_surface(job: Job, settings: LabelledSurfaceStep, potential: Model) -> LabelledSurface:
    """A surface of a potential with its training frames.

    Arguments:
        job: whose input `train` they are.
        settings: name of the surface and what it is fitted to.
        potential: that the surface is refined with.
    """
    frames = to_arrays(read_frames(job.inputs.train), settings.symbols)
    task = plug_in("training", settings.task).TASK
    return LabelledSurface.of(potential.surfaces()[settings.surface], task, frames, jnp.dtype(job.precision))
