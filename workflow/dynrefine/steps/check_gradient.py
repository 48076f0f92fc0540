"""The check of the gradient."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import CheckGradient
from dynrefine.files.ensembles import Ensemble, load_ensemble
from dynrefine.files.tables import write_table
from dynrefine.properties.base import Observable
from dynrefine.quantities.base import Observer
from dynrefine.refinement.gathering import observables_of
from dynrefine.refinement.gradient_check import (
    CheckedLosses,
    backpropagated,
    compare_with_backpropagation,
    compare_with_finite_differences,
)
from dynrefine.sampling.trajectories import observation_times, simulation_of
from dynrefine.steps.loading import load_potential, load_surfaces


def check_gradient(job: Job, settings: CheckGradient) -> None:
    """Compare the adjoint gradients with backpropagation and central differences, on short trajectories."""
    ensemble = load_ensemble(job.inputs.ensemble)
    observables = observables_of(settings, settings.state, [ensemble])
    check, tolerance = settings.gradient.check, settings.gradient.reversal_tolerance
    # Programs in double precision run only a few times and are compiled quickly. The adjoint in single precision
    # is compiled as in the campaign.
    of_campaign = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    losses = _losses(job, settings, ensemble, observables, "float64")
    reference = backpropagated(losses)
    double, adjoint = compare_with_backpropagation(losses, tolerance, "float64", reference)
    differences = compare_with_finite_differences(
        losses, adjoint, check.displacement, check.parameters, job.drawing_seed
    )
    jax.config.update("jax_disable_most_optimizations", of_campaign)
    single, _ = compare_with_backpropagation(
        _losses(job, settings, ensemble, observables, "float32"), tolerance, "float32", reference
    )
    order = list(observables)
    rows = sorted([*double, *single, *differences], key=lambda row: order.index(row["observable"]))
    write_table(job.outputs.table, pd.DataFrame(rows))


def _losses(
    job: Job,
    settings: CheckGradient,
    ensemble: Ensemble,
    observables: Mapping[str, Observable],
    precision: str,
) -> CheckedLosses:
    dtype, trajectory = jnp.dtype(precision), settings.trajectory
    potential = load_potential(job, settings, precision)
    length = settings.gradient.check.steps * trajectory.timestep
    surfaces = load_surfaces(job, settings, precision)
    needed = ((each.along, each.at_start) for each in observables.values())
    along, at_start = (
        Observer.of(sorted(set().union(*names)), surfaces) for names in zip(*needed, strict=True)
    )
    return CheckedLosses(
        simulation=simulation_of(
            potential,
            ensemble,
            settings,
            observation_times(trajectory.model_copy(update={"length": length})),
            (along, at_start),
        ),
        observables=observables,
        kelvin=settings.state.temperature,
        starts=ensemble.starts(dtype).first(settings.gradient.check.replicas),
    )
