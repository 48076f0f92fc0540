"""A surface that needs no training."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import InitialPotential
from dynrefine.config.surfaces.base import differences
from dynrefine.datasets.fetching import checksum
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import read_kind
from dynrefine.files.models import Model, create_model, read_model, read_surfaces, save_model

_OF_THE_REFINEMENT = ("converged", "iteration")


def initial_potential(job: Job, settings: InitialPotential) -> None:
    """Write a surface, usually the potential, with parameters from the configuration or from a file."""
    given = settings.surface.file
    if given is None:
        model = create_model(settings.surface, settings.elements, jax.random.key(0))
    else:
        model = _of_file(job.inputs.file, given.sha256, settings)
    save_model(job.outputs.potential, model.cast(jnp.dtype(job.precision)))


def _of_file(path: str, expected: str | None, settings: InitialPotential) -> Model:
    """The surface in a file, whose checksum may be known.

    Raises:
        CampaignError: the file has another checksum, or its surface is not the one that the configuration describes.
    """
    found = checksum(Path(path))
    if expected not in (None, found):
        raise CampaignError(
            f"{path} has the SHA-256 {found}, expected {expected}: give the file with the expected checksum."
        )
    is_model = read_kind(path) == "model"
    surfaces = read_model(path).surfaces(settings.name) if is_model else read_surfaces(path)
    if settings.name not in surfaces:
        raise CampaignError(
            f"{path} holds {', '.join(surfaces)}, expected a {settings.name}: give a file that holds one."
        )
    model = surfaces[settings.name]
    for difference in differences(model.settings, settings.surface, settings.elements):
        raise CampaignError(
            f"{path} holds a {settings.name} made with other settings: {difference}. Use those of the file."
        )
    kept = {name: value for name, value in model.metadata.items() if name not in _OF_THE_REFINEMENT}
    return replace(model, metadata={**kept, "file": path, "sha256": found})
