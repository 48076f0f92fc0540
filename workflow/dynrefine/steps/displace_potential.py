"""The initial potential beside itself."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import DisplacePotential
from dynrefine.files.models import Model, load_model, parameter_name, save_model


def displace_potential(job: Job, settings: DisplacePotential) -> None:
    """Write the initial potential with one of its parameters displaced."""
    potential = load_model(job.inputs.potential, settings.potential, settings.elements)
    save_model(
        job.outputs.potential, displaced(potential, settings.displacement).cast(jnp.dtype(job.precision))
    )


def displaced(potential: Model, displacement: Mapping[str, float]) -> Model:
    """The potential with other values of its named parameters.

    Arguments:
        potential: whose trainable parameters have names.
        displacement: what is added to them, in their units.
    """
    trainable = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf + displacement.get(parameter_name(path), 0.0),
        potential.parameters["trainable"],
    )
    return potential.with_trainable(trainable)
