"""The anchor: errors of an iteration's potential on the ab initio training frames, and their gradient."""

from dynrefine.job import job

with job(snakemake):
    import jax.numpy as jnp
    import numpy as np

    from dynrefine.anchor import anchor_gradient
    from dynrefine.datasets.arrays import to_arrays
    from dynrefine.datasets.reading import read_frames
    from dynrefine.models import load_model
    from dynrefine.storage import ArrayFile, write_arrays, write_passed_through

    settings = snakemake.params.settings
    elements = settings["elements"]
    dtype = jnp.dtype(snakemake.params.precision)
    potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)

    if potential.converged:
        write_passed_through(snakemake.output.anchor, "anchor")
    else:
        symbols = [element["symbol"] for element in elements]
        frames = to_arrays(read_frames(snakemake.input.train), symbols)
        loss, gradient = anchor_gradient(potential, frames, settings["anchor"], dtype)
        content = ArrayFile(
            {"loss": np.asarray(loss), "gradient": np.asarray(gradient)}, {"loss": "1", "gradient": "1"}
        )
        write_arrays(snakemake.output.anchor, "anchor", content)
