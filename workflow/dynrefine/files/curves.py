"""Files of curves: what the validation finds of a potential as a function of something."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays

CurveRole = Literal["comparison", "correlation", "running integral", "structure"]


@dataclass(frozen=True)
class Curve:
    """A curve of a state.

    Attributes:
        role: a comparison of a property with its measurement (abscissa, target, prediction, prediction_error); a
            correlation function (lag, value, error); its running integral (lag, running_integral,
            running_integral_error); the structure (distance, value, error, target).
        name: of what it shows.
        state: label of the state.
        columns: by name [W].
        units: of the columns.
        axes: labels of abscissa and ordinate, like "wavenumber (cm⁻¹)", where curves of the role differ in them.
    """

    role: CurveRole
    name: str
    state: str
    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    axes: tuple[str, ...] = ()


def save_curves(path: str | Path, curves: Iterable[Curve]) -> None:
    """Write curves; the array of a column is called "name/state/column"."""
    arrays, units, index = {}, {}, []
    for curve in curves:
        prefix = f"{curve.name}/{curve.state}"
        arrays |= {f"{prefix}/{column}": values for column, values in curve.columns.items()}
        units |= {f"{prefix}/{column}": unit for column, unit in curve.units.items()}
        told = {"role": curve.role, "name": curve.name, "state": curve.state, "axes": curve.axes}
        index.append(told | {"columns": list(curve.columns)})
    write_arrays(path, "curves", ArrayFile(arrays, units, {"curves": index}))


def load_curves(path: str | Path) -> list[Curve]:
    """Read curves.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "curves")
    curves = []
    for told in content.metadata["curves"]:
        role, name, state, axes = (told[key] for key in ("role", "name", "state", "axes"))
        names = {column: f"{name}/{state}/{column}" for column in told["columns"]}
        columns = {column: content.arrays[full] for column, full in names.items()}
        units = {column: content.units[full] for column, full in names.items()}
        curves.append(Curve(role, name, state, columns, units, tuple(axes)))
    return curves
