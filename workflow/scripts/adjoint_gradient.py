"""The gradient of the objective through the trajectories and the starting points of one chunk."""

from dynrefine.job import job

with job(snakemake):
    import time

    import jax.numpy as jnp

    from dynrefine.chunks import require_chunk
    from dynrefine.ensembles import frames_of, load_ensemble
    from dynrefine.gathering import observables_of
    from dynrefine.gradient import chunk_gradient, save_gradient, series_seeds
    from dynrefine.horizon import adjoint_depth
    from dynrefine.models import load_model, load_surfaces
    from dynrefine.objective import load_objective
    from dynrefine.performance import count_steps
    from dynrefine.series import observer
    from dynrefine.storage import write_passed_through
    from dynrefine.trajectories import load_trajectories

    settings, wildcards = snakemake.params.settings, snakemake.wildcards
    elements = settings["elements"]
    dtype = jnp.dtype(snakemake.params.precision)
    potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)

    if potential.converged:
        write_passed_through(snakemake.output.gradient, "gradient")
    else:
        chunk = int(wildcards.chunk)
        for path in (snakemake.input.ensemble, snakemake.input.trajectories):
            require_chunk(path, wildcards.state, chunk)
        models = load_surfaces(snakemake.input, settings, dtype)
        ensemble = load_ensemble(snakemake.input.ensemble)
        trajectories = load_trajectories(snakemake.input.trajectories)
        objective = load_objective(snakemake.input.objective)
        state = objective.states[wildcards.state]
        depth = adjoint_depth(settings["gradient"]["depth"], snakemake.input.horizon)
        frames = frames_of(settings["trajectory"], depth).kept_part()
        count = len(ensemble.positions)
        followed = slice(settings["gradient"]["replicas"])
        shares = state.weights.reshape(-1, count)[:, followed]
        series = trajectories.central_series(frames.count) | trajectories.statics
        seeds = series_seeds(
            observables_of(
                settings["objective"]["observables"],
                snakemake.params.state,
                ensemble,
                elements,
                settings["trajectory"]["sampling_interval"],
            ),
            state.weighted_cotangents(objective.weights),
            jnp.asarray(shares[chunk] / shares.sum(), dtype),
            {name: array[followed] for name, array in series.items()},
        )
        begun = time.monotonic()
        gradient = chunk_gradient(
            ensemble.simulation(
                potential, settings["ensemble"], elements, frames, observer(list(trajectories.series), models)
            ),
            jnp.asarray(ensemble.positions, dtype),
            trajectories.ends(followed, dtype),
            seeds,
            jnp.asarray(state.coefficients.reshape(-1, count)[chunk], dtype),
            settings["gradient"]["reversal_tolerance"],
        )
        steps = 2 * frames.count * frames.stride * len(gradient.trajectory)
        count_steps(steps)
        save_gradient(snakemake.output.gradient, gradient, (time.monotonic() - begun) / steps)
