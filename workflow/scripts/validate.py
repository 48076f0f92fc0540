"""Judge a potential by its long independent runs and by its errors on the ab initio test frames."""

from dynrefine.job import job

with job(snakemake):
    import jax.numpy as jnp
    import numpy as np
    import pandas as pd

    from dynrefine import validation
    from dynrefine.chunks import in_order
    from dynrefine.datasets.arrays import to_arrays
    from dynrefine.datasets.reading import read_frames
    from dynrefine.ensembles import load_ensemble
    from dynrefine.gathering import by_state, evaluate_objective
    from dynrefine.models import load_model
    from dynrefine.objective import axis_labels, read_target
    from dynrefine.storage import ArrayFile, write_arrays
    from dynrefine.training.frames_with_neighbours import with_neighbours
    from dynrefine.training.potential import evaluate, label_errors, less_offsets
    from dynrefine.training.tables import write_table
    from dynrefine.trajectories import load_trajectories

    settings, states = snakemake.params.settings, snakemake.params.states
    elements, judged = settings["elements"], settings["validation"]
    symbols = [element["symbol"] for element in elements]
    dtype = jnp.dtype(snakemake.params.precision)
    interval = settings["trajectory"]["sampling_interval"]
    ensembles = [load_ensemble(path) for path in in_order(snakemake.input.ensembles, states)]
    trajectories = [load_trajectories(path) for path in in_order(snakemake.input.trajectories, states)]

    objective = evaluate_objective(
        states, ensembles, trajectories, settings["objective"]["observables"], elements, interval
    )
    findings = validation.Findings()
    validation.add_fitted(findings, objective, settings["objective"]["observables"])
    chunks = zip(by_state(states, ensembles).items(), by_state(states, trajectories).values(), strict=True)
    for (label, own_ensembles), own_trajectories in chunks:
        kelvin = states[label]["temperature"]
        species = own_ensembles[0].species
        validation.add_conditions(findings, label, own_trajectories, kelvin)
        if judged["diffusion"] is not None:
            diffusing = species == symbols.index(judged["diffusion"]["element"])
            validation.add_diffusion(
                findings,
                label,
                [chunk.central_series()["velocities"][:, :, diffusing] for chunk in own_trajectories],
                interval,
                judged["diffusion"],
                kelvin,
                float(abs(np.linalg.det(own_ensembles[0].cell))),
            )
        if judged["structure"] is not None:
            target = judged["structure"]["target"]
            validation.add_structure(
                findings,
                label,
                own_ensembles,
                tuple(symbols.index(symbol) for symbol in judged["structure"]["pair"]),
                judged["structure"],
                read_target(target) if target else None,
            )
    write_table(snakemake.output.properties, findings.table())
    write_arrays(
        snakemake.output.curves,
        "curves",
        ArrayFile(findings.curves, findings.units, {"labels": axis_labels(objective.quantities)}),
    )

    errors = {}
    if snakemake.input.test:
        potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)
        frames = to_arrays(read_frames(snakemake.input.test), symbols)
        offsets = np.asarray(potential.metadata["energy_offsets_eV"])
        frames = less_offsets(frames, offsets)
        predicted = evaluate(potential, with_neighbours(frames, potential.architecture.cutoff, dtype))
        errors = label_errors(predicted, frames, symbols)
    rows = [{"quantity": name, "value": value, "unit": unit} for name, (value, unit) in errors.items()]
    write_table(snakemake.output.errors, pd.DataFrame(rows, columns=["quantity", "value", "unit"]))
