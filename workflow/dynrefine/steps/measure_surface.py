"""The anchor and the metric that a surface refined with the potential needs for its step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.config.steps import MeasureSurface
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import ArrayFile, write_arrays, write_passed_through
from dynrefine.files.models import Model, load_model
from dynrefine.refinement.refined_surface import LabelledSurface, surface_anchor, surface_probes
from dynrefine.refinement.total_gradient import refined_parameters
from dynrefine.registry import plug_in
from dynrefine.steps.loading import load_potential


def measure_surface(job: Job, settings: MeasureSurface) -> None:
    """Measure how far a surface has strayed, the gradient of that, and how parameters change its predictions."""
    potential = load_potential(job, settings)
    if potential.converged:
        write_passed_through(job.outputs.anchor, "anchor")
        write_passed_through(job.outputs.metric, "surface metric")
        return
    surface = _labelled(job, settings, potential)
    loss, gradient = surface_anchor(surface)
    content = ArrayFile({"loss": np.asarray(loss), "gradient": gradient}, {"loss": "1", "gradient": "1"})
    write_arrays(job.outputs.anchor, "anchor", content)
    refined = refined_parameters(surface.model, settings.refined)
    rows = surface_probes(surface, refined, settings.refined.probes, jax.random.key(job.drawing_seed))
    write_arrays(job.outputs.metric, "surface metric", ArrayFile({"probes": rows}, {"probes": "1"}))


def _labelled(job: Job, settings: MeasureSurface, potential: Model) -> LabelledSurface:
    """The surface with its training frames and, if it is held at its first predictions, with its beginning."""
    frames = to_arrays(read_frames(job.inputs.train), settings.symbols)
    task = plug_in("training", settings.task).TASK
    surface = LabelledSurface.of(
        potential.surfaces()[settings.surface], task, frames, jnp.dtype(job.precision)
    )
    if not job.inputs.beginning:
        return surface
    first = load_model(job.inputs.beginning, settings.potential, settings.elements)
    return replace(surface, beginning=first.surfaces()[settings.surface].cast(surface.model.dtype))
