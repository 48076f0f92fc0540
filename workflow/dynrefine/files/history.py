"""The history of a refinement: a row for each number of each iteration, with its role."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from dynrefine.files.tables import write_table

EntryRole = Literal[
    "objective", "loss", "anchor", "gradient", "condition", "control", "parameter", "derivative"
]

EFFECTIVE_SAMPLE_SIZE, TIME_PER_STEP, CONVERGED = "effective sample size", "time per step", "converged"

_COLUMNS = ["iteration", "role", "quantity", "state", "value", "standard_error", "unit"]


@dataclass(frozen=True)
class Entry:
    """A number of an iteration.

    Attributes:
        role: the objective; one of its terms, a loss or the anchor, before weighting; the norm of a part of its
            gradient; a condition of the simulations; a control that shows whether they are sound; a parameter of the
            potential, or the derivative of the objective with respect to it.
        quantity: its name as people read it; for a loss, the name of the property; for a parameter, its own name.
        value: in its unit.
        standard_error: of the value; NaN where there is none.
        unit: "1" for pure numbers, empty for products of Å, eV and e.
        state: label of the state; empty where the number belongs to all states.
    """

    role: EntryRole
    quantity: str
    value: float
    standard_error: float = np.nan
    unit: str = "1"
    state: str = ""


@dataclass(frozen=True)
class History:
    """The iterations of a refinement so far.

    Attributes:
        table: iteration, role, quantity, state, value, standard_error, unit.
    """

    table: pd.DataFrame

    @property
    def iterations(self) -> list[int]:
        """Numbers of the iterations, in order."""
        return [int(number) for number in self.table.iteration.unique()]

    @property
    def objective(self) -> pd.DataFrame:
        """The objective of each iteration: iteration, value, standard_error ..."""
        return self.of_role("objective")

    def of_role(self, role: EntryRole) -> pd.DataFrame:
        """The rows of a role."""
        return self.table[self.table.role == role]

    def by_quantity(self, role: EntryRole) -> dict[tuple[str, str], pd.DataFrame]:
        """The rows of a role, separately for each quantity and state."""
        rows = self.of_role(role)
        return {
            (quantity, state): rows[(rows.quantity == quantity) & (rows.state == state)]
            for quantity, state in dict.fromkeys(zip(rows.quantity, rows.state, strict=True))
        }

    def without(self, iterations: Collection[int]) -> "History":
        """The history without these iterations."""
        return History(self.table[~self.table.iteration.isin(iterations)])

    def extended(self, iteration: int, entries: Sequence[Entry]) -> "History":
        """The history with one more iteration."""
        told = [{"iteration": iteration, **asdict(entry)} for entry in entries]
        rows = pd.DataFrame(told, columns=_COLUMNS)
        return History(pd.concat([self.table, rows], ignore_index=True) if len(self.table) else rows)


def begun() -> History:
    """The history before the first iteration."""
    return History(pd.DataFrame(columns=_COLUMNS))


def save_history(path: str | Path, history: History) -> None:
    """Write the table of a history."""
    write_table(path, history.table)


def load_history(path: str | Path) -> History:
    """Read the table of a history."""
    table = pd.read_csv(path, dtype={"state": str, "unit": str})
    return History(table.fillna({"state": "", "unit": ""}))
