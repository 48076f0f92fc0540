"""Run constant-energy trajectories both ways in time from every starting point of a chunk."""

from dynrefine.job import job

with job(snakemake):
    import jax.numpy as jnp

    from dynrefine.chunks import require_chunk
    from dynrefine.ensembles import frames_of, load_ensemble
    from dynrefine.horizon import adjoint_depth
    from dynrefine.models import load_model, load_surfaces
    from dynrefine.performance import count_steps
    from dynrefine.storage import write_passed_through
    from dynrefine.trajectories import run_trajectories, save_trajectories

    settings, state = snakemake.params.settings, snakemake.params.state
    elements = settings["elements"]
    dtype = jnp.dtype(snakemake.params.precision)
    potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)
    refining = snakemake.wildcards.get("iteration") is not None

    if refining and potential.converged:
        write_passed_through(snakemake.output.trajectories, "trajectories")
    else:
        require_chunk(snakemake.input.ensemble, snakemake.wildcards.state, int(snakemake.wildcards.chunk))
        models = load_surfaces(snakemake.input, settings, dtype)
        trajectories = run_trajectories(
            potential,
            models,
            load_ensemble(snakemake.input.ensemble),
            elements,
            settings["ensemble"],
            settings["trajectory"],
            snakemake.params.series,
            snakemake.params.statics,
            adjoint_depth(snakemake.params.depth, snakemake.input.horizon) if refining else None,
            state["temperature"],
        )
        frames = frames_of(settings["trajectory"])
        count_steps(2 * frames.count * frames.stride * len(trajectories.temperatures))
        save_trajectories(snakemake.output.trajectories, trajectories)
