"""Checks of properties."""

from collections.abc import Iterator, Mapping
from typing import Any

from dynrefine.config.base import sentence
from dynrefine.config.dynamics import State
from dynrefine.config.model import Config
from dynrefine.config.properties.base import Place, PropertySettings


def placed(config: Config) -> Iterator[tuple[PropertySettings, Place]]:
    """The settings of each property, fitted or only validated, and where they are given."""
    for name, settings in config.objective.observables.chosen().items():
        yield settings, Place(f"objective.observables.{name}", config, fitted=True)
    for name, settings in config.validation.properties.chosen().items():
        yield settings, Place(f"validation.properties.{name}", config, fitted=False)


def properties(config: Config) -> Iterator[str]:
    """Errors that the properties find themselves."""
    for settings, place in placed(config):
        yield from settings.unsuitable(place)


def shared_measurements(config: Config) -> Iterator[str]:
    """One measurement for several temperatures; `target` does not apply to states outside the refinement."""
    seen = config.states_by_label()
    for settings, place in placed(config):
        at = (seen if place.fitted else {}) | config.judged_states()
        for own, setting in settings.by_state.items():
            value = getattr(settings, setting, None)
            if setting not in settings.at_one_temperature or not value:
                continue
            states = {label: state for label, state in at.items() if setting != "target" or label in seen}
            shared = _without(getattr(settings, own), states)
            if len({states[label].short_label for label in shared}) > 1:
                yield sentence(
                    f"{place.key}.{setting} is {value} for all of the states {', '.join(shared)}",
                    "one for each temperature",
                    f"give those of all states but one in {place.key}.{own}, such as {{{shared[-1]}: ...}}",
                )


def _without(own: Mapping[str, Any], states: Mapping[str, State]) -> list[str]:
    """The states for which nothing is given under any of their names."""
    return [label for label, state in states.items() if not {label, state.short_label} & own.keys()]


def judges(config: Config) -> Iterator[str]:
    """Properties given twice, properties fitted without a target, and campaigns that fit nothing."""
    if not config.objective.observables.chosen():
        yield sentence(
            "objective.observables is empty",
            "at least one measured property to refine against",
            "add one, such as infrared or diffusion",
        )
    fitted, judging = config.objective.observables.chosen(), config.validation.properties.chosen()
    for name in sorted(set(fitted) & set(judging)):
        yield sentence(
            f"validation.properties.{name} is given",
            "a property that is not fitted, since fitted ones are validated anyway",
            f"remove it, or give it a name of its own and kind: {judging[name].kind or name}",
        )
    for name, settings in fitted.items():
        if not settings.is_measured:
            yield sentence(
                f"objective.observables.{name}.target is missing",
                "a measurement to fit",
                "add it, or move the property to validation.properties",
            )
