"""The training of a surface."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.job import Job
from dynrefine.campaign.provenance import config_hash
from dynrefine.config.steps import TrainSurface
from dynrefine.datasets.arrays import parts_to_arrays
from dynrefine.datasets.fetching import checksum
from dynrefine.datasets.reading import read_frames
from dynrefine.errors import CampaignError
from dynrefine.files.models import create_model, free_parameters, save_model
from dynrefine.files.parity import save_parity
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import parts_with_neighbours
from dynrefine.registry import plug_in
from dynrefine.training import tables
from dynrefine.training.checkpoint import Checkpoint
from dynrefine.training.fit import Schedule, fit

_PARTS = ("train", "validation", "test")


def train_surface(job: Job, settings: TrainSurface) -> None:
    """Fit a surface to the ab initio frames."""
    task = plug_in("training", settings.task).TASK
    symbols, dtype = settings.symbols, jnp.dtype(job.precision)
    model = create_model(settings.surface, settings.elements, jax.random.key(job.drawing_seed)).cast(dtype)
    read = {part: read_frames(getattr(job.inputs, part)) for part in _PARTS}
    labelled, metadata = task.prepared(parts_to_arrays(read, symbols), len(symbols))
    _require_elements(labelled["train"], symbols)
    data, places = parts_with_neighbours(labelled, model.architecture.cutoff, dtype)
    model = model.with_constants_fitted(data[places["train"]])
    loss_of_labels = task.loss_of(settings.training)

    free, restored = free_parameters(model.parameters["trainable"], settings.training)

    def loss(free, batch):
        return loss_of_labels(model.architecture, {**model.parameters, "trainable": restored(free)}, batch)

    output = Path(job.outputs.model)
    checkpoint = Checkpoint(output.with_name(f"{output.stem}_checkpoint.npz"), _fingerprint(job, settings))
    schedule = Schedule.from_settings(settings.training, job.drawing_seed)
    fitted_to = {part: data[places[part]] for part in ("train", "validation")}
    best, curve = fit(loss, free, fitted_to, schedule, checkpoint)
    model = model.with_trainable(restored(best), seed=job.drawing_seed, **metadata)
    everything = task.evaluate(model, data)
    evaluated = {part: tuple(array[place] for array in everything) for part, place in places.items()}
    errors = {part: task.errors(evaluated[part], labelled[part], symbols) for part in places}
    pairs = {part: task.parity(evaluated[part], labelled[part]) for part in places}

    tables.write_curve(job.outputs.learning_curve, curve)
    tables.write_errors(job.outputs.errors, errors)
    save_parity(job.outputs.parity, pairs)
    save_model(output, model)
    checkpoint.remove()


def _require_elements(training: LabelledFrames, symbols: Sequence[str]) -> None:
    """Make sure that the training frames hold each element; a surface learns nothing about a missing one."""
    missing = [symbol for place, symbol in enumerate(symbols) if not np.any(training.species == place)]
    if missing:
        raise CampaignError(
            f"no training frame holds {', '.join(missing)}, expected each of elements in at least one: add frames "
            f"with {', '.join(missing)} to the data set, or remove {', '.join(missing)} from elements."
        )


def _fingerprint(job: Job, settings: TrainSurface) -> str:
    """A hash of what the fit depends on, and of the test frames: a fit that has seen them must not be continued."""
    depends_on = {
        "settings": settings.model_dump(),
        "seed": job.drawing_seed,
        "code": job.code,
        "precision": job.precision,
        "frames": [checksum(Path(getattr(job.inputs, part))) for part in _PARTS],
    }
    return config_hash(depends_on)
