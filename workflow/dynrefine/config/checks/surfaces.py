"""What does not suit of surfaces and their training."""

import math
import re
from collections.abc import Iterator, Sequence

from ase.data import atomic_numbers

from dynrefine.config.base import sentence
from dynrefine.config.checks.properties import placed
from dynrefine.config.data import Element
from dynrefine.config.model import Config
from dynrefine.config.surfaces import (
    DescriptorSettings,
    FlexibleWaterSettings,
    LennardJonesPairs,
    NequixSettings,
    SurfaceSettings,
)
from dynrefine.datasets.isotopes import element_of
from dynrefine.geometry.cell import cubic_edge


def surfaces(config: Config) -> Iterator[str]:
    """What a surface cannot be, or be asked for."""
    if not config.objective.observables.chosen():
        yield sentence(
            "objective.observables is empty",
            "at least one measured property to refine against",
            "add one, such as infrared or diffusion",
        )
    kind, trained = config.potential.kind, config.potential.trained
    if config.potential.is_trained and config.dataset is None:
        yield sentence("dataset is missing", f"one to train the {kind} potential on", "add it")
    yield from _teacher(config)
    if not trained and config.dataset is not None:
        yield sentence("dataset is given", f"none, since the {kind} potential is not trained", "remove it")
    by_parameter = {
        "optimiser.parameter_scales": config.optimiser.parameter_scales,
        "gradient.check.total_derivative": config.gradient.check.total_derivative,
    }
    for key, values in by_parameter.items():
        for name in sorted(set(values) - set(config.potential.parameters)):
            known = ", ".join(config.potential.parameters) or "none, since they have no names"
            yield sentence(
                f"{key}.{name} is given",
                f"parameters of the {kind} potential: {known}",
                "rename or remove it",
            )
    if config.validation.covariance and not config.potential.parameters and config.dataset is None:
        yield sentence(
            "validation.covariance is true",
            f"false, since the parameters of the {kind} potential have no names and there are no ab initio frames",
            "set it to false",
        )
    for name in config.gradient.check.total_derivative:
        if name in config.potential.parameters and not config.optimiser.refines(name):
            yield sentence(
                f"gradient.check.total_derivative.{name} is given",
                "parameters that optimiser.trainable lets be refined",
                "remove it or change the patterns",
            )
    if len(config.elements) > 1 and not config.potential.mixtures:
        yield sentence(
            f"elements lists {len(config.elements)} elements",
            f"one, since the {kind} potential knows no mixtures",
            "remove the others",
        )
    expected, found = config.potential.symbols, [element.symbol for element in config.elements]
    if expected is not None and sorted(found) != sorted(expected):
        yield sentence(
            f"elements lists {', '.join(found)}",
            f"{' and '.join(expected)}, since the {kind} potential knows no others",
            "change them, or the potential",
        )
    yield from _truncation("potential", config.potential)
    if isinstance(config.potential, FlexibleWaterSettings):
        yield from _waves(config, config.potential)
    others = {"dipole": config.dipole} | {
        f"surfaces[{index}].surface": each.surface for index, each in enumerate(config.surfaces)
    }
    for key, surface in ({"potential": config.potential} | others).items():
        if (
            isinstance(surface, DescriptorSettings)
            and surface.triple_products
            and surface.angular_momentum < 2
        ):
            yield sentence(
                f"{key}.triple_products is {surface.triple_products}",
                f"0 where {key}.angular_momentum is {surface.angular_momentum}, since they need tensors",
                "set it to 0, or angular_momentum to 2",
            )
    if isinstance(config.potential, NequixSettings):
        yield from _network(config.potential, config.elements)
    if config.dataset is None:
        yield from _without_frames(config)


