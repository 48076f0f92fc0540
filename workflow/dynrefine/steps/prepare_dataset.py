"""The data set of the surfaces."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import PrepareDataset
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.splitting import split_by_blocks, summary
from dynrefine.datasets.writing import write_frames
from dynrefine.files.tables import write_table


def prepare_dataset(job: Job, settings: PrepareDataset) -> None:
    """Check the labelled frames, split them by blocks of time, and describe them."""
    chosen = settings.dataset
    paths = [*job.inputs.frames, *job.inputs.labelled]
    frames = [frame for path in paths for frame in read_frames(path)]
    kept, table = check_frames(
        frames,
        settings.symbols,
        force_limit=chosen.force_limit,
        minimum_distance=chosen.minimum_distance,
        energy_limit=chosen.energy_limit,
        net_force_limit=chosen.net_force_limit,
        name=", ".join(paths),
    )
    parts = split_by_blocks(kept, chosen.fractions.model_dump(), chosen.block_length, job.drawing_seed)
    part_of = {id(frame): part for part, members in parts.items() for frame in members}
    table["split"] = [part_of.get(id(frame), "removed") for frame in frames]

    for part, members in parts.items():
        write_frames(getattr(job.outputs, part), members)
    write_table(job.outputs.frames, table)
    write_table(job.outputs.summary, summary(parts))
