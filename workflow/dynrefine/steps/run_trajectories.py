"""Trajectories from the starting points of a chunk."""

from dynrefine.campaign.job import Job
from dynrefine.campaign.performance import count_steps
from dynrefine.config.steps import RunTrajectories
from dynrefine.files.arrays import write_passed_through
from dynrefine.files.chunks import require_chunk
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.trajectories import save_trajectories
from dynrefine.sampling.trajectories import adjoint_depth, observation_times
from dynrefine.sampling.trajectories import run_trajectories as run
from dynrefine.steps.loading import load_potential, load_surfaces


def run_trajectories(job: Job, settings: RunTrajectories) -> None:
    """Run constant-energy trajectories both ways in time from starting points of a chunk."""
    potential = load_potential(job, settings)
    if "iteration" in job.wildcards and potential.converged:
        write_passed_through(job.outputs.trajectories, "trajectories")
        return
    require_chunk(job.inputs.ensemble, *job.chunk)
    trajectories = run(
        potential,
        load_surfaces(job, settings),
        load_ensemble(job.inputs.ensemble),
        settings,
        None if settings.depth is None else adjoint_depth(settings.depth, job.inputs.horizon),
    )
    times = observation_times(settings.trajectory)
    count_steps(2 * times.count * times.stride * len(trajectories.temperatures))
    save_trajectories(job.outputs.trajectories, trajectories)
