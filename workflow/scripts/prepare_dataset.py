"""Check the labelled frames, split them by blocks of time, and describe them."""

from dynrefine.job import job

with job(snakemake):
    from dynrefine.datasets.checking import check_frames
    from dynrefine.datasets.reading import read_frames
    from dynrefine.datasets.splitting import split_by_blocks, summary
    from dynrefine.datasets.writing import write_frames
    from dynrefine.training.tables import write_table

    settings = snakemake.params.settings
    chosen = settings["dataset"]
    symbols = [element["symbol"] for element in settings["elements"]]
    paths = [*snakemake.input.frames, *snakemake.input.labelled]
    frames = [frame for path in paths for frame in read_frames(path)]
    kept, table = check_frames(
        frames,
        symbols,
        force_limit=chosen["force_limit"],
        minimum_distance=chosen["minimum_distance"],
        energy_limit=chosen["energy_limit"],
        net_force_limit=chosen["net_force_limit"],
        name=", ".join(paths),
    )
    parts = split_by_blocks(kept, chosen["fractions"], chosen["block_length"], snakemake.params.seed)
    part_of = {id(frame): part for part, members in parts.items() for frame in members}
    table["split"] = [part_of.get(id(frame), "removed") for frame in frames]

    for part, members in parts.items():
        write_frames(snakemake.output[part], members)
    write_table(snakemake.output.frames, table)
    write_table(snakemake.output.summary, summary(parts))
