"""The derivatives of properties with respect to named parameters, or along drawn changes of all."""

from functools import partial

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import MeasureSensitivities
from dynrefine.dynamics.force_field import force_field
from dynrefine.files.arrays import read_arrays, required
from dynrefine.files.chunks import require_chunk
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import Model
from dynrefine.files.sensitivities import save_sensitivities
from dynrefine.files.trajectories import Observed, load_trajectories
from dynrefine.geometry.system import system_of
from dynrefine.refinement.sensitivities import (
    Direction,
    Moving,
    measured,
    named_directions,
    numbered_directions,
)
from dynrefine.refinement.validation import judged_properties
from dynrefine.sampling.energies import potential_energies
from dynrefine.sampling.trajectories import adjoint_depth, run_trajectories
from dynrefine.steps.loading import load_potential, load_surfaces


def measure_sensitivities(job: Job, settings: MeasureSensitivities) -> None:
    """Run again from the starting points of a chunk at displaced parameters, up to the depth of the gradient."""
    for path in (job.inputs.ensemble, job.inputs.trajectories):
        require_chunk(path, *job.chunk)
    potential, surfaces = load_potential(job, settings), load_surfaces(job, settings)
    ensemble = load_ensemble(job.inputs.ensemble)
    depth = adjoint_depth(settings.depth or settings.trajectory.length, job.inputs.horizon)
    length = min(depth, settings.trajectory.length)
    followed = settings.trajectory.model_copy(update={"length": length, "reversal": "floating"})
    shorter = settings.model_copy(update={"trajectory": followed})

    def observe(moved: Model) -> Observed:
        return run_trajectories(moved, surfaces, ensemble, shorter, None).observed()

    dtype = potential.dtype
    field = force_field([potential.architecture], ensemble.cells, len(ensemble.species), settings.ensemble)
    species = system_of(ensemble.species, settings.elements, dtype).species
    properties = judged_properties(settings, settings.state, [ensemble], seen=True)
    whole = required(load_trajectories(job.inputs.trajectories)).observed()
    energies = partial(potential_energies, field, species=species, points=ensemble.starts(dtype))
    found = measured(
        potential,
        _directions(job, potential),
        {judged.name: judged.observable for judged in properties},
        Observed(*({name: jnp.asarray(values, dtype) for name, values in part.items()} for part in whole)),
        Moving(observe, energies),
    )
    save_sensitivities(job.outputs.sensitivities, found)


def _directions(job: Job, potential: Model) -> dict[str, Direction]:
    if not job.inputs.changes:
        return named_directions(potential)
    return numbered_directions(read_arrays(job.inputs.changes, "drawn potentials").arrays["changes"])
