"""Checks of surfaces and their training."""

from collections.abc import Iterator

from dynrefine.config.base import sentence
from dynrefine.config.checks.potentials import triple_products
from dynrefine.config.checks.properties import placed
from dynrefine.config.model import Config
from dynrefine.config.surfaces.base import SurfaceSettings


def surfaces(config: Config) -> Iterator[str]:
    """Errors in surfaces, in what they are trained on and in what is asked of them."""
    for key, surface in _beside(config).items():
        yield from triple_products(key, surface)
    labelled = config.dataset is not None and not config.dataset.files
    yield from _frames(
        "labelling.geometries" if labelled else "dataset",
        config.potential,
        missing=config.potential.is_trained and config.dataset is None,
        unused=not config.potential.trained and config.dataset is not None,
    )
    yield from _replaced(config)
    yield from _teacher(config)
    yield from _named_parameters(config)
    if config.dataset is None:
        yield from _without_frames(config)


def _frames(key: str, potential: SurfaceSettings, *, missing: bool, unused: bool) -> Iterator[str]:
    """A data set that a potential lacks, or does not need."""
    if missing:
        yield sentence(f"{key} is missing", f"one to train the {potential.kind} potential on", "add it")
    if unused:
        yield sentence(
            f"{key} is given", f"none, since the {potential.kind} potential is not trained", "remove it"
        )


def _replaced(config: Config) -> Iterator[str]:
    """A file in section dipole although another surface replaces it; its other keys may stem from a file below."""
    if "dipole" in config.surfaces and config.dipole.file is not None:
        yield sentence(
            "dipole.file is given beside surfaces.dipole, which replaces section dipole",
            "surfaces.dipole.surface.file",
            "move it there, or set it to null",
        )


def _teacher(config: Config) -> Iterator[str]:
    """A teacher that cannot be trained, or makes no target."""
    if config.teacher is None:
        return
    taught = config.of_teacher()
    yield from _frames(
        "teacher.dataset",
        taught.potential,
        missing=taught.potential.is_trained and taught.dataset is None,
        unused=not taught.potential.is_trained and config.teacher.dataset is not None,
    )
    if not config.synthetic_targets:
        yield sentence(
            "teacher is given where no property is synthetic",
            "a property that takes its target from it",
            "set synthetic: true for one, or remove the teacher",
        )


def _named_parameters(config: Config) -> Iterator[str]:
    """Names of parameters that the potential does not have or does not refine."""
    kind, names = config.potential.kind, config.potential.parameters
    displaced = config.gradient.check.total_derivative
    by_parameter = {
        "optimiser.parameter_scales": config.optimiser.parameter_scales,
        "gradient.check.total_derivative": displaced,
    }
    for key, values in by_parameter.items():
        for name in sorted(set(values) - set(names)):
            known = ", ".join(names) or "none, since its parameters have no names"
            yield sentence(
                f"{key}.{name} is given",
                f"a parameter of the {kind} potential ({known})",
                "rename or remove it",
            )
    for name in displaced:
        if name in names and not config.optimiser.frees(name):
            yield sentence(
                f"gradient.check.total_derivative.{name} is given",
                "a parameter that optimiser.trainable leaves free",
                "remove it or change the patterns",
            )
    if config.validation.covariance and not names and config.dataset is None:
        yield sentence(
            "validation.covariance is true",
            f"false, since the parameters of the {kind} potential have no names and there are no ab initio frames",
            "set it to false",
        )


def _beside(config: Config) -> dict[str, SurfaceSettings]:
    """The settings of all surfaces but the potential, by their keys."""
    own = {f"surfaces.{name}.surface": each.surface for name, each in config.surfaces.items()}
    return {"dipole": config.dipole} | own


def _without_frames(config: Config) -> Iterator[str]:
    """Properties whose surfaces have no frames to be trained on."""
    for settings, place in placed(config):
        for surface, trained in config.surfaces_beside({place.key: settings}).items():
            if trained.surface.is_trained and trained.dataset is None:
                yield sentence(
                    f"{place.key} is given",
                    f"no property of a {surface} surface, since there is no data set to train it on",
                    "remove it",
                )


def learning_rates(config: Config) -> Iterator[str]:
    """Learning rates that rise."""
    for key, rates in config.trainings().items():
        if rates.final_learning_rate > rates.learning_rate:
            yield sentence(
                f"{key}.final_learning_rate is {rates.final_learning_rate:g}",
                f"at most {key}.learning_rate, {rates.learning_rate:g}",
                "lower it",
            )
