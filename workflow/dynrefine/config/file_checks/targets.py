"""Checks of properties against the files of their measurements."""

from collections.abc import Iterator

import numpy as np

from dynrefine.config.checks.properties import placed
from dynrefine.config.model import Config
from dynrefine.config.properties.base import Measurement, PropertySettings
from dynrefine.errors import CampaignError
from dynrefine.files.tables import read_measured_columns


def unsuitable_targets(config: Config) -> Iterator[str]:
    """A sentence for each measurement that cannot be read, or does not cover the range that is compared."""
    for key, path, settings in curves(config):
        read = _read(key, path)
        if isinstance(read, str):
            yield read
        else:
            names, values = read
            yield from settings.unsuitable_target(Measurement(key, path, names[0], values[:, 0]))


def curves(config: Config) -> Iterator[tuple[str, str, PropertySettings]]:
    """The key, the path and the settings of each measured curve."""
    for settings, place in placed(config):
        for key, path in settings.target_files.items():
            yield f"{place.key}.{key}", path, settings


def _read(key: str, path: str) -> tuple[list[str], np.ndarray] | str:
    try:
        return read_measured_columns(path)
    except CampaignError as error:
        return f"{key}: {error}"
