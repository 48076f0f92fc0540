"""The gradient of the objective through the trajectories and the starting points of one chunk."""

from dynrefine.job import job

with job(snakemake):
    import time

    import jax.numpy as jnp

    from dynrefine.ensembles import frames_of, load_ensemble
    from dynrefine.gathering import observables_of
    from dynrefine.gradient import chunk_gradient, save_gradient, series_seeds
    from dynrefine.models import load_model
    from dynrefine.objective import load_objective
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
        dipole = load_model(snakemake.input.dipole, settings["dipole"], elements).cast(dtype)
        ensemble = load_ensemble(snakemake.input.ensemble)
        trajectories = load_trajectories(snakemake.input.trajectories)
        objective = load_objective(snakemake.input.objective)
        state = objective.states[wildcards.state]
        first = int(wildcards.chunk) * len(ensemble.positions)
        own = slice(first, first + len(ensemble.positions))
        frames = frames_of(settings["trajectory"], settings["gradient"]["depth"]).kept_part()
        seeds = series_seeds(
            observables_of(
                settings["objective"]["observables"],
                snakemake.params.state,
                ensemble,
                settings["trajectory"]["sampling_interval"],
            ),
            state.weighted_cotangents(objective.weights),
            jnp.asarray(state.weights[own], dtype),
            trajectories.central_series(frames.count),
        )
        begun = time.monotonic()
        gradient = chunk_gradient(
            ensemble.field(potential, settings["ensemble"]),
            frames,
            observer(list(seeds), {"dipole": dipole}),
            potential.parameters,
            ensemble.system(elements, dtype),
            jnp.asarray(ensemble.positions, dtype),
            (jnp.asarray(trajectories.positions, dtype), jnp.asarray(trajectories.velocities, dtype)),
            seeds,
            jnp.asarray(state.coefficients[own], dtype),
            settings["gradient"]["reversal_tolerance"],
        )
        steps = 2 * frames.count * frames.stride * len(ensemble.positions)
        save_gradient(snakemake.output.gradient, gradient, (time.monotonic() - begun) / steps)
