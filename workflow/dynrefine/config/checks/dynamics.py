"""Checks of states, sampling and trajectories."""

import math
from collections.abc import Iterator

from dynrefine.config.base import sentence
from dynrefine.config.dynamics import BLOCKS_OF_A_RUN, SharedSampling, state_labels
from dynrefine.config.model import Config

LARGEST_DENSITY = 30.0  # g/cm³


def states(config: Config) -> Iterator[str]:
    """States that are the same, too dense, or without a number of atoms."""
    for key, listed in (("states", config.states), ("validation.states", config.validation.states)):
        if len(set(state_labels(listed))) < len(listed):
            yield sentence(
                f"{key} lists the same temperature and density more than once",
                "states that differ by a kelvin or in density",
                "remove or change one",
            )
    fitted, judged = config.states_by_label(), config.judged_states()
    for label in fitted.keys() & judged.keys():
        if fitted[label] != judged[label]:
            yield sentence(
                f"validation.states and states have different states of {fitted[label].temperature:.0f} K",
                "the same state, or one that differs by a kelvin",
                "change one of them",
            )
    for key, state in config.states_by_key().items():
        if state.density > LARGEST_DENSITY:
            yield sentence(
                f"{key}.density is {state.density:g} g/cm³",
                f"at most {LARGEST_DENSITY:g}, since nothing is denser than osmium",
                f"give it in g/cm³ ({state.density:g} kg/m³ is {state.density / 1000:g})",
            )
        if state.atoms is None and config.dataset is None:
            yield sentence(
                f"{key}.atoms is missing", "the number of atoms, since there is no data set", "add it"
            )
        molecule = config.potential.molecule
        if state.atoms is not None and molecule is not None and state.atoms % len(molecule):
            yield sentence(
                f"{key}.atoms is {state.atoms}",
                f"a multiple of {len(molecule)}, the atoms of a molecule",
                "change it",
            )
        if state.atoms is not None and config.dataset is not None:
            yield sentence(
                f"{key}.atoms is {state.atoms}",
                "none, since the data set's frames have their own",
                "remove it, or change the supercell",
            )


def pressures(config: Config) -> Iterator[str]:
    """Pressures that are given but not used, or used but not given."""
    isobaric, kind = config.ensemble.kind == "isobaric", config.ensemble.kind
    for key, state in config.states_by_key().items():
        if isobaric and state.pressure is None:
            yield sentence(
                f"{key}.pressure is missing",
                "one, since ensemble.kind is isobaric",
                "add it, in bar",
            )
        elif kind == "canonical" and state.pressure is not None:
            yield sentence(
                f"{key}.pressure is {state.pressure:g} bar where ensemble.kind is canonical",
                "none, since the density is fixed",
                "remove it or set ensemble.kind: isobaric",
            )


def times(config: Config) -> Iterator[str]:
    """Times that are not multiples of others, or longer than these."""
    trajectory, validation, gradient = config.trajectory, config.validation, config.gradient
    step = ("trajectory.timestep", trajectory.timestep)
    interval = ("trajectory.sampling_interval", trajectory.sampling_interval)
    for key, time, (unit_key, unit) in (
        (*interval, step),
        ("trajectory.length", trajectory.length, interval),
        ("validation.length", validation.length, interval),
        *([("gradient.depth", gradient.depth, step)] if gradient.depth != "auto" else []),
    ):
        multiple = round(time / unit)
        if multiple < 1 or not math.isclose(time, multiple * unit, rel_tol=1e-9):
            yield sentence(
                f"{key} is {time:g} fs", f"a multiple of {unit_key}, {unit:g} fs", "change one of them"
            )
    if gradient.depth != "auto" and gradient.depth > trajectory.length:
        yield sentence(
            f"gradient.depth is {gradient.depth:g} fs",
            f"at most trajectory.length, {trajectory.length:g} fs",
            "lower the depth or lengthen the trajectories",
        )
    chosen = config.objective.observables.chosen().values()
    if gradient.depth == "auto" and not any(settings.along for settings in chosen):
        yield sentence(
            "gradient.depth is 'auto'",
            "a number of fs, since no observable is followed along the trajectories",
            "change it; any depth will do",
        )
    if gradient.depth == "auto" and gradient.horizon.shortest > trajectory.length:
        yield sentence(
            f"gradient.horizon.shortest is {gradient.horizon.shortest:g} fs",
            f"at most trajectory.length, {trajectory.length:g} fs",
            "lower it or lengthen the trajectories",
        )
    lowest, highest = trajectory.temperature_bounds
    if not lowest < 1.0 < highest:
        yield sentence(
            f"trajectory.temperature_bounds is [{lowest:g}, {highest:g}]",
            "one number below 1 and one above",
            "widen the bounds",
        )


