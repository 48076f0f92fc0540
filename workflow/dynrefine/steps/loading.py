"""Files that several steps read in the same way."""

from pathlib import Path

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import PotentialStep, SurfacesStep
from dynrefine.files.models import Model, load_model


def load_potential(job: Job, settings: PotentialStep, precision: str | None = None) -> Model:
    """The potential that a job is given.

    Arguments:
        job: with the potential among its inputs.
        settings: of the potential.
        precision: of its parameters; the job's by default.
    """
    potential = load_model(job.inputs.potential, settings.potential, settings.elements)
    return potential.cast(jnp.dtype(precision or job.precision))


def load_surfaces(job: Job, settings: SurfacesStep, precision: str | None = None) -> dict[str, Model]:
    """The surfaces beside the potential, by name.

    Arguments:
        job: with the surfaces among its inputs.
        settings: of the surfaces.
        precision: of their parameters; the job's by default.
    """
    files = {Path(path).stem: path for path in job.inputs.surfaces}
    return {
        name: load_model(files[name], own, settings.elements).cast(jnp.dtype(precision or job.precision))
        for name, own in settings.surfaces.items()
    }
