"""Checks of a campaign's files before its first job. One module per subject."""

from collections.abc import Iterable, Iterator

from dynrefine.config.file_checks.frames import charged_compositions, first_frames, oversized_cutoffs
from dynrefine.config.file_checks.models import (
    unfit_tasks,
    unknown_parameters,
    unlike_foundations,
    unsuitable_models,
)
from dynrefine.config.file_checks.paths import braces_in_paths, missing_files, paths_beyond_the_locale
from dynrefine.config.file_checks.targets import unsuitable_targets
from dynrefine.config.model import Config


def unsuitable_files(config: Config) -> Iterator[Iterable[str]]:
    """Sentences about errors, check by check; each check relies on those before it having found nothing."""
    yield braces_in_paths(config)
    yield paths_beyond_the_locale(config)
    yield missing_files(config)
    yield unsuitable_models(config)
    yield unknown_parameters(config)
    yield unfit_tasks(config)
    yield unlike_foundations(config)
    first = list(first_frames(config))
    yield oversized_cutoffs(config, first)
    yield unsuitable_targets(config)
    yield charged_compositions(config, first)
