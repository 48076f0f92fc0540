"""The validation of a potential with quantum nuclei."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import JudgePathIntegrals
from dynrefine.files.chunks import by_state
from dynrefine.files.curves import save_curves
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import Model
from dynrefine.files.path_integrals import RingPolymers, load_ring_polymers
from dynrefine.files.tables import write_table
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.system import Point
from dynrefine.quantities.base import Observer
from dynrefine.refinement import validation
from dynrefine.refinement.path_integrals import blocks_of, energies
from dynrefine.sampling.records import observe_points
from dynrefine.statistics import standard_error
from dynrefine.steps.loading import load_potential


def judge_path_integrals(job: Job, settings: JudgePathIntegrals) -> None:
    """Compute energies of quantum nuclei, and the properties that positions alone determine."""
    potential, findings = load_potential(job, settings), validation.Findings()
    runs = by_state(job.inputs.records, settings.states)
    ensembles = by_state(job.inputs.ensembles, settings.states)
    rows = []
    for label, state in settings.states.items():
        own = [load_ring_polymers(path) for path in runs[label]]
        seen = label in settings.fitted_states
        all_properties = validation.judged_properties(settings, state, own, seen)
        properties = [judged for judged in all_properties if judged.measured.settings.of_positions]
        statistics = _statistics(potential, settings, properties, own)
        for judged in properties:
            validation.add_judged(findings, label, judged, statistics[judged.name])
        temperatures = np.concatenate([blocks_of(run.temperatures).mean(axis=1) for run in own])
        temperature = validation.Found("temperature", "temperature", "condition", "K")
        estimate = temperatures.mean(), standard_error(temperatures)
        findings.add_property(temperature, label, estimate, (state.temperature, 0.0))
        classical = [load_ensemble(path) for path in ensembles[label]]
        found = energies(settings.elements, own, classical, state.temperature)
        rows += [{"state": label, **row} for row in found]
    write_table(job.outputs.properties, findings.table())
    save_curves(job.outputs.curves, findings.curves)
    write_table(job.outputs.energies, pd.DataFrame(rows))


def _statistics(
    potential: Model,
    settings: JudgePathIntegrals,
    properties: Sequence[validation.Judged],
    runs: Sequence[RingPolymers],
) -> dict[str, jax.Array]:
    """Means over the beads and records of each block of each run, by the names of the properties."""
    observer = Observer.of(sorted({name for each in properties for name in each.observable.at_start}), {})
    parts: dict[str, list[jax.Array]] = {judged.name: [] for judged in properties}
    for run in runs if properties else ():
        records = Observed(
            {}, observe_points(potential, run.species, _points(run, potential), settings, observer)
        )
        for judged in properties:
            parts[judged.name].append(jnp.mean(judged.observable.statistic(records), axis=1))
    return {name: jnp.concatenate(each) for name, each in parts.items()}


def _points(run: RingPolymers, potential: Model) -> Point:
    """All beads of a block side by side [blocks, records times beads, ...]; velocities are not needed."""
    positions, cells = blocks_of(run.positions), blocks_of(run.cells)
    blocks, records, beads = positions.shape[:3]
    positions = jnp.asarray(positions.reshape(blocks, records * beads, *positions.shape[3:]), potential.dtype)
    cells = jnp.asarray(np.repeat(cells, beads, axis=1), potential.dtype)
    return Point(positions, jnp.zeros_like(positions), cells)
