"""The metric of the steps of a surface that is refined with the potential."""

import jax

from dynrefine.campaign.job import Job
from dynrefine.config.steps import MeasureSurfaceMetric
from dynrefine.files.arrays import ArrayFile, write_arrays
from dynrefine.refinement.refined_surface import surface_probes
from dynrefine.refinement.total_gradient import refined_parameters
from dynrefine.steps.loading import load_potential
from dynrefine.steps.loading_surface import load_labelled_surface


def measure_surface_metric(job: Job, settings: MeasureSurfaceMetric) -> None:
    """Measure what parameters do to the predictions of a surface on its ab initio frames."""
    surface = load_labelled_surface(job, settings, load_potential(job, settings))
    refined = refined_parameters(surface.model, settings.refined)
    rows = surface_probes(surface, refined, settings.refined.probes, jax.random.key(job.drawing_seed))
    write_arrays(job.outputs.metric, "surface metric", ArrayFile({"probes": rows}, {"probes": "1"}))
