"""The anchor of the potential to its ab initio data."""

import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.config.steps import AnchorGradient
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import ArrayFile, write_arrays, write_passed_through
from dynrefine.refinement.anchor import anchor_gradient as gradient_of_anchor
from dynrefine.steps.loading import load_potential


def anchor_gradient(job: Job, settings: AnchorGradient) -> None:
    """Compute the errors of an iteration's potential on the ab initio training frames, and their gradient."""
    dtype = jnp.dtype(job.precision)
    potential = load_potential(job, settings)
    if potential.converged:
        write_passed_through(job.outputs.anchor, "anchor")
        return
    frames = to_arrays(read_frames(job.inputs.train), settings.symbols)
    loss, gradient = gradient_of_anchor(potential.surfaces()["potential"], frames, settings.anchor, dtype)
    content = ArrayFile(
        {"loss": np.asarray(loss), "gradient": np.asarray(gradient)}, {"loss": "1", "gradient": "1"}
    )
    write_arrays(job.outputs.anchor, "anchor", content)
