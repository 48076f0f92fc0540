"""Tables in CSV files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import atomic_path


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a CSV table without its index."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, with its columns as attributes."""
    return iter(table.itertuples())


def read_measured(path: str | Path) -> np.ndarray:
    """A measured property from a CSV file: comment lines, a header, then numbers [rows, columns].

    Raises:
        CampaignError: the file is missing or holds something else.
    """
    try:
        values = pd.read_csv(path, comment="#").to_numpy(float)
    except (OSError, ValueError) as error:
        raise CampaignError(
            f"{path} cannot be read as a measured property ({error}): expected comment lines beginning with #, a "
            "header with units, then rows of numbers."
        ) from error
    if min(values.shape) < 2 or not np.isfinite(values).all() or np.any(np.diff(values[:, 0]) <= 0):
        raise CampaignError(
            f"{path} holds no measured property: expected two or more rows and columns of finite numbers, the first "
            "column rising."
        )
    return values
