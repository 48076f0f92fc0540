"""Follow the gradient of a few trajectories to several depths, and choose the one to follow all of them to."""

from dynrefine.job import job

with job(snakemake):
    import jax.numpy as jnp

    from dynrefine.ensembles import frames_of, load_ensemble
    from dynrefine.gathering import observables_of
    from dynrefine.horizon import Pilot, ladder, measure
    from dynrefine.models import load_model, load_surfaces
    from dynrefine.series import observer
    from dynrefine.training.tables import write_table
    from dynrefine.update import parameter_scales

    settings, state = snakemake.params.settings, snakemake.params.state
    elements, trajectory, gradient = settings["elements"], settings["trajectory"], settings["gradient"]
    horizon, interval = gradient["horizon"], trajectory["sampling_interval"]
    dtype = jnp.dtype(snakemake.params.precision)
    potential = load_model(snakemake.input.potential, settings["potential"], elements).cast(dtype)
    models = load_surfaces(snakemake.input, settings, dtype)
    ensemble = load_ensemble(snakemake.input.ensemble)
    chosen = settings["objective"]["observables"]
    pilot = Pilot(
        simulation=ensemble.simulation(
            potential,
            settings["ensemble"],
            elements,
            frames_of(trajectory),
            observer(snakemake.params.series, models),
        ),
        statics=snakemake.params.statics,
        observables=observables_of(chosen, state, ensemble, elements, interval),
        weights={name: observable["weight"] for name, observable in chosen.items()},
        positions=jnp.asarray(ensemble.positions[: horizon["replicas"]], dtype),
        velocities=jnp.asarray(ensemble.velocities[: horizon["replicas"]], dtype),
        tolerance=gradient["reversal_tolerance"],
    )
    depths = ladder(horizon["shortest"], trajectory["length"], horizon["depths"], interval)
    optimiser = settings["optimiser"]
    scales = parameter_scales(potential, optimiser)
    table = measure(pilot, depths, horizon["threshold"], scales, optimiser["outlier_limit"])
    write_table(snakemake.output.table, table)
