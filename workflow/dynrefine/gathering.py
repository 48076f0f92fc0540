"""From the chunks of all states to the objective."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from dynrefine.ensembles import Ensemble
from dynrefine.objective import Objective, evaluate_state, read_target
from dynrefine.observables import create_observables
from dynrefine.observables.base import Conditions, Observable
from dynrefine.reuse import weights_of
from dynrefine.trajectories import Trajectories


def by_state(states: Mapping[str, Any], chunks: Sequence[Any]) -> dict[str, list[Any]]:
    """Chunks in order of state, then number, as lists by the labels of the states."""
    each = len(chunks) // len(states)
    return {label: list(chunks[i * each : (i + 1) * each]) for i, label in enumerate(states)}


def observables_of(
    settings: Mapping[str, Mapping[str, Any]],
    state: Mapping[str, Any],
    ensemble: Ensemble,
    elements: Sequence[Mapping[str, Any]],
    interval: float,
) -> dict[str, Observable]:
    """The observables of a state, by name.

    Arguments:
        settings: configuration section `objective.observables`.
        state: its temperature (K), density, supercell.
        ensemble: any chunk of the state.
        elements: configuration section.
        interval: between frames, fs.
    """
    volume = abs(float(np.linalg.det(np.asarray(ensemble.cell, float))))
    symbols = tuple(elements[index]["symbol"] for index in ensemble.species)
    conditions = Conditions(state["temperature"], volume, len(symbols), interval, symbols)
    targets = {
        name: read_target(chosen["target"]) if isinstance(chosen["target"], str) else None
        for name, chosen in settings.items()
    }
    return create_observables(settings, targets, conditions)


def evaluate_objective(
    states: Mapping[str, Mapping[str, Any]],
    ensembles: Sequence[Ensemble],
    trajectories: Sequence[Trajectories],
    settings: Mapping[str, Mapping[str, Any]],
    elements: Sequence[Mapping[str, Any]],
    interval: float,
) -> Objective:
    """Evaluate all observables of all states.

    Arguments:
        states: by label: temperature (K), density, supercell.
        ensembles: chunks of all states, in order of state, then number.
        trajectories: likewise.
        settings: configuration section `objective.observables`.
        elements: configuration section.
        interval: between frames, fs.
    """
    weights = {name: chosen["weight"] for name, chosen in settings.items()}
    ensembles_of, trajectories_of = by_state(states, ensembles), by_state(states, trajectories)
    evaluated, observables = {}, {}
    for label, state in states.items():
        observables = observables_of(settings, state, ensembles_of[label][0], elements, interval)
        chunks = [chunk.central_series() | chunk.statics for chunk in trajectories_of[label]]
        series = {name: jnp.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
        kelvin = state["temperature"]
        shares = weights_of(ensembles_of[label], kelvin)
        evaluated[label] = evaluate_state(observables, weights, series, shares, kelvin)
    quantities = {name: observable.quantities for name, observable in observables.items()}
    return Objective(evaluated, weights, quantities)
