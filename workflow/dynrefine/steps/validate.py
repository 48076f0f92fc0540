"""The validation of a potential."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import Validate
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import required
from dynrefine.files.chunks import by_state
from dynrefine.files.curves import save_curves
from dynrefine.files.ensembles import Ensemble, load_ensemble
from dynrefine.files.tables import BROKEN_MOLECULES, write_table
from dynrefine.files.trajectories import Observed, Trajectories, load_trajectories
from dynrefine.quantities.base import Observer
from dynrefine.refinement import validation
from dynrefine.registry import plug_in
from dynrefine.sampling.broken_molecules import share_of_broken
from dynrefine.sampling.records import observe_records
from dynrefine.statistics import Shares, numbered_through
from dynrefine.steps.loading import load_potential, load_surfaces
from dynrefine.training.potential import errors_on


def validate(job: Job, settings: Validate) -> None:
    """Validate a potential by long independent runs and by its errors on the ab initio test frames."""
    ensembles, trajectories = (
        by_state(paths, settings.states) for paths in (job.inputs.ensembles, job.inputs.trajectories)
    )
    findings = validation.Findings()
    for label, state in settings.states.items():  # one at a time, to save memory
        starts = [load_ensemble(path) for path in ensembles[label]]
        runs = [required(load_trajectories(path)) for path in trajectories[label]]
        properties = validation.judged_properties(settings, state, starts, label in settings.fitted_states)
        statistics = _statistics(job, settings, properties, starts, runs)
        for judged in properties:
            validation.add_judged(findings, label, judged, statistics[judged.name])
        validation.add_conditions(findings, label, runs, state.temperature)
        broken = share_of_broken(starts, settings.symbols)
        if broken is not None:
            control = validation.Found(BROKEN_MOLECULES, BROKEN_MOLECULES, "control", "%")
            findings.add_property(control, label, broken)
    write_table(job.outputs.properties, findings.table())
    save_curves(job.outputs.curves, findings.curves)
    errors = _errors(job, settings)
    rows = [{"quantity": name, "value": value, "unit": unit} for name, (value, unit) in errors.items()]
    write_table(job.outputs.errors, pd.DataFrame(rows, columns=["quantity", "value", "unit"]))


def _statistics(
    job: Job,
    settings: Validate,
    properties: Sequence[validation.Judged],
    ensembles: Sequence[Ensemble],
    trajectories: Sequence[Trajectories],
) -> dict[str, jax.Array]:
    """Statistics of each chain by property, from its trajectories or, if none are needed, from its records."""
    static = [judged for judged in properties if judged.is_static]
    names = sorted({name for judged in static for name in judged.observable.at_start})
    potential, observer = load_potential(job, settings), Observer.of(names, load_surfaces(job, settings))
    parts: dict[str, list[jax.Array]] = {judged.name: [] for judged in static}
    for ensemble in ensembles if static else ():
        records = Observed({}, observe_records(potential, ensemble, settings, observer))
        for judged in static:
            parts[judged.name].append(jnp.mean(jax.jit(judged.observable.statistic)(records), axis=1))
    found = {name: jnp.concatenate(each) for name, each in parts.items()}
    observed = Observed.joined(chunk.observed() for chunk in trajectories)
    chains = numbered_through([ensemble.chains for ensemble in ensembles])
    shares = Shares.equal(len(chains), potential.dtype, chains)
    return found | {
        judged.name: shares.chain_means(jax.jit(judged.observable.statistic)(observed))[0]
        for judged in properties
        if not judged.is_static
    }


def _errors(job: Job, settings: Validate) -> dict[str, tuple[float, str]]:
    """Errors of the potential, if it has test frames, and of the surfaces that are refined with it."""
    surfaces = load_potential(job, settings).surfaces()
    found = {}
    if job.inputs.test:
        frames = to_arrays(read_frames(job.inputs.test), settings.symbols)
        found |= errors_on(surfaces["potential"], frames, settings.symbols)
    for (name, task), path in zip(settings.tasks.items(), job.inputs.tests_of_surfaces, strict=True):
        frames = to_arrays(read_frames(path), settings.symbols)
        found |= plug_in("training", task).TASK.errors_on(surfaces[name], frames, settings.symbols)
    return found
