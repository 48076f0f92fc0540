"""Checks of the folder of the results."""

import os
from collections.abc import Iterator
from pathlib import Path

from dynrefine.config.base import sentence
from dynrefine.config.model import Config


def unusable_results(config: Config) -> Iterator[str]:
    """A sentence if the folder of the results cannot be made or written to."""
    folder = Path("results", config.campaign.name)
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            yield sentence(
                f"{path} is a link to {path.readlink()}, which does not exist",
                "a folder for the results",
                "make that folder or remove the link",
            )
            return
    present = next(path for path in (folder, *folder.parents) if path.exists())
    if not present.is_dir():
        yield sentence(f"{present} is a file", "a folder for the results", "rename or remove the file")
    elif not os.access(present, os.W_OK):
        yield sentence(f"{present} cannot be written to", "write permission", "change its permissions")
