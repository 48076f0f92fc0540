"""Files of curves: properties of a potential as functions of something, beside their measurements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays

Quantities = Sequence[Sequence[str]]  # name and unit of the abscissa, and of the property


@dataclass(frozen=True)
class Curve:
    """A property of a state beside its measurement.

    Attributes:
        name: of the property.
        state: label of the state.
        columns: abscissa, target (NaN where nothing was measured), prediction, prediction_error [W].
        units: of the columns.
        axes: labels of abscissa and ordinate, like "wavenumber (cm⁻¹)".
    """

    name: str
    state: str
    columns: Mapping[str, np.ndarray]
    units: Mapping[str, str]
    axes: tuple[str, ...] = ()


def curve_of(
    name: str,
    state: str,
    quantities: Quantities,
    measured: tuple[np.ndarray, np.ndarray],
    predicted: tuple[np.ndarray, np.ndarray],
) -> Curve:
    """The curve of a property.

    Arguments:
        name: of the property.
        state: label of the state.
        quantities: name and unit of abscissa and property.
        measured: abscissa and measured property [W].
        predicted: property and its standard error [W].
    """
    (_, abscissa_unit), (_, unit) = quantities
    names = "abscissa", "target", "prediction", "prediction_error"
    columns = dict(zip(names, map(np.asarray, (*measured, *predicted)), strict=True))
    units = dict.fromkeys(columns, unit) | {"abscissa": abscissa_unit}
    return Curve(name, state, columns, units, tuple(f"{what} ({unit})" for what, unit in quantities))


def save_curves(path: str | Path, curves: Iterable[Curve]) -> None:
    """Write curves; the array of a column is called "name/state/column"."""
    arrays, units, index = {}, {}, []
    for curve in curves:
        prefix = f"{curve.name}/{curve.state}"
        arrays |= {f"{prefix}/{column}": values for column, values in curve.columns.items()}
        units |= {f"{prefix}/{column}": unit for column, unit in curve.units.items()}
        told = {"name": curve.name, "state": curve.state, "axes": curve.axes}
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
        name, state, axes = (told[key] for key in ("name", "state", "axes"))
        names = {column: f"{name}/{state}/{column}" for column in told["columns"]}
        columns = {column: content.arrays[full] for column, full in names.items()}
        units = {column: content.units[full] for column, full in names.items()}
        curves.append(Curve(name, state, columns, units, tuple(axes)))
    return curves
