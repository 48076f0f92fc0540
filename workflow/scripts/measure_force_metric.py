"""Measure what parameters do to the forces on the ab initio frames: the metric of the natural gradient."""

from dynrefine.job import job

with job(snakemake):
    import jax
    import jax.numpy as jnp

    from dynrefine.datasets.arrays import to_arrays
    from dynrefine.datasets.reading import read_frames
    from dynrefine.force_metric import force_probes
    from dynrefine.models import load_model
    from dynrefine.storage import ArrayFile, write_arrays

    settings = snakemake.params.settings
    elements = settings["elements"]
    dtype = jnp.dtype(snakemake.params.precision)
    potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)
    frames = to_arrays(read_frames(snakemake.input.train), [element["symbol"] for element in elements])
    key = jax.random.key(snakemake.params.seed)
    probes = force_probes(potential, frames, snakemake.params.probes, key, dtype)
    write_arrays(snakemake.output.metric, "force metric", ArrayFile({"probes": probes}, {"probes": "eV/Å"}))