def path_integrals(config: Config) -> Iterator[str]:
    """States that are not validated, records between time steps, or too few records."""
    key, own = "validation.path_integrals", config.validation.path_integrals
    if own is None:
        return
    known = config.judged_states()
    for label in own.states:
        if label not in known:
            yield sentence(f"{key}.states has {label}", f"one of {', '.join(known)}", "correct or remove it")
    steps = own.sampling_interval / own.timestep
    if round(steps) < 1 or not math.isclose(steps, round(steps), rel_tol=1e-9):
        yield sentence(
            f"{key}.sampling_interval is {own.sampling_interval:g} fs",
            f"a multiple of {key}.timestep, {own.timestep:g} fs",
            "change one of them",
        )
    least = 1e-3 * BLOCKS_OF_A_RUN * own.sampling_interval
    if own.length < least:
        yield sentence(
            f"{key}.length is {own.length:g} ps",
            f"at least {BLOCKS_OF_A_RUN} times its sampling_interval, {least:g} ps, for error bars",
            "lengthen the run or record more often",
        )


def error_bars(key: str, sampling: SharedSampling) -> Iterator[str]:
    """Too few replicas for error bars."""
    if sampling.chunks * sampling.replicas < 2:
        yield sentence(
            f"{key} has one chunk of one replica",
            "two or more in all for error bars",
            f"raise {key}.replicas",
        )


def followed(config: Config) -> Iterator[str]:
    """More trajectories for the gradient than there are, or a check in which no force acts."""
    sampling = config.ensemble
    begun = sampling.trajectories_per_replica or sampling.samples_per_replica
    if begun > sampling.samples_per_replica:
        yield sentence(
            f"ensemble.trajectories_per_replica is {begun}",
            f"at most ensemble.samples_per_replica, {sampling.samples_per_replica}",
            "lower it or raise ensemble.samples_per_replica",
        )
    if config.gradient.replicas is not None and config.gradient.replicas > sampling.replicas * begun:
        yield sentence(
            f"gradient.replicas is {config.gradient.replicas}",
            f"at most the {sampling.replicas * begun} trajectories of a chunk",
            "lower it or raise ensemble.replicas",
        )
    yield from _single_chains(config)
    trajectory, steps = config.trajectory, config.gradient.check.steps
    fewest = round(2.0 * trajectory.sampling_interval / trajectory.timestep)
    observed = any(settings.along for settings in config.objective.observables.chosen().values())
    if observed and steps < fewest:
        yield sentence(
            f"gradient.check.steps is {steps}",
            f"at least {fewest}, two sampling intervals, since no force acts before the first frame",
            "raise it",
        )


def _single_chains(config: Config) -> Iterator[str]:
    """Gradients of only one of several chains: their error is the difference between chains and would be zero."""
    sampling, gradient = config.ensemble, config.gradient
    if sampling.chunks == gradient.replicas == 1 < sampling.replicas:
        yield sentence(
            "gradient.replicas is 1 where ensemble.chunks is 1",
            "trajectories of two or more chains, since their differences give the error of the gradient",
            "raise one of them",
        )
    if gradient.depth == "auto" and sampling.replicas == 1 < sampling.chunks:
        yield sentence(
            "ensemble.replicas is 1 where gradient.depth is 'auto'",
            "2 or more, since the pilot's error is the difference between the chains of a chunk",
            "raise it, lower ensemble.chunks, or give the depth in fs",
        )


def masses(config: Config) -> Iterator[str]:
    """Masses of elements that are not in the campaign."""
    symbols = [element.symbol for element in config.elements]
    for symbol in sorted(set(config.ensemble.masses) - set(symbols)):
        yield sentence(
            f"ensemble.masses.{symbol} is given",
            f"one of the elements {', '.join(symbols)}",
            "remove or correct it",
        )
