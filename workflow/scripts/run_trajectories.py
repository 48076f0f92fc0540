"""Run constant-energy trajectories both ways in time from every starting point of a chunk."""

from dynrefine.job import job

with job(snakemake):
    import jax.numpy as jnp

    from dynrefine.ensembles import load_ensemble
    from dynrefine.models import load_model
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
        dipole = load_model(snakemake.input.dipole, settings["dipole"], elements).cast(dtype)
        trajectories = run_trajectories(
            potential,
            {"dipole": dipole},
            load_ensemble(snakemake.input.ensemble),
            elements,
            settings["ensemble"],
            settings["trajectory"],
            snakemake.params.series,
            snakemake.params.depth,
            state["temperature"],
        )
        save_trajectories(snakemake.output.trajectories, trajectories)
