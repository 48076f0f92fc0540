"""The check of the gradient."""

from typing import Any

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
    CheckedLoss,
    backpropagated,
    compare_with_backpropagation,
    compare_with_finite_differences,
)
from dynrefine.sampling.trajectories import observation_times, simulation_of
from dynrefine.steps.loading import load_potential, load_surfaces


def check_gradient(job: Job, settings: CheckGradient) -> None:
    """Compare the adjoint gradient with backpropagation and central differences, on short trajectories."""
    ensemble = load_ensemble(job.inputs.ensemble)
    rows = [
        {"observable": name, **row}
        for name, observable in observables_of(settings, settings.state, [ensemble]).items()
        for row in _compared(job, settings, ensemble, observable)
    ]
    write_table(job.outputs.table, pd.DataFrame(rows))


def _compared(
    job: Job, settings: CheckGradient, ensemble: Ensemble, observable: Observable
) -> list[dict[str, Any]]:
    check, tolerance = settings.gradient.check, settings.gradient.reversal_tolerance
    # What is computed in double precision runs a few times only: it is compiled fast. The adjoint in single
    # precision is compiled as in the campaign.
    of_campaign = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    loss = _loss(job, settings, ensemble, observable, "float64")
    reference = backpropagated(loss)
    double, adjoint = compare_with_backpropagation(loss, tolerance, "float64", reference)
    differences = compare_with_finite_differences(
        loss, adjoint, check.displacement, check.parameters, job.drawing_seed
    )
    jax.config.update("jax_disable_most_optimizations", of_campaign)
    single, _ = compare_with_backpropagation(
        _loss(job, settings, ensemble, observable, "float32"), tolerance, "float32", reference
    )
    return [*double, *single, *differences]


def _loss(
    job: Job, settings: CheckGradient, ensemble: Ensemble, observable: Observable, precision: str
) -> CheckedLoss:
    dtype, trajectory = jnp.dtype(precision), settings.trajectory
    potential = load_potential(job, settings, precision)
    length = settings.gradient.check.steps * trajectory.timestep
    surfaces = load_surfaces(job, settings, precision)
    along, at_start = (Observer.of(names, surfaces) for names in (observable.along, observable.at_start))
    return CheckedLoss(
        simulation=simulation_of(
            potential,
            ensemble,
            settings,
            observation_times(trajectory.model_copy(update={"length": length})),
            (along, at_start),
        ),
        observable=observable,
        kelvin=settings.state.temperature,
        starts=ensemble.starts(dtype).first(settings.gradient.check.replicas),
    )
