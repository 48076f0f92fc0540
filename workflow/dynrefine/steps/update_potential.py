"""One step of the refinement."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import UpdatePotential
from dynrefine.files.arrays import ArrayFile, atomic_path, read_arrays, required, write_arrays
from dynrefine.files.chunks import read_by_state
from dynrefine.files.gradients import load_gradient
from dynrefine.files.history import CONVERGED, Entry, begun, load_history, save_history
from dynrefine.files.models import Model, save_model
from dynrefine.files.objectives import load_objective
from dynrefine.files.trajectories import Trajectories, load_trajectories
from dynrefine.refinement import history as entries
from dynrefine.refinement.natural_gradient import Rows, Ruler
from dynrefine.refinement.total_gradient import gather_gradient, parameter_scales, placed, surface_scales
from dynrefine.refinement.update import has_converged, step
from dynrefine.statistics import weighted_sum
from dynrefine.steps.loading import load_potential
from dynrefine.steps.loading_metric import load_metric

_MILLI, _PERCENT = 1e-3, 1e-2


def update_potential(job: Job, settings: UpdatePotential) -> None:
    """Sum the gradients of all chunks, move the potential one step, and extend the history."""
    potential = load_potential(job, settings)
    if potential.converged:
        for name in ("potential", "optimiser", "history"):
            with atomic_path(getattr(job.outputs, name)) as temporary:
                shutil.copyfile(getattr(job.inputs, name), temporary)
        return
    read = read_by_state(load_gradient, job.inputs.gradients, settings.states)
    chunks = [[required(chunk) for chunk in of_state] for of_state in read.values()]
    weights = [state.weights for state in required(load_objective(job.inputs.objective)).states.values()]
    anchors = _anchors(job, potential, settings)
    table = pd.read_csv(job.inputs.table)
    fitted, _ = weighted_sum(table.loss, table.standard_error, table.weight)
    moved, gradients, states, norms = potential, {}, {}, {}
    for surface, (scales, ruler) in _moves(job, potential, settings, fitted).items():
        gradients[surface] = gather_gradient(
            [[chunk for chunk, _ in of_state] for of_state in chunks],
            anchors[surface].gradient if surface in anchors else np.zeros_like(scales),
            scales,
            settings.optimiser.outlier_limit,
        )
        former = _optimiser_state(job, surface)
        moved, states[surface], norms[surface] = step(
            moved, gradients[surface], settings.optimiser, former, ruler
        )
    iteration = int(job.wildcards["iteration"])
    gradient = gradients.pop("potential")
    found = [
        *entries.terms(table, {each.name: (each.loss, each.weight) for each in anchors.values()}),
        *entries.norms(gradient, with_anchor="potential" in anchors),
        *entries.conditions(_trajectories(job, settings)),
        *entries.costs([chunk for of_state in chunks for chunk in of_state]),
        entries.smallest_sample_size(weights),
        Entry("control", "norm of the step", norms["potential"]),
        *entries.shares_of_surfaces(gradients),
        *entries.named_parameters(potential, settings.potential.parameters),
        *entries.named_derivatives(potential, gradient, settings.potential.parameters),
    ]
    history = (load_history(job.inputs.history) if job.inputs.history else begun()).extended(iteration, found)
    converged = has_converged(history.objective.value.tolist(), settings.optimiser.stop)
    history = history.extended(iteration, [Entry("control", CONVERGED, float(converged))])
    save_history(job.outputs.history, history)
    arrays = {
        f"{surface}/{index:03d}": leaf
        for surface, state in states.items()
        for index, leaf in enumerate(state)
    }
    write_arrays(job.outputs.optimiser, "optimiser", ArrayFile(arrays, dict.fromkeys(arrays, "1")))
    trainable = moved.parameters["trainable"]
    save_model(
        job.outputs.potential,
        moved.with_trainable(trainable, iteration=iteration, converged=converged),
    )


@dataclass(frozen=True)
class _Anchor:
    """The errors of a surface on its ab initio frames: their name, loss, weight and gradient."""

    name: str
    loss: float
    weight: float
    gradient: np.ndarray


def _anchors(job: Job, potential: Model, settings: UpdatePotential) -> dict[str, _Anchor]:
    """Those of the potential, if it has frames, and of surfaces refined with it; with weighted gradients [P]."""
    files = {"potential": job.inputs.anchor} if job.inputs.anchor else {}
    files |= {Path(path).stem: path for path in job.inputs.anchors_of_surfaces}
    found = {}
    for surface, path in files.items():
        arrays = read_arrays(path, "anchor").arrays
        if surface == "potential":
            name, weight = "anchor", settings.objective.anchor.weight
        else:
            name, weight = f"anchor of the {surface}", settings.optimiser.surfaces[surface].anchor_weight
        gradient = weight * placed(potential, surface, arrays["gradient"])
        found[surface] = _Anchor(name, float(arrays["loss"]), weight, gradient)
    return found


def _moves(
    job: Job, potential: Model, settings: UpdatePotential, fitted: float
) -> dict[str, tuple[np.ndarray, Ruler | None]]:
    """The units of the parameters that are moved together [P], and the ruler of their step, by surface.

    `fitted` is the objective without anchors, which the surfaces share equally.
    """
    own, ruler = settings.optimiser, None
    share = fitted / (1 + len(job.inputs.metrics_of_surfaces))
    if job.inputs.metric:
        ruler = Ruler(load_metric(job, settings), _MILLI * own.force_change, share)
    moves = {"potential": (parameter_scales(potential, own), ruler)}
    for path in job.inputs.metrics_of_surfaces:
        surface = Path(path).stem
        refined = own.surfaces[surface]
        rows = Rows(read_arrays(path, "surface metric").arrays["probes"].astype(float))
        moves[surface] = (
            surface_scales(potential, surface, refined),
            Ruler(rows, _PERCENT * refined.change, share),
        )
    return moves


def _optimiser_state(job: Job, surface: str) -> list[np.ndarray] | None:
    """Leaves of the optimiser's state of a surface after the previous step; none before the first."""
    if not job.inputs.optimiser:
        return None
    own = read_arrays(job.inputs.optimiser, "optimiser").group(surface)
    return [array for _, array in sorted(own.items())]


def _trajectories(job: Job, settings: UpdatePotential) -> dict[str, list[Trajectories]]:
    read = read_by_state(load_trajectories, job.inputs.trajectories, settings.states)
    return {label: [required(chunk) for chunk in chunks] for label, chunks in read.items()}
