"""The potential with the surfaces that are refined with it."""

from pathlib import Path

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import JoinSurfaces
from dynrefine.files.models import joined, load_model, save_model


def join_surfaces(job: Job, settings: JoinSurfaces) -> None:
    """Write a potential and surfaces beside it as one model."""
    files = {"potential": job.inputs.potential, **{Path(path).stem: path for path in job.inputs.surfaces}}
    surfaces = {
        name: load_model(files[name], each, settings.elements).cast(jnp.dtype(job.precision))
        for name, each in settings.potential.surfaces.items()
    }
    save_model(job.outputs.potential, joined(surfaces, settings.potential, settings.elements))
