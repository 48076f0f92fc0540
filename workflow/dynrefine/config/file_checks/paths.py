"""Checks that the files of a campaign exist, and that their names can be used."""

import sys
from collections.abc import Iterator
from pathlib import Path

from dynrefine.config.file_checks.models import foundations
from dynrefine.config.file_checks.targets import curves
from dynrefine.config.model import Config


def missing_files(config: Config) -> Iterator[str]:
    """A sentence for each file that is needed and does not exist."""
    downloads = config.downloads()
    for key, path in _paths(config).items():
        if path not in downloads and not Path(path).exists():
            yield f"{key} is '{path}', expected an existing file: correct the path or put the file there."


def braces_in_paths(config: Config) -> Iterator[str]:
    """A sentence for each path with braces, which Snakemake would take for a wildcard."""
    for key, path in _paths(config).items():
        if "{" in path or "}" in path:
            yield f"{key} is '{path}', expected no braces, which Snakemake takes for wildcards: rename it."


def paths_beyond_the_locale(config: Config) -> Iterator[str]:
    """A sentence for each path that this locale cannot encode; its file would be reported as missing."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        return
    for key, path in {"the working directory": str(Path.cwd()), **_paths(config)}.items():
        if not path.isascii():
            yield (
                f"{key} is {ascii(path)}, expected a path in ASCII, since the locale encodes file names in "
                f"{encoding}: set PYTHONUTF8=1 or LC_ALL=C.UTF-8, or rename it."
            )


def _paths(config: Config) -> dict[str, str]:
    """The paths of the files that are read, by their keys."""
    paths = {
        f"{key}.files[{index}]": file.path
        for key, dataset in config.datasets().items()
        for index, file in enumerate(dataset.files)
    }
    for key, settings in config.surfaces_from_files().values():
        if settings.file is not None:
            paths[f"{key}.file"] = settings.file.path
    if config.labelling.geometries is not None:
        paths["labelling.geometries"] = config.labelling.geometries
    paths |= {f"{key}.foundation.path": file.path for key, _, file in foundations(config)}
    paths |= {key: path for key, path, _ in curves(config)}
    return paths
