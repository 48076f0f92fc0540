"""What changed between the initial and the refined potential, and whether that is more than noise."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from dynrefine.files.tables import BROKEN_MOLECULES, rows_of
from dynrefine.report.formatting import measured_beside, number, value_with_error, with_unit

SIGNIFICANT = 2.0  # standard errors
ALARMING = 4.0  # standard errors by which a temperature may miss the wanted one by chance

UNCHANGED = 5e-4  # relative change of the force error below which it would be written as 0.0 %

_WHERE = "on the independent validation run"

Outcome = Literal["closer", "further", "unchanged", "unknown"]


@dataclass(frozen=True)
class Change:
    """A property of a state before and after.

    Attributes:
        name: of the property.
        family: what it belongs to; changes of one family concern the same measurement.
        role: "loss", "value", "condition" or "control", as in the validation's table.
        state: label of the state.
        state_name: of the state, as people read it.
        unit: of the values.
        fitted: whether the refinement fitted it.
        before: value with the initial potential, and its standard error.
        after: the same with the refined potential.
        measured: measured value and its error; NaN where there is none.
    """

    name: str
    family: str
    role: str
    state: str
    state_name: str
    unit: str
    fitted: bool
    before: tuple[float, float]
    after: tuple[float, float]
    measured: tuple[float, float]

    @property
    def is_loss(self) -> bool:
        """Whether the value itself is a distance from the measurement."""
        return self.role == "loss"

    @property
    def is_condition(self) -> bool:
        """Whether its value was chosen rather than measured."""
        return self.role == "condition"

    @property
    def is_compared(self) -> bool:
        """Whether there is a measurement it can come closer to."""
        return self.is_loss or (not self.is_condition and bool(np.isfinite(self.measured[0])))

    @property
    def measured_text(self) -> str:
        """The measured value as it is written beside the refined one."""
        return measured_beside(*self.measured, self.after[1])

    @property
    def standard_errors(self) -> float:
        """The change of the value in standard errors of that change; NaN without errors."""
        return _over_errors(self.after[0] - self.before[0], self.before[1], self.after[1])

    @property
    def outcome(self) -> Outcome:
        """Whether it came closer to the measurement, beyond noise."""
        distances = [
            value if self.is_loss else abs(value - self.measured[0]) for value, _ in (self.before, self.after)
        ]
        change = _over_errors(distances[1] - distances[0], self.before[1], self.after[1])
        if not np.isfinite(change):
            return "unknown"
        if abs(change) < SIGNIFICANT:
            return "unchanged"
        return "closer" if change < 0.0 else "further"

    def sentence(self, where: str = "") -> str:
        """The change in words, without the full stop.

        Arguments:
            where: added after the name of the property, such as "at 300 K".
        """
        subject = " ".join(filter(None, (f"the {self.name}{',' if ',' in self.name else ''}", where)))
        values = (
            f"from {value_with_error(*self.before)} to {with_unit(value_with_error(*self.after), self.unit)}"
        )
        if self.is_compared and not self.is_loss:
            values += f" (measured {self.measured_text})"
        size = f"{abs(self.standard_errors):.1f} standard errors"
        if not np.isfinite(self.standard_errors):
            return f"{subject} went {values}, with no error bar to judge it by"
        if abs(self.standard_errors) < SIGNIFICANT:
            return f"{subject} did not change significantly: {values}, {size}"
        verb = "fell" if self.after[0] < self.before[0] else "rose"
        return f"{subject} {verb} {values}, by {size}"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a campaign.

    Attributes:
        outcome: "improved", "improved in part", "not improved", "worse" or "unclear".
        headline: the outcome in one sentence.
        further: further changes and cautions, a sentence each.
    """

    outcome: str
    headline: str
    further: tuple[str, ...]


def changes(initial: pd.DataFrame, refined: pd.DataFrame, state_names: Mapping[str, str]) -> list[Change]:
    """The properties of both stages side by side, in their order.

    Arguments:
        initial: property, family, role, unit, fitted, state, value, standard_error, measured, measured_error.
        refined: the same.
        state_names: the states as people read them, by their labels.
    """
    both = initial.merge(
        refined[["property", "state", "value", "standard_error"]],
        on=["property", "state"],
        suffixes=("", "_after"),
    )
    return [
        Change(
            name=row.property,
            family=row.family,
            role=row.role,
            state=str(row.state),
            state_name=state_names[row.state],
            unit="" if pd.isna(row.unit) else row.unit,
            fitted=bool(row.fitted),
            before=(row.value, row.standard_error),
            after=(row.value_after, row.standard_error_after),
            measured=(row.measured, row.measured_error),
        )
        for row in rows_of(both)
    ]


