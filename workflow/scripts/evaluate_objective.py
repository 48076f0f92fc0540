"""Gather all trajectories of an iteration: properties, losses and what the gradient jobs need of them."""

from dynrefine.job import job

with job(snakemake):
    import pandas as pd

    from dynrefine.chunks import in_order
    from dynrefine.ensembles import load_ensemble
    from dynrefine.gathering import evaluate_objective
    from dynrefine.objective import save_objective
    from dynrefine.storage import write_passed_through
    from dynrefine.training.tables import write_table
    from dynrefine.trajectories import load_trajectories

    settings, states = snakemake.params.settings, snakemake.params.states
    trajectories = [load_trajectories(path) for path in in_order(snakemake.input.trajectories, states)]
    if trajectories[0] is None:
        write_passed_through(snakemake.output.objective, "objective")
        table = pd.DataFrame(columns=["term", "state", "loss", "standard_error", "weight"])
    else:
        objective = evaluate_objective(
            states,
            [load_ensemble(path) for path in in_order(snakemake.input.ensembles, states)],
            trajectories,
            settings["objective"]["observables"],
            settings["elements"],
            settings["trajectory"]["sampling_interval"],
        )
        save_objective(snakemake.output.objective, objective)
        table = objective.table()
    write_table(snakemake.output.table, table)
