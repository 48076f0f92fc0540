"""Checks of the steps of the refinement."""

from collections.abc import Iterator

from dynrefine.config.base import sentence
from dynrefine.config.model import Config


def optimiser(config: Config) -> Iterator[str]:
    """Steps without a metric, averages over too many steps, and surfaces that cannot be refined."""
    yield from _averaged(config)
    yield from _refined(config)
    if config.dataset is None and config.optimiser.name == "natural":
        yield sentence(
            "optimiser.name is 'natural'",
            "adam or sgd, since there are no ab initio frames to measure a step by",
            "change it",
        )


def _averaged(config: Config) -> Iterator[str]:
    """A mean over more iterations than there are."""
    own = config.optimiser
    if own.averaged > own.iterations:
        yield sentence(
            f"optimiser.averaged is {own.averaged}",
            f"at most optimiser.iterations, {own.iterations}",
            "lower it or raise optimiser.iterations",
        )


def _refined(config: Config) -> Iterator[str]:
    """Surfaces that cannot be refined with the potential."""
    observed = config.surfaces_beside(config.objective.observables.chosen())
    for name in config.optimiser.surfaces:
        key = f"optimiser.surfaces.{name} is given"
        if name not in observed:
            known = ", ".join(observed) or "none"
            yield sentence(
                key,
                f"a surface beside the potential that a fitted property needs ({known})",
                "rename or remove it",
            )
        elif config.optimiser.name != "natural":
            yield sentence(
                f"{key} where optimiser.name is '{config.optimiser.name}'",
                "natural, since only its steps have a length for each surface",
                "change one of them",
            )
        elif config.potential.parameters:
            yield sentence(
                f"{key} where the parameters of the {config.potential.kind} potential have names",
                "none, since surfaces cannot be refined with such a potential",
                "remove it",
            )
