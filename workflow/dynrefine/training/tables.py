"""Learning curves and errors as files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dynrefine.files.tables import write_table


def curve_table(curve: np.ndarray) -> pd.DataFrame:
    """The learning curve [rows, 3] of `fit` with its columns named."""
    return pd.DataFrame(curve, columns=["epoch", "training_loss", "validation_loss"]).astype({"epoch": int})


def write_curve(path: str | Path, curve: np.ndarray) -> None:
    """Write the learning curve [rows, 3] of `fit`."""
    write_table(path, curve_table(curve))


def write_errors(path: str | Path, errors: Mapping[str, Mapping[str, tuple[float, str]]]) -> None:
    """Write errors: for each part of the data set, by quantity, the value and its unit."""
    rows = [
        {"part": part, "quantity": quantity, "value": value, "unit": unit}
        for part, of_part in errors.items()
        for quantity, (value, unit) in of_part.items()
    ]
    write_table(path, pd.DataFrame(rows))
