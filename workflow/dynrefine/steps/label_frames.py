"""Ab initio labels."""

from pathlib import Path

from dynrefine.campaign.job import Job
from dynrefine.config.steps import LabelFrames
from dynrefine.datasets.reading import read_geometries
from dynrefine.datasets.writing import write_frames
from dynrefine.labelling import ENGINES, label_batch


def label_frames(job: Job, settings: LabelFrames) -> None:
    """Label one batch of geometries with the electronic-structure engine."""
    labelling = settings.labelling
    batch, batches = int(job.wildcards["batch"]), labelling.batches
    frames = read_geometries(job.inputs.geometries, settings.symbols, settings.dataset.symbols)
    first, last = (len(frames) * number // batches for number in (batch, batch + 1))
    output = Path(job.outputs.frames)
    own = output.with_suffix("") / "engine"
    engine = ENGINES[labelling.engine](labelling.settings, job.resources["command"], own)
    # Batches share their labels, so nothing is labelled again when geometries or batches are added.
    write_frames(output, label_batch(frames[first:last], engine, output.parent / "frames"))
