"""Checks of settings against the files of surfaces, and the surfaces themselves."""

from collections.abc import Iterator
from fnmatch import filter as matching
from pathlib import Path

from dynrefine.config.base import TrainableSettings
from dynrefine.config.foundation import unlike_its_file
from dynrefine.config.model import Config
from dynrefine.config.surfaces.base import SurfaceSettings, differences
from dynrefine.config.surfaces.nequix import FoundationFile, NequixSettings
from dynrefine.datasets.fetching import checksum
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import read_metadata
from dynrefine.registry import plug_in


def unsuitable_models(config: Config) -> Iterator[str]:
    """A sentence for each file that is there and does not hold the surface that is described."""
    for name, (key, settings) in config.surfaces_from_files().items():
        if settings.file is None or not Path(settings.file.path).is_file():
            continue
        path, expected = Path(settings.file.path), settings.file.sha256
        found = checksum(path)
        if expected is not None and settings.file.url is None and found != expected:
            yield (
                f"{key}.file is '{path}' with the SHA-256 {found}, expected {expected}: give the right file, or "
                "correct the checksum."
            )
            continue
        try:
            metadata = read_metadata(path)
        except CampaignError as error:
            yield f"{key}.file: {error}"
            continue
        wanted = "potential" if name == "teacher" else name
        own = metadata.get("surfaces", {wanted: metadata}).get(wanted, {}).get("settings")
        if own is None:
            yield f"{key}.file is '{path}', expected a file with a {wanted}: give another one."
            continue
        for difference in differences(own, settings, config.elements):
            yield (
                f"{key}.file is '{path}', expected one made with the same settings, but {difference}: use the "
                "settings of the file."
            )


def unknown_parameters(config: Config) -> Iterator[str]:
    """A sentence for each pattern that matches no parameter, and for patterns that leave none free."""
    for key, settings, surface in _patterns(config):
        # loaded by name, since it imports JAX, which no job needs to read its configuration
        names = plug_in("files", "models").trainable_names(surface, config.elements)
        known = ", ".join(names)
        for index, pattern in enumerate(settings.trainable):
            if not matching(names, pattern.removeprefix("!")):
                yield (
                    f"{key}.trainable[{index}] is '{pattern}', expected a pattern that matches parameters of the "
                    f"{surface.kind} surface ({known}): correct or remove it."
                )
        if not any(map(settings.frees, names)):
            yield (
                f"{key}.trainable is {settings.trainable}, expected patterns that leave a parameter free ({known}): "
                "change them."
            )


def unfit_tasks(config: Config) -> Iterator[str]:
    """A sentence for each surface that cannot be refined since its training does not compare it with labels."""
    for name in config.refined_surfaces():
        task = config.task_of(name)
        if plug_in("training", task).TASK.compared is None:
            yield (
                f"optimiser.surfaces.{name} is given, expected a surface whose training compares labels with "
                f"predictions (`compared` in the TASK of {task}): remove it, or add that to its module."
            )


def unlike_foundations(config: Config) -> Iterator[str]:
    """A sentence for each key in which a potential differs from the network it starts from."""
    for key, potential, _ in foundations(config):
        try:
            yield from unlike_its_file(potential, key)
        except CampaignError as error:
            yield f"{key}.foundation.path: {error}"


def foundations(config: Config) -> Iterator[tuple[str, NequixSettings, FoundationFile]]:
    """The key and the settings of each potential whose training starts from a file, and the file."""
    for key, potential in config.potentials().items():
        if (
            isinstance(potential, NequixSettings)
            and potential.is_trained
            and potential.foundation is not None
        ):
            yield key, potential, potential.foundation


def _patterns(config: Config) -> Iterator[tuple[str, TrainableSettings, SurfaceSettings]]:
    """The sections that choose the free parameters of a surface, with their keys."""
    given: list[tuple[str, TrainableSettings, SurfaceSettings]] = [
        ("optimiser", config.optimiser, config.potential),
        ("training", config.training, config.potential),
        ("dipole_training", config.dipole_training, config.dipole),
    ]
    for name, each in config.surfaces.items():
        given.append((f"surfaces.{name}.training", each.training, each.surface))
    for name, refined in config.refined_surfaces().items():
        given.append((f"optimiser.surfaces.{name}", config.optimiser.surfaces[name], refined.surface))
    if config.teacher and config.teacher.training:
        potential = config.teacher.potential or config.potential
        given.append(("teacher.training", config.teacher.training, potential))
    return (section for section in given if section[1].trainable)
