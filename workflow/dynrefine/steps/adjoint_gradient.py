"""The gradient of one chunk."""

import time

import jax
import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.campaign.performance import count_steps
from dynrefine.config.steps import AdjointGradient
from dynrefine.files.arrays import required, write_passed_through
from dynrefine.files.chunks import require_chunk
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.gradients import save_gradient
from dynrefine.files.objectives import load_objective
from dynrefine.files.trajectories import load_trajectories
from dynrefine.quantities.base import Observer
from dynrefine.refinement.gathering import observables_of
from dynrefine.refinement.gradient import Weighing, chunk_gradient, observed_seeds
from dynrefine.refinement.objective import of_one_observable
from dynrefine.sampling.trajectories import adjoint_depth, observation_times, simulation_of
from dynrefine.steps.loading import load_potential, load_surfaces


def adjoint_gradient(job: Job, settings: AdjointGradient) -> None:
    """Compute the gradient of the objective through the trajectories and the starting points of one chunk."""
    dtype = jnp.dtype(job.precision)
    potential = load_potential(job, settings)
    if potential.converged:
        write_passed_through(job.outputs.gradient, "gradient")
        return
    label, number = job.chunk
    for path in (job.inputs.ensemble, job.inputs.trajectories):
        require_chunk(path, label, number)
    ensemble = load_ensemble(job.inputs.ensemble)
    trajectories = required(load_trajectories(job.inputs.trajectories))
    objective = required(load_objective(job.inputs.objective))
    if settings.observable is None:
        state = objective.states[label]
    else:
        state = of_one_observable(objective, label, settings.observable, settings.state.temperature)
    depth = adjoint_depth(settings.gradient.depth, job.inputs.horizon)
    times = observation_times(settings.trajectory, depth).kept_part()
    count = len(ensemble.positions)
    followed = slice(settings.gradient.replicas or len(trajectories.temperatures))
    weighing = Weighing(
        *(jnp.asarray(each, dtype) for each in state.of_chunk(number, count)),
        len(ensemble.chain_positions),
    )
    shares = state.weights.reshape(-1, count)[:, followed]
    observables = observables_of(settings, settings.state, [ensemble])
    observed = trajectories.observed(times.count).needed_by(observables.values())
    seeds = observed_seeds(
        {name: observables[name] for name in state.evaluations},
        state.weighted_cotangents(objective.weights[label]),
        jnp.asarray(shares[number] / shares.sum(), dtype),
        jax.tree.map(lambda array: array[followed], observed),
    )
    along, at_start = (Observer.of(list(names), load_surfaces(job, settings)) for names in observed)
    begun = time.monotonic()
    gradient = chunk_gradient(
        simulation_of(potential, ensemble, settings, times, (along, at_start)),
        ensemble.starts(dtype),
        trajectories.ends(followed, dtype),
        seeds,
        weighing,
        settings.gradient.reversal_tolerance,
    )
    steps = 2 * times.count * times.stride * len(gradient.reversal_error)
    count_steps(steps)
    save_gradient(job.outputs.gradient, gradient, (time.monotonic() - begun) / steps)
