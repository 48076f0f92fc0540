"""The metric of the natural gradient."""

import jax
import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import MeasureForceMetric
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import ArrayFile, write_arrays
from dynrefine.refinement.force_metric import force_probes
from dynrefine.steps.loading import load_potential


def measure_force_metric(job: Job, settings: MeasureForceMetric) -> None:
    """Measure what parameters do to the forces on the ab initio frames."""
    dtype = jnp.dtype(job.precision)
    potential = load_potential(job, settings)
    frames = to_arrays(read_frames(job.inputs.train), settings.symbols)
    probes = force_probes(potential, frames, settings.probes, jax.random.key(job.drawing_seed), dtype)
    write_arrays(job.outputs.metric, "force metric", ArrayFile({"probes": probes}, {"probes": "eV/Å"}))
