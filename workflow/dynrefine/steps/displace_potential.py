"""The initial potential with one parameter displaced."""

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import DisplacePotential
from dynrefine.files.models import load_model, save_model


def displace_potential(job: Job, settings: DisplacePotential) -> None:
    """Write the initial potential with one of its parameters displaced."""
    potential = load_model(job.inputs.potential, settings.potential, settings.elements)
    save_model(
        job.outputs.potential, potential.displaced(settings.displacement).cast(jnp.dtype(job.precision))
    )
