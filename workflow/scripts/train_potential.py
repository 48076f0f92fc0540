"""Fit the potential to the ab initio frames."""

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
    from dynrefine.training.fit import Schedule, fit
    from dynrefine.training.frames_with_neighbours import parts_with_neighbours
    from dynrefine.training.potential import (
        LabelWeights,
        evaluate,
        fit_energy_offsets,
        label_errors,
        label_loss,
        less_offsets,
        parity,
        set_constants,
    )

    settings, seed = snakemake.params.settings, snakemake.params.seed
    elements, training = settings["elements"], settings["training"]
    symbols = [element["symbol"] for element in elements]
    dtype = jnp.dtype(snakemake.params.precision)

    read = {part: read_frames(snakemake.input[part]) for part in ("train", "validation", "test")}
    frames = parts_to_arrays(read, symbols)
    offsets = fit_energy_offsets(frames["train"], len(symbols))
    model = create_model(settings["potential"], elements, jax.random.key(seed)).cast(dtype)
    labelled = {part: less_offsets(of_part, offsets) for part, of_part in frames.items()}
    data, places = parts_with_neighbours(labelled, model.architecture.cutoff, dtype)
    model = set_constants(model, data[places["train"]])
    weights = LabelWeights(training["energy_weight"], training["force_weight"], training["stress_weight"])

    def loss(trainable, batch):
        parameters = {**model.parameters, "trainable": trainable}
        return label_loss(model.architecture, parameters, batch, weights)

    output = Path(snakemake.output.potential)
    best, curve = fit(
        loss,
        model.parameters["trainable"],
        data[places["train"]],
        data[places["validation"]],
        Schedule.from_settings(training, seed),
        checkpoint=output.with_name("potential_checkpoint.npz"),
        fingerprint=config_hash({"settings": settings, "seed": seed, "code": snakemake.params.code}),
    )
    model = model.with_trainable(best, seed=seed, energy_offsets_eV=offsets.tolist())
    everything = evaluate(model, data)
    predicted = {part: tuple(array[place] for array in everything) for part, place in places.items()}
    errors = {part: label_errors(predicted[part], labelled[part], symbols) for part in places}
    pairs = {part: parity(predicted[part], labelled[part]) for part in places}

    tables.write_curve(snakemake.output.learning_curve, curve)
    tables.write_errors(snakemake.output.errors, errors)
    tables.write_parity(snakemake.output.parity, pairs)
    save_model(output, model)
