"""The chapter on synthetic targets: the teacher beside the student before and after the refinement."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dynrefine.files.tables import rows_of
from dynrefine.report.blocks import Chapter, listed
from dynrefine.report.formatting import in_words, number, percent, unit_name, value_with_error
from dynrefine.report.results import STAGES, Results, Taught
from dynrefine.report.tables import Table

_NUMBERS = (False, True, True, True, True)


def synthetic_sentence(results: Results) -> str:
    """A sentence that names the synthetic targets, without the full stop; empty where all were measured."""
    names = [in_words(name) for name, each in results.campaign.all_properties().items() if each.synthetic]
    if not names:
        return ""
    return f"the targets of {listed(names)} are synthetic: not measured, but computed with a teacher"


def teacher_chapter(results: Results) -> Chapter:
    """Teacher, initial and refined student side by side; empty where all targets were measured."""
    taught, teacher = results.taught, results.campaign.teacher
    if taught is None or teacher is None:
        return Chapter("teacher", "The teacher", "", [])
    kind = results.campaign.of_teacher().potential.kind
    sentence = synthetic_sentence(results) or "no target is synthetic"
    text = (
        f"{sentence[0].upper()}{sentence[1:]}. The teacher, a potential of kind {kind}, stands in for the truth. It "
        "was simulated in the same way as the student in the validation. Its statistical errors (in brackets) limit "
        "what can be recovered."
    )
    tables = [_parameters(taught), _forces(taught), _properties(results, taught)]
    return Chapter("teacher", "The teacher", text, [table for table in tables if table.rows])


def _parameters(taught: Taught) -> Table:
    """Named parameters of student and teacher."""
    rows = [
        (
            f"{row.quantity} ({row.unit})",
            number(row.value, 5),
            number(row.value_after, 5),
            number(row.teacher, 5),
        )
        + (percent(abs(row.value - row.teacher), abs(row.value_after - row.teacher)),)
        for row in _both(taught, "parameter")
    ]
    header = ("parameter", "initial", "refined", "teacher", "change of distance")
    return Table(
        header,
        rows,
        _NUMBERS,
        "Parameters of the student and the teacher, and how the distance between them changed.",
    )


def _forces(taught: Taught) -> Table:
    """Differences between the forces of student and teacher."""
    rows = [
        (f"{row.where}, {row.quantity}", number(row.teacher))
        + (value_with_error(row.value, row.standard_error),)
        + (value_with_error(row.value_after, row.standard_error_after), percent(row.value, row.value_after))
        for row in _both(taught, "force")
    ]
    header = ("configurations", "forces of the teacher", "initial", "refined", "change")
    caption = (
        "Root mean square forces of the teacher, and root mean square differences of the student's forces from them, "
        "in meV/Å, on configurations used neither in training nor in refinement. Both students are compared on the "
        "same configurations, so the change is more certain than the values."
    )
    return Table(header, rows, _NUMBERS, caption)


def _properties(results: Results, taught: Taught) -> Table:
    """Properties that are numbers."""
    tables = {"teacher": taught.properties} | results.properties
    stages = {stage: table[table.role == "value"] for stage, table in tables.items()}
    keys = ["property", "state"]
    merged = stages["teacher"][[*keys, "unit", "value", "standard_error"]]
    for stage in STAGES:
        merged = merged.merge(
            stages[stage][[*keys, "value", "standard_error"]], on=keys, suffixes=("", f"_{stage}")
        )
    rows = [
        (
            in_words(row.property),
            results.state_names[row.state],
            unit_name(row.unit),
            value_with_error(row.value, row.standard_error),
            *_before_and_after(row),
        )
        for row in rows_of(merged)
    ]
    header = ("property", "state", "unit", "teacher", *STAGES)
    caption = "Properties, and in parentheses the difference from the teacher in standard errors of that difference."
    return Table(header, rows, (False, False, False, True, True, True), caption)


def _before_and_after(row: Any) -> Iterator[str]:
    """A property in both stages, with its difference from the teacher."""
    for stage in STAGES:
        value, error = getattr(row, f"value_{stage}"), getattr(row, f"standard_error_{stage}")
        shown, both = value_with_error(value, error), np.hypot(error, row.standard_error)
        distance = f" ({(value - row.value) / both:+.1f})" if both > 0.0 else ""
        yield f"{shown}{distance}".replace("-", "−")


def _both(taught: Taught, role: str) -> Iterator[Any]:
    """The rows of a role, with the values after the refinement beside those before."""
    initial, refined = (taught.differences[stage] for stage in STAGES)
    both = initial.assign(value_after=refined.value, standard_error_after=refined.standard_error)
    return rows_of(both[both.role == role])
