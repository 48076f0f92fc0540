"""Tables of the report: numbers with errors and units, as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dynrefine.files.history import CONVERGED, EntryRole, History
from dynrefine.files.tables import rows_of
from dynrefine.report.comparison import Change
from dynrefine.report.formatting import (
    NONE,
    duration,
    number,
    percent,
    unit_name,
    value_with_error,
)

_OUTCOMES = {
    "closer": "closer",
    "further": "further away",
    "unchanged": "within noise",
    "unknown": NONE,
}


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        header: of the columns.
        rows: of cells.
        numeric: which columns are aligned as numbers.
        caption: a sentence or two on what the table shows.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    caption: str = ""
    kind: str = "table"


def properties_table(changes: Iterable[Change], compared: Sequence[str] = ("initial", "refined")) -> Table:
    """Properties before and after, the measured values, and the change in standard errors.

    Arguments:
        changes: one for each row.
        compared: names of what is before and after the change.
    """
    header = ("property", "state", "unit", *compared, "measured", "change", "distance from measurement")
    rows = [
        (
            change.name + (" (fitted)" if change.fitted else ""),
            change.state_name,
            unit_name(change.unit),
            value_with_error(*change.before),
            value_with_error(*change.after),
            change.measured_text + (" (set)" if change.is_condition else ""),
            _signed_ratio(change.standard_errors),
            _OUTCOMES[change.outcome] if change.is_compared else "",
        )
        for change in changes
    ]
    return Table(header, rows, (False, False, False, True, True, True, True, False))


def energies_table(energies: pd.DataFrame, state_names: Mapping[str, str]) -> Table:
    """Energies with classical and with quantum nuclei.

    Arguments:
        energies: state, energy, unit, classical, classical_error, quantum, quantum_error.
        state_names: the states as people read them, by their labels.
    """
    rows = [
        (
            row.energy,
            state_names[row.state],
            row.unit,
            value_with_error(row.classical, row.classical_error),
            value_with_error(row.quantum, row.quantum_error),
            value_with_error(row.quantum - row.classical, np.hypot(row.quantum_error, row.classical_error)),
        )
        for row in rows_of(energies)
    ]
    header = ("energy", "state", "unit", "classical nuclei", "quantum nuclei", "difference")
    caption = (
        "Classical nuclei have a kinetic energy of 3/2 kT. The kinetic energy of an element is per atom."
    )
    return Table(header, rows, (False, False, False, True, True, True), caption)


def errors_table(initial: pd.DataFrame, refined: pd.DataFrame) -> Table:
    """Root mean square errors on the ab initio test frames before and after.

    Arguments:
        initial: quantity, value, unit.
        refined: the same.
    """
    both = initial.merge(refined[["quantity", "value"]], on="quantity", suffixes=("", "_after"))
    rows = [
        (
            row.quantity,
            row.unit,
            number(row.value),
            number(row.value_after),
            percent(row.value, row.value_after),
        )
        for row in rows_of(both)
    ]
    header = ("quantity", "unit", "initial", "refined", "change")
    caption = (
        "Root mean square errors on the ab initio test frames, used neither in training nor in refinement."
    )
    return Table(header, rows, (False, False, True, True, True), caption)


def training_table(errors: Mapping[str, pd.DataFrame]) -> Table:
    """Errors of the trained surfaces by part of the data set.

    Arguments:
        errors: of each surface: part, quantity, value, unit.
    """
    parts = list(dict.fromkeys(part for table in errors.values() for part in table.part))
    rows = []
    for surface, table in errors.items():
        for _, group in table.groupby(["quantity", "unit"], sort=False):
            quantity, unit = group.quantity.iloc[0], group.unit.iloc[0]
            values = dict(zip(group.part, group.value, strict=True))
            rows.append((surface, quantity, unit, *(number(values.get(part, np.nan)) for part in parts)))
    numeric = (False, False, False, *(True for _ in parts))
    caption = "Root mean square errors of the trained surfaces, before the refinement."
    return Table(("surface", "quantity", "unit", *parts), rows, numeric, caption)


def dataset_table(summary: pd.DataFrame) -> Table:
    """Frames of each part and series.

    Arguments:
        summary: see `dynrefine.datasets.splitting.summary`.
    """
    header = ("part", "series", "frames", "atoms", "energy (eV/atom)", "spread (meV/atom)")
    header += ("force (eV/Å)", "density (g/cm³)", "pressure (kbar)", "with dipole")
    rows = [
        (
            row.split,
            str(row.series),
            str(row.frames),
            str(row.atoms),
            f"{row.energy:.3f}".replace("-", "−"),
            number(1e3 * row.energy_spread),
            number(row.force),
            number(row.density),
            number(1e-3 * row.pressure),
            str(row.dipoles),
        )
        for row in rows_of(summary)
    ]
    caption = (
        "Frames by part and series. Energy, density and pressure are means, the spread is the standard deviation of "
        "the energy, and the force is the root mean square of its components. The pressure is from the virial alone."
    )
    return Table(header, rows, (False, False, *(True for _ in header[2:])), caption)


def losses_table(history: History, state_names: Mapping[str, str]) -> Table:
    """The objective and its terms by iteration.

    Arguments:
        history: of the refinement.
        state_names: the states as people read them, by their labels; shown where there are several.
    """
    caption = (
        "The objective and its terms before weighting, for the potential at the start of each iteration."
    )
    return _by_iteration(history, ("objective", "loss", "anchor"), state_names, caption)


def history_table(history: History, state_names: Mapping[str, str]) -> Table:
    """Gradient and health of the simulations by iteration; arguments as for `losses_table`."""
    return _by_iteration(history, ("gradient", "condition", "control"), state_names, "")


def _by_iteration(
    history: History, roles: Sequence[EntryRole], state_names: Mapping[str, str], caption: str
) -> Table:
    """A row for each iteration, a column for each number of these roles."""
    shown = state_names if len(state_names) > 1 else {}
    columns = {
        _header(rows.iloc[0], shown.get(state, "")): {
            row.iteration: value_with_error(row.value, row.standard_error) for row in rows_of(rows)
        }
        for role in roles
        for (quantity, state), rows in history.by_quantity(role).items()
        if quantity != CONVERGED
    }
    rows = [
        (str(iteration), *(cells.get(iteration, NONE) for cells in columns.values()))
        for iteration in history.iterations
    ]
    header = ("iteration", *columns)
    return Table(header, rows, tuple(True for _ in header), caption)


def _header(row: Any, state_name: str) -> str:
    name = f"gradient, {row.quantity}" if row.role == "gradient" else row.quantity
    unit = f" ({unit_name(row.unit)})" if unit_name(row.unit) else ""
    return f"{name}{f', {state_name}' if state_name else ''}{unit}"


def gradient_check_table(check: pd.DataFrame) -> Table:
    """The gradient by the adjoint method beside gradients computed in other ways.

    Arguments:
        check: observable, comparison, precision, parameter, adjoint, reference, relative_error, and cosine where it
            was computed; rows of the comparison "reversal" hold a distance in Å.
    """
    header = (
        "observable",
        "comparison",
        "precision",
        "parameter",
        "adjoint",
        "reference",
        "relative difference",
        "cosine",
    )
    rows = [
        (
            row.observable,
            row.comparison,
            row.precision,
            "largest distance" if row.comparison == "reversal" else str(row.parameter),
            number(row.adjoint, 5),
            number(row.reference, 5),
            number(row.relative_error, 2) + (" Å" if row.comparison == "reversal" else ""),
            f"{row.cosine:.6f}" if np.isfinite(row.cosine) else NONE,
        )
        for row in rows_of(check)
    ]
    caption = (
        "For all parameters together, the columns give the norms of both gradients, the norm of their difference "
        "relative to that of the reference, and the cosine of the angle between them."
    )
    return Table(header, rows, (*[False] * 4, *[True] * 4), caption)


def total_derivative_table(compared: pd.DataFrame) -> Table:
    """Derivatives of the losses from the gradient beside those from independent ensembles.

    Arguments:
        compared: see `dynrefine.refinement.total_derivative.compare_with_ensembles`.
    """
    header = (
        "observable",
        "parameter",
        "unit",
        "gradient of the first iteration",
        "independent ensembles",
        "standard errors apart",
    )
    rows = [
        (
            row.observable,
            row.parameter,
            row.unit,
            value_with_error(row.gradient, row.gradient_error),
            value_with_error(row.difference, row.difference_error),
            _signed_ratio(row.standard_errors),
        )
        for row in rows_of(compared)
    ]
    caption = (
        "Derivatives of each observable's part of the objective with respect to single parameters: from the "
        "gradient, through the trajectories and the probability of their starting points, and from ensembles sampled "
        "anew at displaced parameters."
    )
    return Table(header, rows, (*[False] * 3, *[True] * 3), caption)


def timings_table(timings: pd.DataFrame) -> Table:
    """Time and memory that the jobs of each rule took.

    Arguments:
        timings: see `dynrefine.report.results.read_timings`.
    """
    header = ("rule", "jobs", "device", "wall time", "per job", "compilation", "queue per job", "CPU time")
    header += ("peak memory (MB)", "steps per second")
    rows = [
        (
            row.rule,
            str(row.jobs),
            row.device or NONE,
            duration(row.wall_total),
            duration(row.wall_mean),
            duration(row.compilation_total),
            duration(row.queue_mean),
            duration(row.cpu_total),
            f"{row.memory_peak:.0f}" if np.isfinite(row.memory_peak) else NONE,
            f"{row.steps_per_second:.0f}" if np.isfinite(row.steps_per_second) else NONE,
        )
        for row in rows_of(timings)
    ]
    caption = (
        "The latest run of each job. Times are sums over the jobs of a rule unless stated otherwise. Compilation "
        "includes reading compiled programs from the cache. Steps per second count the steps of all replicas and "
        "exclude compilation."
    )
    return Table(header, rows, (False, True, False, *(True for _ in header[3:])), caption)


def _signed_ratio(value: float) -> str:
    if not np.isfinite(value):
        return NONE
    return f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0.0"
