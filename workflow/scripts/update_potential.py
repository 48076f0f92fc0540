"""Sum the gradients of all chunks, move the potential one step, and add a row to the history."""

from dynrefine.job import job

with job(snakemake):
    import shutil

    import jax.numpy as jnp
    import numpy as np
    import pandas as pd

    from dynrefine import update
    from dynrefine.chunks import in_order
    from dynrefine.gathering import by_state
    from dynrefine.gradient import load_gradient
    from dynrefine.models import load_model, save_model
    from dynrefine.objective import load_objective
    from dynrefine.storage import ArrayFile, atomic_path, read_arrays, write_arrays
    from dynrefine.training.tables import write_table
    from dynrefine.trajectories import load_trajectories

    settings, states = snakemake.params.settings, snakemake.params.states
    dtype = jnp.dtype(snakemake.params.precision)
    potential = load_model(snakemake.input.potential, settings["potential"], settings["elements"]).cast(dtype)
    first = not snakemake.input.history

    if potential.converged:
        for former, output in (
            (snakemake.input.potential, snakemake.output.potential),
            (snakemake.input.optimiser, snakemake.output.optimiser),
            (snakemake.input.history, snakemake.output.history),
        ):
            with atomic_path(output) as temporary:
                shutil.copyfile(former, temporary)
    else:
        chunks = [load_gradient(path) for path in in_order(snakemake.input.gradients, states)]
        trajectories = [load_trajectories(path) for path in in_order(snakemake.input.trajectories, states)]
        anchor, anchor_weight = None, settings["objective"]["anchor"]["weight"]
        scales = update.parameter_scales(potential, settings["optimiser"])
        anchor_gradient = np.zeros_like(scales)
        if snakemake.input.anchor:
            arrays = read_arrays(snakemake.input.anchor, "anchor").arrays
            anchor, anchor_gradient = float(arrays["loss"]), anchor_weight * arrays["gradient"]
        weights = [state.weights for state in load_objective(snakemake.input.objective).states.values()]
        gradient = update.gather_gradient(
            list(by_state(states, [chunk for chunk, _ in chunks]).values()),
            weights,
            anchor_gradient,
            scales,
            settings["optimiser"]["outlier_limit"],
        )
        state = None
        if not first:
            state = [
                array
                for _, array in sorted(read_arrays(snakemake.input.optimiser, "optimiser").arrays.items())
            ]
        probes = None
        if snakemake.input.metric:
            probes = read_arrays(snakemake.input.metric, "force metric").arrays["probes"]
        moved, state, step_norm = update.step(potential, gradient, settings["optimiser"], state, probes)
        row = {
            "iteration": int(snakemake.wildcards.iteration),
            **update.terms(pd.read_csv(snakemake.input.table), anchor, anchor_weight),
            **update.norms(gradient),
            **update.conditions(by_state(states, trajectories)),
            "effective_sample_size": update.smallest_sample_size(weights),
            "reversal_error_angstrom": max(float(chunk.reversal_error.max()) for chunk, _ in chunks),
            "milliseconds_per_step": 1e3 * float(np.mean([seconds for _, seconds in chunks])),
            "step_norm": step_norm,
            **update.named_parameters(potential),
            **update.named_derivatives(potential, gradient, scales),
        }
        history = pd.DataFrame([row])
        if not first:
            history = pd.concat([pd.read_csv(snakemake.input.history), history], ignore_index=True)
        converged = update.has_converged(history.total.tolist(), settings["optimiser"]["stop"])
        history.loc[history.index[-1], "converged"] = converged
        write_table(snakemake.output.history, history)
        arrays = {f"{index:03d}": leaf for index, leaf in enumerate(state)}
        write_arrays(snakemake.output.optimiser, "optimiser", ArrayFile(arrays, dict.fromkeys(arrays, "1")))
        save_model(
            snakemake.output.potential,
            moved.with_trainable(
                moved.parameters["trainable"], iteration=row["iteration"], converged=converged
            ),
        )
