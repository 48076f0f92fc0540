"""The judgement of a potential."""

import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.refinement import TargetsSettings
from dynrefine.config.steps import Validate
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import required
from dynrefine.files.chunks import by_state
from dynrefine.files.curves import save_curves
from dynrefine.files.ensembles import Ensemble, load_ensemble
from dynrefine.files.tables import read_measured, write_table
from dynrefine.files.trajectories import Trajectories, load_trajectories
from dynrefine.geometry import cell
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.refinement import validation
from dynrefine.refinement.gathering import evaluate_objective
from dynrefine.steps.loading import load_potential
from dynrefine.training.potential import evaluate, label_errors, less_offsets


def validate(job: Job, settings: Validate) -> None:
    """Judge a potential by its long independent runs and by its errors on the ab initio test frames."""
    states = settings.states
    ensembles = {
        label: [load_ensemble(path) for path in paths]
        for label, paths in by_state(job.inputs.ensembles, states).items()
    }
    trajectories = {
        label: [required(load_trajectories(path)) for path in paths]
        for label, paths in by_state(job.inputs.trajectories, states).items()
    }
    findings = validation.Findings()
    for chosen, fitted in ((settings.objective.observables, True), (settings.validation.properties, False)):
        if not chosen.chosen():
            continue
        own = settings.model_copy(update={"objective": TargetsSettings(observables=chosen)})
        objective = evaluate_objective(own, states, ensembles, trajectories)
        validation.add_evaluated(findings, objective, chosen.chosen(), fitted)
    for label in states:
        _add_held_out(findings, label, settings, ensembles[label], trajectories[label])
    write_table(job.outputs.properties, findings.table())
    save_curves(job.outputs.curves, findings.curves)
    errors = _errors(job, settings) if job.inputs.test else {}
    rows = [{"quantity": name, "value": value, "unit": unit} for name, (value, unit) in errors.items()]
    write_table(job.outputs.errors, pd.DataFrame(rows, columns=["quantity", "value", "unit"]))


def _add_held_out(
    findings: validation.Findings,
    label: str,
    settings: Validate,
    ensembles: list[Ensemble],
    trajectories: list[Trajectories],
) -> None:
    """What was not fitted, of one state."""
    kelvin, symbols, judged = settings.states[label].temperature, settings.symbols, settings.validation
    validation.add_conditions(findings, label, trajectories, kelvin)
    if judged.diffusion is not None:
        diffusing = ensembles[0].species == symbols.index(judged.diffusion.element)
        validation.add_diffusion(
            findings,
            label,
            [chunk.observed().along["velocities"][:, :, diffusing] for chunk in trajectories],
            settings.trajectory.sampling_interval,
            judged.diffusion,
            kelvin,
            cell.mean_volume(ensembles[0].cells),
        )
    if judged.structure is not None:
        target = judged.structure.target
        first, second = (symbols.index(symbol) for symbol in judged.structure.pair)
        validation.add_structure(
            findings,
            label,
            ensembles,
            (first, second),
            judged.structure,
            read_measured(target, columns=3) if target else None,
        )


def _errors(job: Job, settings: Validate) -> dict[str, tuple[float, str]]:
    """Errors on the test frames."""
    dtype = jnp.dtype(job.precision)
    potential = load_potential(job, settings)
    frames = to_arrays(read_frames(job.inputs.test), settings.symbols)
    frames = less_offsets(frames, np.asarray(potential.metadata["energy_offsets_eV"]))
    predicted = evaluate(potential, with_neighbours(frames, potential.architecture.cutoff, dtype))
    return label_errors(predicted, frames, settings.symbols)
