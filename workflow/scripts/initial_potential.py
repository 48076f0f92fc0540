"""Write a potential that needs no training, with the parameters of the configuration."""

from dynrefine.job import job

with job(snakemake):
    import jax
    import jax.numpy as jnp

    from dynrefine.models import create_model, save_model

    settings = snakemake.params.settings
    model = create_model(settings["potential"], settings["elements"], jax.random.key(0))
    save_model(snakemake.output.potential, model.cast(jnp.dtype(snakemake.params.precision)))
