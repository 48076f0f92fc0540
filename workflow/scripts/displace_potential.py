"""Write the initial potential with one of its parameters displaced."""

from dynrefine.job import job

with job(snakemake):
    import jax.numpy as jnp

    from dynrefine.models import load_model, save_model
    from dynrefine.total_derivative import displaced

    settings = snakemake.params.settings
    potential = load_model(snakemake.input.potential, settings["potential"], settings["elements"])
    moved = displaced(potential, snakemake.params.displacement)
    save_model(snakemake.output.potential, moved.cast(jnp.dtype(snakemake.params.precision)))
