"""A potential that needs no training."""

import jax
import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import InitialPotential
from dynrefine.files.models import create_model, save_model


def initial_potential(job: Job, settings: InitialPotential) -> None:
    """Write a potential with the parameters of the configuration."""
    model = create_model(settings.potential, settings.elements, jax.random.key(0))
    save_model(job.outputs.potential, model.cast(jnp.dtype(job.precision)))
