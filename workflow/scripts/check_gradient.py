"""Compare the adjoint gradient with backpropagation and with central differences, on short trajectories."""

from dynrefine.job import job

with job(snakemake):
    import jax
    import jax.numpy as jnp
    import pandas as pd

    from dynrefine.ensembles import frames_of, load_ensemble
    from dynrefine.gathering import observables_of
    from dynrefine.gradient_check import (
        CheckedLoss,
        backpropagated,
        compare_with_backpropagation,
        compare_with_finite_differences,
    )
    from dynrefine.models import load_model, load_surfaces
    from dynrefine.series import observer
    from dynrefine.training.tables import write_table

    settings, state = snakemake.params.settings, snakemake.params.state
    elements, trajectory = settings["elements"], settings["trajectory"]
    check, tolerance = settings["gradient"]["check"], settings["gradient"]["reversal_tolerance"]
    ensemble = load_ensemble(snakemake.input.ensemble)
    interval = trajectory["sampling_interval"]
    frames = frames_of({**trajectory, "length": check["steps"] * trajectory["timestep"]})
    observables = observables_of(settings["objective"]["observables"], state, ensemble, elements, interval)

    def loss_of(observable, precision):
        dtype = jnp.dtype(precision)
        potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)
        models = load_surfaces(snakemake.input, settings, dtype)
        return CheckedLoss(
            simulation=ensemble.simulation(
                potential, settings["ensemble"], elements, frames, observer(observable.series, models)
            ),
            observable=observable,
            kelvin=state["temperature"],
            positions=jnp.asarray(ensemble.positions[: check["replicas"]], dtype),
            velocities=jnp.asarray(ensemble.velocities[: check["replicas"]], dtype),
        )

    def compared(observable):
        # What is computed in double precision runs a few times only: it is compiled fast. The adjoint in single
        # precision is compiled as in the campaign.
        jax.config.update("jax_disable_most_optimizations", True)
        loss = loss_of(observable, "float64")
        reference = backpropagated(loss)
        double, adjoint = compare_with_backpropagation(loss, tolerance, "float64", reference)
        differences = compare_with_finite_differences(
            loss, adjoint, check["displacement"], check["parameters"], snakemake.params.seed
        )
        jax.config.update("jax_disable_most_optimizations", False)
        single, _ = compare_with_backpropagation(
            loss_of(observable, "float32"), tolerance, "float32", reference
        )
        return [*double, *single, *differences]

    rows = [{"observable": name, **row} for name, each in observables.items() for row in compared(each)]
    write_table(snakemake.output.table, pd.DataFrame(rows))