def judge(compared: list[Change], force_errors: tuple[float, float] | None, synthetic: str = "") -> Verdict:
    """The verdict on a campaign.

    Arguments:
        compared: all properties before and after.
        force_errors: root mean square error of the forces on the test frames before and after; None where there
            are no such frames.
        synthetic: a sentence on the targets that were not measured, without the full stop.
    """
    fitted = _fitted(compared)
    several_states = len({change.state for change in compared}) > 1
    sentences = [
        change.sentence(f"at {change.state_name} {_WHERE}" if several_states else _WHERE) for change in fitted
    ]
    if len(sentences) == 1:
        headline, rest = sentences[0], []
    else:
        headline, rest = _counted(fitted, "fitted {}"), sentences
    if force_errors is not None:
        headline += f"; {_force_sentence(*force_errors)}"
    rest = [synthetic, *rest] if synthetic else rest
    held_out = _held_out(compared)
    if held_out:
        rest = [*rest, _counted(held_out, "measured {} that the refinement did not fit")]
    rest += [warning for change in compared if change.is_condition for warning in _missed(change)]
    rest += [warning for change in compared if change.name == BROKEN_MOLECULES for warning in _broken(change)]
    return Verdict(_overall(fitted), _as_sentence(headline), tuple(_as_sentence(text) for text in rest))


def _fitted(compared: list[Change]) -> list[Change]:
    """The fitted losses; where there are none, the fitted properties that were measured."""
    fitted = [change for change in compared if change.fitted and change.is_compared]
    return [change for change in fitted if change.is_loss] or fitted


def _held_out(compared: list[Change]) -> list[Change]:
    """The measured properties that no fitted one determines, the first row of each family and state."""
    fitted = {change.family for change in compared if change.fitted}
    held_out: dict[tuple[str, str], Change] = {}
    for change in compared:
        if change.is_compared and change.family not in fitted:
            held_out.setdefault((change.family, change.state), change)
    return list(held_out.values())


def _overall(fitted: list[Change]) -> str:
    outcomes = {change.outcome for change in fitted}
    if outcomes == {"closer"}:
        return "improved"
    if "closer" in outcomes:
        return "improved in part"
    if "further" in outcomes:
        return "worse"
    return "unclear" if "unknown" in outcomes or not outcomes else "not improved"


def _counted(changes: list[Change], noun: str) -> str:
    """How many of some properties came closer, moved away and so on; the noun has a gap for "properties"."""
    words: dict[Outcome, str] = {
        "closer": "came significantly closer to the measurement",
        "further": "moved significantly away from the measurement",
        "unchanged": "did not change significantly",
        "unknown": "cannot be judged without error bars",
    }
    counts = Counter(change.outcome for change in changes)
    parts = [f"{counts[outcome]} {verb}" for outcome, verb in words.items() if counts[outcome]]
    properties = noun.format("property" if len(changes) == 1 else "properties")
    return f"of {len(changes)} {properties}, {', '.join(parts) or 'none can be compared'}"


def _missed(condition: Change) -> Iterator[str]:
    """Warnings where a run missed the condition that was set for it."""
    for stage, (value, error) in {"initial": condition.before, "refined": condition.after}.items():
        wanted = condition.measured[0]
        size = abs(_over_errors(value - wanted, error))
        if size > ALARMING:
            values = (
                f"{value_with_error(value, error)} instead of {with_unit(number(wanted), condition.unit)}"
            )
            yield (
                f"caution: the {condition.name} of the validation with the {stage} potential was {values}, "
                f"{size:.0f} standard errors away; longer equilibration may be needed"
            )


def _broken(share: Change) -> Iterator[str]:
    """Warnings where molecules were broken in some starting points."""
    for stage, (value, error) in {"initial": share.before, "refined": share.after}.items():
        if value > 0.0:
            yield (
                f"caution: with the {stage} potential, molecules were broken in "
                f"{with_unit(value_with_error(value, error), share.unit)} of the starting points of the validation; "
                "unless they also break in the real liquid, the potential needs more training frames"
            )


def _force_sentence(before: float, after: float) -> str:
    subject = "the force error on the test frames"
    if not (np.isfinite(before) and np.isfinite(after)) or before == 0.0:
        return f"{subject} is not known"
    change = abs(after / before - 1.0)
    if change < UNCHANGED:
        return f"{subject} did not change"
    return f"{subject} {'grew' if after > before else 'fell'} by {100.0 * change:.1f}\u00a0%"


def _over_errors(difference: float, *errors: float) -> float:
    size = float(np.linalg.norm(errors))
    return difference / size if size > 0.0 else float("nan")


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
