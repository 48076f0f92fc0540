"""From the chunks of all states to the objective."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from dynrefine.config.dynamics import State
from dynrefine.config.properties.base import PropertySettings
from dynrefine.config.steps import EvaluateObjective, EvaluationSettings
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.objectives import Evaluation, Objective
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import Observed, Trajectories
from dynrefine.geometry import cell
from dynrefine.properties.base import Conditions, Observable, create_observables
from dynrefine.refinement.locality import Surroundings, near_contributions
from dynrefine.refinement.objective import Sample, evaluate_state, with_evaluations
from dynrefine.sampling.reweighting import weights_of
from dynrefine.statistics import Shares, numbered_through


class Chunk(Protocol):
    """Configurations of the same atoms, species [N], in cells [S, 3, 3] in Å."""

    @property
    def species(self) -> np.ndarray: ...

    @property
    def cells(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Measured:
    """A property at a state, as it was measured.

    Attributes:
        settings: of the property, with the measurement if this is a number.
        curve: what the file of the measurement holds: abscissa, value and error in columns, the error NaN where
            unknown; none without a file.
    """

    settings: PropertySettings
    curve: np.ndarray | None


def observables_of(
    settings: EvaluationSettings,
    state: State,
    chunks: Sequence[Chunk],
    measured: Mapping[str, Measured] | None = None,
) -> dict[str, Observable]:
    """The observables of a state, by name.

    Arguments:
        settings: elements, trajectories and observables.
        state: at which they are observed.
        chunks: of the state; their mean volume is that of the state.
        measured: what is observed, by name; by default what is fitted.
    """
    if measured is None:
        measured = measured_at(settings, state, settings.objective.observables.chosen())
    atoms = [settings.elements[index] for index in chunks[0].species]
    interval = settings.trajectory.sampling_interval
    cells = np.concatenate([chunk.cells for chunk in chunks])
    conditions = Conditions(
        state.temperature,
        cell.mean_volume(cells),
        len(atoms),
        interval,
        tuple(atom.symbol for atom in atoms),
        sum(atom.mass for atom in atoms),
        state.pressure or 0.0,
        tuple(settings.symbols),
        cells.mean(axis=0),
        tuple(atom.charge for atom in atoms),
    )
    return create_observables(
        {name: each.settings for name, each in measured.items()},
        {name: each.curve for name, each in measured.items()},
        conditions,
    )


def measured_at(
    settings: EvaluationSettings, state: State, properties: Mapping[str, PropertySettings]
) -> dict[str, Measured]:
    """Properties with their measurements at a state, by name."""
    names = f"{state.short_label}_{state.density:g}", state.short_label
    return {
        name: _measured(settings.synthetic_targets, name, each, names) for name, each in properties.items()
    }


def _measured(
    synthetic: Mapping[str, str], name: str, settings: PropertySettings, states: Sequence[str]
) -> Measured:
    own = settings.of_state(*states)
    if own.synthetic:
        found = (synthetic.get(f"{name}_{state}") for state in states)
        curve = read_measured(next(filter(None, found)), columns=3, rows=1)
        return Measured(own.measured_as(curve), curve)
    return Measured(own, read_measured(own.target_file, columns=3) if own.target_file else None)


def evaluate_objective(
    settings: EvaluateObjective,
    states: Mapping[str, State],
    ensembles: Mapping[str, Sequence[Ensemble]],
    trajectories: Mapping[str, Sequence[Trajectories]],
) -> Objective:
    """Evaluate all observables of all states.

    Arguments:
        settings: elements, trajectories, observables and locality.
        states: by label.
        ensembles: the chunks of each state, by its label.
        trajectories: of these chunks.
    """
    evaluated, weights, observables = {}, {}, {}
    for label, state in states.items():
        measured = measured_at(settings, state, settings.objective.observables.chosen())
        weights[label] = {name: each.settings.weight for name, each in measured.items()}
        observables = observables_of(settings, state, ensembles[label], measured)
        observed = Observed.joined(chunk.observed() for chunk in trajectories[label])
        own_weights = jnp.asarray(weights_of(ensembles[label], state.temperature))
        shares = Shares(own_weights, numbered_through([chunk.chains for chunk in ensembles[label]]))
        sample = Sample(observed, shares, _begun(ensembles[label], trajectories[label]))
        evaluated[label] = evaluate_state(observables, weights[label], sample, state.temperature)
        if settings.gradient.locality is not None:
            around = Surroundings.of(ensembles[label], settings.gradient.locality)
            near = {
                name: _of_near_atoms(observables[name], each, sample, around)
                for name, each in evaluated[label].evaluations.items()
            }
            evaluated[label] = with_evaluations(evaluated[label], near, weights[label], state.temperature)
    quantities = {name: observable.quantities for name, observable in observables.items()}
    return Objective(evaluated, weights, quantities)


def _of_near_atoms(
    observable: Observable, evaluation: Evaluation, sample: Sample, around: Surroundings
) -> Evaluation:
    """An evaluation with the contributions of the surroundings of each atom."""
    observed, _ = sample.averaged_by(observable)
    own = around.at(sample.points_of(observable))
    return replace(evaluation, contributions=near_contributions(observable, evaluation, observed, own))


def _begun(ensembles: Sequence[Ensemble], trajectories: Sequence[Trajectories]) -> Int[np.ndarray, " F"]:
    """The indices of a state's starting points where trajectories begin, the first ones of each chunk."""
    firsts = np.cumsum([0, *(len(each.positions) for each in ensembles[:-1])])
    return np.concatenate(
        [first + np.arange(len(each.positions)) for first, each in zip(firsts, trajectories, strict=True)]
    )
