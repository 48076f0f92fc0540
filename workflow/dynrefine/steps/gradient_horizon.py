"""The pilot that chooses the depth of the gradient."""

import jax.numpy as jnp

from dynrefine.campaign.job import Job
from dynrefine.config.steps import GradientHorizon
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.tables import write_table
from dynrefine.quantities.base import Observer
from dynrefine.refinement.depth_pilot import Pilot, ladder, measure
from dynrefine.refinement.gathering import measured_at, observables_of
from dynrefine.refinement.total_gradient import parameter_scales
from dynrefine.sampling.trajectories import observation_times, simulation_of
from dynrefine.steps.loading import load_potential, load_surfaces


def gradient_horizon(job: Job, settings: GradientHorizon) -> None:
    """Follow the gradient of a few trajectories to several depths, and choose the depth for all trajectories."""
    trajectory, horizon = settings.trajectory, settings.gradient.horizon
    dtype = jnp.dtype(job.precision)
    potential = load_potential(job, settings)
    surfaces = load_surfaces(job, settings)
    ensemble = load_ensemble(job.inputs.ensemble)
    along, at_start = (Observer.of(names, surfaces) for names in (settings.along, settings.at_start))
    measured = measured_at(settings, settings.state, settings.objective.observables.chosen())
    pilot = Pilot(
        simulation=simulation_of(
            potential, ensemble, settings, observation_times(trajectory), (along, at_start)
        ),
        observables=observables_of(settings, settings.state, [ensemble], measured),
        weights={name: each.settings.weight for name, each in measured.items()},
        starts=ensemble.starts(dtype).first(horizon.replicas),
        tolerance=settings.gradient.reversal_tolerance,
        chains=len(ensemble.chain_positions),
    )
    depths = ladder(horizon.shortest, trajectory.length, horizon.depths, trajectory.sampling_interval)
    scales = parameter_scales(potential, settings.optimiser)
    table = measure(pilot, depths, horizon.threshold, scales, settings.optimiser.outlier_limit)
    write_table(job.outputs.table, table)
