"""The data set of the surfaces."""

from dynrefine.campaign.job import Job
from dynrefine.config.steps import PrepareDataset
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.conventions import Conventions
from dynrefine.datasets.formal_charges import require_fitting_charges
from dynrefine.datasets.sources import read_sources
from dynrefine.datasets.splitting import split_by_blocks, summary
from dynrefine.datasets.writing import write_frames
from dynrefine.files.tables import write_table


def prepare_dataset(job: Job, settings: PrepareDataset) -> None:
    """Check the labelled frames, split them by blocks of time, and describe them."""
    chosen = settings.dataset
    charges = {element.symbol: element.charge for element in settings.elements}
    stated = [Conventions(**chosen.conventions_of(file), charges=charges) for file in chosen.files]
    files = [*zip(job.inputs.frames, stated, strict=True), *((path, None) for path in job.inputs.labelled)]
    sources = read_sources(files, settings.symbols)
    frames = [frame for source in sources for frame in source.frames]
    name = ", ".join(path for path, _ in files)
    kept, table = check_frames(
        frames,
        settings.symbols,
        force_limit=chosen.force_limit,
        minimum_distance=chosen.minimum_distance,
        energy_limit=chosen.energy_limit,
        net_force_limit=chosen.net_force_limit,
        name=name,
        sources=sources,
        needed=settings.needed,
    )
    require_fitting_charges(kept, charges, name)
    parts = split_by_blocks(kept, chosen.fractions.model_dump(), chosen.block_length, job.drawing_seed)
    part_of = {id(frame): part for part, members in parts.items() for frame in members}
    table["split"] = [part_of.get(id(frame), "removed") for frame in frames]

    for part, members in parts.items():
        write_frames(getattr(job.outputs, part), members)
    write_table(job.outputs.frames, table)
    write_table(job.outputs.summary, summary(parts))
