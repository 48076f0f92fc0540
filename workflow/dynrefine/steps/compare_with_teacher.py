"""What a student has learnt from its teacher."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import CompareWithTeacher
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.chunks import read_by_state
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import Model, load_model
from dynrefine.files.tables import write_table
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.refinement.history import named_parameters
from dynrefine.steps.loading import load_potential
from dynrefine.training.potential import evaluate


def compare_with_teacher(job: Job, settings: CompareWithTeacher) -> None:
    """Compare named parameters, and forces on configurations that were never fitted."""
    student = load_potential(job, settings)
    teacher = load_model(job.inputs.teacher, settings.teacher, settings.elements).cast(student.dtype)
    units = settings.potential.parameters
    true = {entry.quantity: entry.value for entry in named_parameters(teacher, units)}
    rows = [
        {
            "role": "parameter",
            "where": "",
            "quantity": entry.quantity,
            "value": entry.value,
            "unit": entry.unit,
        }
        | {"teacher": true.get(entry.quantity, np.nan)}
        for entry in named_parameters(student, units)
    ]
    for where, frames in _configurations(job, settings).items():
        for species, found in _differences(student, teacher, frames, settings.symbols).items():
            rows.append({"role": "force", "where": where, "quantity": species, "unit": "meV/Å"} | found)
    columns = ["role", "where", "quantity", "value", "standard_error", "teacher", "unit"]
    write_table(job.outputs.table, pd.DataFrame(rows, columns=columns))


def _configurations(job: Job, settings: CompareWithTeacher) -> dict[str, LabelledFrames]:
    """Test frames, if any, and the starting points of the teacher's trajectories, by name."""
    found = (
        {"test frames": to_arrays(read_frames(job.inputs.test), settings.symbols)} if job.inputs.test else {}
    )
    read = read_by_state(load_ensemble, job.inputs.ensembles, settings.states)
    for label, ensembles in read.items():
        found[f"configurations of the teacher, {label}"] = LabelledFrames.unlabelled(
            ensembles[0].species,
            np.concatenate([ensemble.positions for ensemble in ensembles]),
            np.concatenate([ensemble.cells for ensemble in ensembles]),
        )
    return found


def _differences(
    student: Model, teacher: Model, frames: LabelledFrames, symbols: list[str]
) -> dict[str, dict[str, Any]]:
    """Root mean squares of the force difference, with its standard error, and of the teacher's forces, meV/Å.

    For all atoms, and for each element if there are several.
    """
    one, other = (
        evaluate(model, with_neighbours(frames, model.architecture.cutoff, model.dtype))[1]
        for model in (student, teacher)
    )
    return {
        name: root_mean_square(one - other, chosen) | {"teacher": root_mean_square(other, chosen)["value"]}
        for name, chosen in _choices(frames, symbols)
    }


def _choices(frames: LabelledFrames, symbols: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    yield "all atoms", frames.species >= 0
    if len(symbols) > 1:
        for element, symbol in enumerate(symbols):
            yield symbol, frames.species == element


def root_mean_square(forces: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    """Root mean square of the force components (eV/Å) on chosen atoms, in meV/Å; frames are independent."""
    squares = np.where(chosen, np.sum(np.square(forces, dtype=float), axis=-1), 0.0).sum(axis=-1)
    components = 3.0 * chosen.sum(axis=-1)
    mean = squares.sum() / components.sum()
    spread = np.linalg.norm(squares - mean * components) / components.sum()
    return {
        "value": 1e3 * np.sqrt(mean),
        "standard_error": 1e3 * 0.5 * spread / np.sqrt(mean) if mean else 0.0,
    }
