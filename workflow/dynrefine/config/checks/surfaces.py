"""What does not suit of surfaces and their training."""

import math
from collections.abc import Iterator

from dynrefine.config.base import sentence
from dynrefine.config.checks.properties import placed
from dynrefine.config.model import Config
from dynrefine.config.surfaces import DescriptorSettings, FlexibleWaterSettings, LennardJonesPairs
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
    if isinstance(config.potential, LennardJonesPairs):
        yield from _truncation(config.potential)
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
    if config.dataset is None:
        yield from _without_frames(config)


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


def _truncation(potential: LennardJonesPairs) -> Iterator[str]:
    if potential.tail_correction and "shifted" in potential.truncation:
        yield sentence(
            f"potential.tail_correction is true where potential.truncation is '{potential.truncation}'",
            "truncated or switched, which leave the energy within the cutoff as it is",
            "change one of them",
        )
    if potential.truncation == "switched" and potential.switching_width >= potential.cutoff:
        yield sentence(
            f"potential.switching_width is {potential.switching_width:g} Å",
            f"less than potential.cutoff, {potential.cutoff:g} Å",
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
