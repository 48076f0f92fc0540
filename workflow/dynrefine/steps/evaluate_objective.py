"""The objective of an iteration."""

import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import EvaluateObjective
from dynrefine.files.arrays import required, write_passed_through
from dynrefine.files.chunks import read_by_state
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.objectives import save_objective
from dynrefine.files.tables import write_table
from dynrefine.files.trajectories import load_trajectories
from dynrefine.refinement.gathering import evaluate_objective as evaluate


def evaluate_objective(job: Job, settings: EvaluateObjective) -> None:
    """Gather all trajectories of an iteration: properties, losses and what the gradient jobs need of them."""
    trajectories = read_by_state(load_trajectories, job.inputs.trajectories, settings.states)
    if any(chunk is None for chunks in trajectories.values() for chunk in chunks):
        write_passed_through(job.outputs.objective, "objective")
        table = pd.DataFrame(columns=["term", "state", "loss", "standard_error", "weight"])
    else:
        complete = {label: [required(chunk) for chunk in chunks] for label, chunks in trajectories.items()}
        ensembles = read_by_state(load_ensemble, job.inputs.ensembles, settings.states)
        objective = evaluate(settings, settings.states, ensembles, complete)
        save_objective(job.outputs.objective, objective)
        table = objective.table()
    write_table(job.outputs.table, table)
