"""What does not suit of properties where they stand."""

from collections.abc import Iterator

from dynrefine.config.base import sentence
from dynrefine.config.model import Config
from dynrefine.config.properties.base import Place, PropertySettings


def placed(config: Config) -> Iterator[tuple[PropertySettings, Place]]:
    """The settings of each property, fitted or judging, and where they stand."""
    for name, settings in config.objective.observables.chosen().items():
        yield settings, Place(f"objective.observables.{name}", config, fitted=True)
    for name, settings in config.validation.properties.chosen().items():
        yield settings, Place(f"validation.properties.{name}", config, fitted=False)


def properties(config: Config) -> Iterator[str]:
    """What the properties themselves find."""
    for settings, place in placed(config):
        yield from settings.unsuitable(place)


def shared_targets(config: Config) -> Iterator[str]:
    """One measurement of several temperatures."""
    labels = config.states_by_label()
    temperatures = {state.short_label for state in config.states}
    for settings, place in placed(config):
        own = settings.own_targets
        shared = [
            label for label, state in labels.items() if label not in own and state.short_label not in own
        ]
        if len(temperatures) > 1 and settings.target_files and len(shared) > 1:
            yield sentence(
                f"{place.key}.target is one measurement, {settings.target_files[0]}, for the states "
                f"{', '.join(shared)}",
                "a measurement of each temperature",
                f"give those of all states but one in {place.key}.targets, such as {{{shared[-1]}: file}}",
            )


def judges(config: Config) -> Iterator[str]:
    """Properties that are fitted and judge, or are fitted to nothing, and where none is fitted."""
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
            "a property that is not fitted, since those are judged anyway",
            f"remove it, or give it a name of its own and kind: {judging[name].kind or name}",
        )
    for name, settings in fitted.items():
        if not settings.is_measured:
            yield sentence(
                f"objective.observables.{name}.target is missing",
                "a measurement to fit",
                "add it, or move the property to validation.properties",
            )
