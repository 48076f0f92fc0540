"""Starting points of trajectories."""

import logging
import shutil

import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.campaign.performance import count_steps
from dynrefine.config.steps import SampleEnsemble
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import atomic_path
from dynrefine.files.chunks import read_by_state, require_chunk
from dynrefine.files.ensembles import Ensemble, load_ensemble, save_ensemble
from dynrefine.files.models import Model, load_model
from dynrefine.registry import plug_in
from dynrefine.sampling.initial_configurations import (
    Configurations,
    initial_configurations,
    lattice_configurations,
)
from dynrefine.sampling.outlying_energies import FAR, outlying
from dynrefine.sampling.reuse import beside_former, serve_again

logger = logging.getLogger(__name__)


def sample_ensemble(job: Job, settings: SampleEnsemble) -> None:
    """Sample the starting points of a chunk, or reuse those of the previous iteration."""
    potential = _load(job.inputs.potential, job, settings)
    if potential.converged and _goes_on(job):
        with atomic_path(job.outputs.ensemble) as temporary:
            shutil.copyfile(job.inputs.start, temporary)
        return
    ensemble = _served_again(job, potential, settings)
    if ensemble is None:
        starts = _starts(job, settings)
        sampler = plug_in("sampling", settings.ensemble.kind).SAMPLER
        ensemble = sampler(potential, starts, settings, job.drawing_seed)
        count_steps(_steps(settings, starts))
        _warn_of_holes(ensemble)
        former = [_load(path, job, settings) for path in getattr(job.inputs, "former_potentials", [])]
        ensemble = beside_former(ensemble, former, settings)
    save_ensemble(job.outputs.ensemble, ensemble)


def _goes_on(job: Job) -> bool:
    """Whether the chains continue from the previous iteration."""
    return str(job.inputs.start).endswith(".npz")


def _load(path: str, job: Job, settings: SampleEnsemble) -> Model:
    return load_model(path, settings.potential, settings.elements).cast(jnp.dtype(job.precision))


def _served_again(job: Job, potential: Model, settings: SampleEnsemble) -> Ensemble | None:
    former = getattr(job.inputs, "former", [])
    if not former or potential.converged:
        return None
    state, number = job.chunk
    chunks = read_by_state(load_ensemble, former, [state])[state]
    return serve_again(chunks, number, potential, settings, job.drawing_seed)


def _starts(job: Job, settings: SampleEnsemble) -> Configurations:
    if _goes_on(job):
        require_chunk(job.inputs.start, *job.chunk)
        former = load_ensemble(job.inputs.start)
        return Configurations(
            former.species, former.chain_cells, former.chain_positions, former.chain_velocities
        )
    own = settings.state, settings.elements, settings.ensemble.replicas, job.drawing_seed
    if not job.inputs.start:
        return lattice_configurations(*own, settings.potential.molecule)
    return initial_configurations(to_arrays(read_frames(job.inputs.start), settings.symbols), *own)


def _warn_of_holes(ensemble: Ensemble) -> None:
    energies = ensemble.energies_by_potential[-1]
    far = outlying(energies)
    if len(far):
        logger.warning(
            "%d of %d starting points have a potential energy up to %.1f eV from the median, more than %.0f times "
            "the spread of the others: the potential has holes there. These configurations are not the liquid, yet "
            "the gradient follows them. Train the potential on such frames too (python -m dynrefine.labelling)",
            len(far),
            len(energies),
            np.abs(far).max(),
            FAR,
        )


def _steps(settings: SampleEnsemble, starts: Configurations) -> int:
    """Time steps of all chains."""
    sampling = settings.ensemble
    picoseconds = sampling.samples_per_replica * sampling.decorrelation
    if starts.velocities is None:
        picoseconds += sampling.equilibration
    return round(1e3 * picoseconds / sampling.timestep) * len(starts.positions)
