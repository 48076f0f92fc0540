"""Files that several steps read alike."""

from pathlib import Path

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import PotentialStep, SurfacesStep
from dynrefine.files.models import Model, load_model


def load_potential(job: Job, settings: PotentialStep, precision: str | None = None) -> Model:
    """The potential that a job is given.

    Arguments:
        job: whose input it is.
        settings: that describe it.
        precision: of its parameters; the job's where it is not given.
    """
    potential = load_model(job.inputs.potential, settings.potential, settings.elements)
    return potential.cast(jnp.dtype(precision or job.precision))


def load_surfaces(job: Job, settings: SurfacesStep, precision: str | None = None) -> dict[str, Model]:
    """The surfaces beside the potential, by name.

    Arguments:
        job: whose inputs they are.
        settings: that describe them.
        precision: of their parameters; the job's where it is not given.
    """
    files = {Path(path).stem: path for path in job.inputs.surfaces}
    return {
        name: load_model(files[name], own, settings.elements).cast(jnp.dtype(precision or job.precision))
        for name, own in settings.surfaces.items()
    }