def _teacher(config: Config) -> Iterator[str]:
    """A teacher that cannot be trained, knows no mixtures, or makes no target."""
    if config.teacher is None:
        return
    potential, dataset = config.of_teacher().potential, config.teacher.dataset
    if potential.trained and dataset is None and config.dataset is None:
        yield sentence(
            "teacher.dataset is missing", f"one to train the {potential.kind} potential on", "add it"
        )
    if not potential.trained and dataset is not None:
        yield sentence(
            "teacher.dataset is given",
            f"none, since the {potential.kind} potential is not trained",
            "remove it",
        )
    if len(config.elements) > 1 and not potential.mixtures:
        yield sentence(
            f"teacher.potential.kind is '{potential.kind}' where elements lists {len(config.elements)}",
            "a potential of mixtures",
            "change it",
        )
    yield from _truncation("teacher.potential", potential)
    if not config.synthetic_targets:
        yield sentence(
            "teacher is given where no property is synthetic",
            "a property that takes its target from it",
            "set synthetic: true of one, or remove the teacher",
        )


def _without_frames(config: Config) -> Iterator[str]:
    if not config.potential.is_trained and config.potential.trained and len(config.elements) > 1:
        yield sentence(
            "dataset is missing",
            f"one to begin the sampling from, since a lattice holds one of {len(config.elements)} elements",
            "add it",
        )
    if config.optimiser.name == "natural":
        yield sentence(
            "optimiser.name is 'natural'",
            "adam or sgd, since there are no ab initio frames to measure a step by",
            "change it",
        )
    for settings, place in placed(config):
        for surface, trained in config.surfaces_beside({place.key: settings}).items():
            if trained.surface.is_trained and trained.dataset is None:
                yield sentence(
                    f"{place.key} is given",
                    f"no observable of a {surface} surface, which is trained on a data set",
                    "remove it",
                )


def _network(potential: NequixSettings, elements: Sequence[Element]) -> Iterator[str]:
    known = potential.known_elements
    if known is not None:
        unknown = [symbol for symbol in known if symbol not in atomic_numbers]
        missing = [element.symbol for element in elements if element_of(element.symbol) not in known]
        if unknown or missing:
            yield sentence(
                f"potential.known_elements {'has' if unknown else 'lacks'} {', '.join(unknown or missing)}",
                "chemical symbols, those of elements among them",
                "correct it",
            )
    kinds = re.findall(r"x(\d[eo])", potential.features)
    if len(set(kinds)) < len(kinds):
        yield sentence(
            f"potential.features is '{potential.features}'", "each representation once", "add up its numbers"
        )


def _truncation(key: str, potential: SurfaceSettings) -> Iterator[str]:
    if not isinstance(potential, LennardJonesPairs):
        return
    if potential.tail_correction and "shifted" in potential.truncation:
        yield sentence(
            f"{key}.tail_correction is true where {key}.truncation is '{potential.truncation}'",
            "truncated or switched, which leave the energy within the cutoff as it is",
            "change one of them",
        )
    if potential.truncation == "switched" and potential.switching_width >= potential.cutoff:
        yield sentence(
            f"{key}.switching_width is {potential.switching_width:g} Å",
            f"less than {key}.cutoff, {potential.cutoff:g} Å",
            "lower it",
        )


def _waves(config: Config, potential: FlexibleWaterSettings) -> Iterator[str]:
    """The waves of an Ewald sum end where they are as small as what the cutoff leaves out in real space."""
    if potential.electrostatics != "ewald":
        return
    if not potential.alpha:
        yield sentence("potential.damping is 0", "more with ewald", "leave it out")
        return
    for key, state in config.states_by_key().items():
        if state.atoms is None:
            continue
        edge = cubic_edge(state.atoms * config.mean_mass(), state.density)
        needed = math.ceil(potential.alpha**2 * potential.cutoff * edge / math.pi)
        if min(potential.reciprocal_vectors) < needed:
            yield sentence(
                f"potential.reciprocal_vectors is {potential.reciprocal_vectors}",
                f"{needed} or more for {key}, whose cell is {edge:.2f} Å wide",
                "raise them, or lengthen potential.cutoff",
            )


def learning_rates(config: Config) -> Iterator[str]:
    """Rates that rise."""
    for section in ("training", "dipole_training"):
        rates = getattr(config, section)
        if rates.final_learning_rate > rates.learning_rate:
            yield sentence(
                f"{section}.final_learning_rate is {rates.final_learning_rate:g}",
                f"at most {section}.learning_rate, {rates.learning_rate:g}",
                "lower it",
            )
