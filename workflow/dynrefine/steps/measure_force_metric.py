"""The metric of the natural gradient."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.config.steps import MeasureForceMetric
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.dynamics.mapping import rows_fit
from dynrefine.files.arrays import ArrayFile, write_arrays
from dynrefine.refinement.force_metric import drawn_directions, force_probes, gram_of
from dynrefine.refinement.total_gradient import refined_parameters
from dynrefine.steps.loading import load_potential


def measure_force_metric(job: Job, settings: MeasureForceMetric) -> None:
    """Measure how parameters change the forces on the ab initio frames."""
    dtype = jnp.dtype(job.precision)
    potential = load_potential(job, settings).surfaces()["potential"]
    frames = to_arrays(read_frames(job.inputs.train), settings.symbols)
    directions = drawn_directions(frames, settings.optimiser.probes, jax.random.key(job.drawing_seed), dtype)
    refined = refined_parameters(potential, settings.optimiser)
    if rows_fit(math.prod(directions.shape[:2]), len(refined)):
        arrays = {"probes": force_probes(potential, frames, directions, refined, dtype)}
    else:
        arrays = {
            "directions": np.asarray(directions),
            "gram": gram_of(potential, frames, directions, refined, Path(job.outputs.metric).parent),
            "refined": refined,
        }
    units = {"probes": "eV/Å", "directions": "1", "gram": "eV²/Å²", "refined": "1"}
    write_arrays(
        job.outputs.metric, "force metric", ArrayFile(arrays, {name: units[name] for name in arrays})
    )
