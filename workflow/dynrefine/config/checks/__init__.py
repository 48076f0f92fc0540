"""Checks across keys, for settings that conflict with each other. One module per subject."""

from collections.abc import Iterator
from itertools import chain

from dynrefine.config.checks.data import data, labels
from dynrefine.config.checks.dynamics import (
    error_bars,
    followed,
    masses,
    path_integrals,
    pressures,
    states,
    times,
)
from dynrefine.config.checks.modules import modules
from dynrefine.config.checks.optimiser import optimiser
from dynrefine.config.checks.potentials import potentials
from dynrefine.config.checks.properties import judges, properties, shared_measurements
from dynrefine.config.checks.surfaces import learning_rates, surfaces
from dynrefine.config.model import Config


def unsuitable_values(config: Config) -> Iterator[str]:
    """A sentence for each pair of settings that cannot both hold."""
    return chain(
        modules(config),
        potentials(config),
        surfaces(config),
        data(config),
        labels(config),
        learning_rates(config),
        optimiser(config),
        states(config),
        shared_measurements(config),
        pressures(config),
        times(config),
        error_bars("ensemble", config.ensemble),
        error_bars("validation", config.validation),
        masses(config),
        path_integrals(config),
        followed(config),
        judges(config),
        properties(config),
    )
