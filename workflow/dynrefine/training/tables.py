"""Learning curves, errors and parity data as files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dynrefine.files.arrays import ArrayFile, write_arrays
from dynrefine.files.tables import write_table

Pairs = Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]

_PARITY_UNITS = {"energies": "eV/atom", "forces": "eV/Å", "dipoles": "e Å"}


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


def parity_arrays(pairs: Pairs) -> dict[str, np.ndarray]:
    """Labelled and predicted values under names like "forces/test/predicted"."""
    return {
        f"{quantity}/{part}/{kind}": values
        for part, of_part in pairs.items()
        for quantity, pair in of_part.items()
        for kind, values in zip(("labelled", "predicted"), pair, strict=True)
    }


def write_parity(path: str | Path, pairs: Pairs) -> None:
    """Write labelled and predicted values: for each part of the data set, by quantity, a pair of arrays."""
    arrays = parity_arrays(pairs)
    units = {name: _PARITY_UNITS[name.split("/")[0]] for name in arrays}
    write_arrays(path, "parity", ArrayFile(arrays, units))
