"""Sample starting points of trajectories with one potential: from the data set, or on from the former ensemble."""

from dynrefine.job import job

with job(snakemake):
    import shutil

    import jax.numpy as jnp

    from dynrefine.chunks import in_order, require_chunk
    from dynrefine.datasets.arrays import to_arrays
    from dynrefine.datasets.reading import read_frames
    from dynrefine.ensembles import load_ensemble, sample_ensemble, save_ensemble
    from dynrefine.initial_configurations import initial_configurations, lattice_configurations
    from dynrefine.models import load_model
    from dynrefine.performance import count_steps
    from dynrefine.reuse import beside_former, serve_again
    from dynrefine.storage import atomic_path

    settings, state, seed = snakemake.params.settings, snakemake.params.state, snakemake.params.seed
    elements, sampling = settings["elements"], settings["ensemble"]
    dtype = jnp.dtype(snakemake.params.precision)

    def load(path):
        return load_model(path, settings["potential"], elements).cast(dtype)

    potential = load(snakemake.input.potential)
    goes_on = str(snakemake.input.start).endswith(".npz")

    ensemble = None
    if snakemake.input.get("former") and not potential.converged:
        ensemble = serve_again(
            [load_ensemble(path) for path in in_order(snakemake.input.former, [snakemake.wildcards.state])],
            int(snakemake.wildcards.chunk),
            potential,
            sampling,
            elements,
            state["temperature"],
            seed,
        )

    if ensemble is not None:
        save_ensemble(snakemake.output.ensemble, ensemble)
    elif goes_on and potential.converged:
        with atomic_path(snakemake.output.ensemble) as temporary:
            shutil.copyfile(snakemake.input.start, temporary)
    else:
        if goes_on:
            require_chunk(snakemake.input.start, snakemake.wildcards.state, int(snakemake.wildcards.chunk))
            former = load_ensemble(snakemake.input.start)
            species, cell = former.species, former.cell
            positions, velocities = former.chain_positions, former.chain_velocities
        elif snakemake.input.start:
            symbols = [element["symbol"] for element in elements]
            frames = to_arrays(read_frames(snakemake.input.start), symbols)
            species, cell, positions = initial_configurations(
                frames, state, elements, sampling["replicas"], seed
            )
            velocities = None
        else:
            species, cell, positions = lattice_configurations(state, elements, sampling["replicas"], seed)
            velocities = None
        ensemble = sample_ensemble(
            potential,
            sampling,
            state["temperature"],
            species,
            cell,
            elements,
            positions,
            velocities,
            seed,
        )
        picoseconds = sampling["samples_per_replica"] * sampling["decorrelation"]
        if not goes_on:
            picoseconds += sampling["equilibration"]
        count_steps(round(1e3 * picoseconds / sampling["timestep"]) * len(positions))
        former_potentials = [load(path) for path in snakemake.input.get("former_potentials") or []]
        ensemble = beside_former(ensemble, former_potentials, sampling, elements)
        save_ensemble(snakemake.output.ensemble, ensemble)
