"""Label one batch of geometries with the electronic-structure engine."""

from dynrefine.job import job

with job(snakemake):
    from pathlib import Path

    from dynrefine.datasets.reading import read_frames
    from dynrefine.datasets.writing import write_frames
    from dynrefine.labelling import engine_settings, label_batch

    labelling = snakemake.params.settings["labelling"]
    settings = engine_settings(
        labelling["engine"], labelling["settings"] | {"command": snakemake.resources.command}
    )
    batch, batches = int(snakemake.wildcards.batch), labelling["batches"]
    frames = read_frames(snakemake.input.geometries)
    first, last = (len(frames) * number // batches for number in (batch, batch + 1))
    output = Path(snakemake.output.frames)
    write_frames(output, label_batch(frames[first:last], settings, output.parent / f"batch_{batch:03d}"))
