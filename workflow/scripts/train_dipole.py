"""Fit the dipole surface to the Berry-phase dipoles of the ab initio frames."""

from dynrefine.job import job

with job(snakemake):
    from pathlib import Path

    import jax
    import jax.numpy as jnp

    from dynrefine.datasets.arrays import to_arrays
    from dynrefine.datasets.reading import read_frames
    from dynrefine.models import create_model, save_model
    from dynrefine.provenance import config_hash
    from dynrefine.training import tables
    from dynrefine.training.dipole import dipole_errors, dipole_loss, require_dipoles
    from dynrefine.training.fit import Schedule, fit
    from dynrefine.training.frames_with_neighbours import with_neighbours
    from dynrefine.training.potential import set_constants

    settings, seed = snakemake.params.settings, snakemake.params.seed
    elements, training = settings["elements"], settings["dipole_training"]
    symbols = [element["symbol"] for element in elements]
    dtype = jnp.dtype(snakemake.params.precision)

    model = create_model(settings["dipole"], elements, jax.random.key(seed)).cast(dtype)
    data = {}
    for part in ("train", "validation", "test"):
        frames = require_dipoles(to_arrays(read_frames(snakemake.input[part]), symbols), part)
        data[part] = with_neighbours(frames, model.architecture.cutoff, dtype)
    model = set_constants(model, data["train"])

    def loss(trainable, batch):
        return dipole_loss(model.architecture, {**model.parameters, "trainable": trainable}, batch)

    output = Path(snakemake.output.dipole)
    best, curve = fit(
        loss,
        model.parameters["trainable"],
        data["train"],
        data["validation"],
        Schedule.from_settings(training, seed),
        checkpoint=output.with_name("dipole_checkpoint.npz"),
        fingerprint=config_hash({"settings": settings, "seed": seed, "code": snakemake.params.code}),
    )
    model = model.with_trainable(best, seed=seed)
    judged = {part: dipole_errors(model, labelled) for part, labelled in data.items()}
    pairs = {part: pair for part, (_, pair) in judged.items()}

    tables.write_curve(snakemake.output.learning_curve, curve)
    tables.write_errors(snakemake.output.errors, {part: errors for part, (errors, _) in judged.items()})
    tables.write_parity(snakemake.output.parity, pairs)
    save_model(output, model)
