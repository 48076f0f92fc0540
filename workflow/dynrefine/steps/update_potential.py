"""One step of the refinement."""

import shutil

import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import UpdatePotential
from dynrefine.files.arrays import ArrayFile, atomic_path, read_arrays, required, write_arrays
from dynrefine.files.chunks import by_state
from dynrefine.files.gradients import load_gradient
from dynrefine.files.history import CONVERGED, Entry, begun, load_history, save_history
from dynrefine.files.models import save_model
from dynrefine.files.objectives import load_objective
from dynrefine.files.trajectories import Trajectories, load_trajectories
from dynrefine.refinement import history as entries
from dynrefine.refinement.total_gradient import gather_gradient, parameter_scales
from dynrefine.refinement.update import has_converged, step
from dynrefine.steps.loading import load_potential
from dynrefine.steps.loading_metric import load_metric


def update_potential(job: Job, settings: UpdatePotential) -> None:
    """Sum the gradients of all chunks, move the potential one step, and tell the history of it."""
    potential = load_potential(job, settings)
    if potential.converged:
        for name in ("potential", "optimiser", "history"):
            with atomic_path(getattr(job.outputs, name)) as temporary:
                shutil.copyfile(getattr(job.inputs, name), temporary)
        return
    files = by_state(job.inputs.gradients, settings.states)
    chunks = {label: [required(load_gradient(path)) for path in paths] for label, paths in files.items()}
    scales = parameter_scales(potential, settings.optimiser)
    weights = [state.weights for state in required(load_objective(job.inputs.objective)).states.values()]
    anchor, anchor_gradient = _anchor(job, scales)
    anchor_weight = settings.objective.anchor.weight
    gradient = gather_gradient(
        [[chunk for chunk, _ in of_state] for of_state in chunks.values()],
        anchor_weight * anchor_gradient,
        scales,
        settings.optimiser.outlier_limit,
    )
    metric = load_metric(job, settings) if job.inputs.metric else None
    moved, state, step_norm = step(potential, gradient, settings.optimiser, _optimiser_state(job), metric)
    iteration = int(job.wildcards["iteration"])
    found = [
        *entries.terms(pd.read_csv(job.inputs.table), anchor, anchor_weight),
        *entries.norms(gradient, with_anchor=anchor is not None),
        *entries.conditions(_trajectories(job, settings)),
        *entries.costs([chunk for of_state in chunks.values() for chunk in of_state]),
        entries.smallest_sample_size(weights),
        Entry("control", "norm of the step", step_norm),
        *entries.named_parameters(potential, settings.potential.parameters),
        *entries.named_derivatives(potential, gradient, scales, settings.potential.parameters),
    ]
    history = (load_history(job.inputs.history) if job.inputs.history else begun()).extended(iteration, found)
    converged = has_converged(history.objective.value.tolist(), settings.optimiser.stop)
    history = history.extended(iteration, [Entry("control", CONVERGED, float(converged))])
    save_history(job.outputs.history, history)
    arrays = {f"{index:03d}": leaf for index, leaf in enumerate(state)}
    write_arrays(job.outputs.optimiser, "optimiser", ArrayFile(arrays, dict.fromkeys(arrays, "1")))
    trainable = moved.parameters["trainable"]
    save_model(
        job.outputs.potential,
        moved.with_trainable(trainable, iteration=iteration, converged=converged),
    )


def _anchor(job: Job, scales: np.ndarray) -> tuple[float | None, np.ndarray]:
    """The loss on the ab initio frames and its gradient [P]; no loss where there are none."""
    if not job.inputs.anchor:
        return None, np.zeros_like(scales)
    arrays = read_arrays(job.inputs.anchor, "anchor").arrays
    return float(arrays["loss"]), arrays["gradient"]


def _optimiser_state(job: Job) -> list[np.ndarray] | None:
    """Leaves of the optimiser's state after the step before; none at the first."""
    if not job.inputs.optimiser:
        return None
    return [array for _, array in sorted(read_arrays(job.inputs.optimiser, "optimiser").arrays.items())]


def _trajectories(job: Job, settings: UpdatePotential) -> dict[str, list[Trajectories]]:
    files = by_state(job.inputs.trajectories, settings.states)
    return {label: [required(load_trajectories(path)) for path in paths] for label, paths in files.items()}
