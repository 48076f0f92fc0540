"""Fit the dipole surface to the Berry-phase dipoles of the ab initio frames."""

from dynrefine.job import job

with job(snakemake):
    from pathlib import Path

    import jax
    import jax.numpy as jnp

    from dynrefine.datasets.arrays import parts_to_arrays
    from dynrefine.datasets.reading import read_frames
    from dynrefine.models import create_model, save_model
    from dynrefine.provenance import config_hash
    from dynrefine.training import tables
    from dynrefine.training.dipole import dipole_errors, dipole_loss, evaluate, require_dipoles
    from dynrefine.training.fit import Schedule, fit
    from dynrefine.training.frames_with_neighbours import parts_with_neighbours
    from dynrefine.training.potential import set_constants

    settings, seed = snakemake.params.settings, snakemake.params.seed
    elements, training = settings["elements"], settings["dipole_training"]
    symbols = [element["symbol"] for element in elements]
    dtype = jnp.dtype(snakemake.params.precision)

    model = create_model(settings["dipole"], elements, jax.random.key(seed)).cast(dtype)
    read = {part: read_frames(snakemake.input[part]) for part in ("train", "validation", "test")}
    frames = parts_to_arrays(read, symbols)
    labelled = {part: require_dipoles(of_part, part) for part, of_part in frames.items()}
    data, places = parts_with_neighbours(labelled, model.architecture.cutoff, dtype)
    model = set_constants(model, data[places["train"]])

    def loss(trainable, batch):
        return dipole_loss(model.architecture, {**model.parameters, "trainable": trainable}, batch)

    output = Path(snakemake.output.dipole)
    best, curve = fit(
        loss,
        model.parameters["trainable"],
        data[places["train"]],
        data[places["validation"]],
        Schedule.from_settings(training, seed),
        checkpoint=output.with_name("dipole_checkpoint.npz"),
        fingerprint=config_hash({"settings": settings, "seed": seed, "code": snakemake.params.code}),
    )
    model = model.with_trainable(best, seed=seed)
    predicted, labels = evaluate(model, data)
    errors = {part: dipole_errors(predicted[place], labels[place]) for part, place in places.items()}
    pairs = {
        part: {"dipoles": (labels[place].ravel(), predicted[place].ravel())} for part, place in places.items()
    }

    tables.write_curve(snakemake.output.learning_curve, curve)
    tables.write_errors(snakemake.output.errors, errors)
    tables.write_parity(snakemake.output.parity, pairs)
    save_model(output, model)
