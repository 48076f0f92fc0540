"""Tables in CSV files."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import atomic_path

BROKEN_MOLECULES = "broken molecules"  # the row of a validation's properties that the report warns about


def write_table(path: str | Path, table: pd.DataFrame, comment: str = "") -> None:
    """Write a CSV table without its index, below a comment line if there is a comment."""
    with atomic_path(path) as temporary:
        above = f"# {comment}\n" if comment else ""
        temporary.write_text(above + table.to_csv(index=False), encoding="utf-8")


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, with its columns as attributes."""
    return iter(table.itertuples())


def read_measured(path: str | Path, columns: int = 0, rows: int = 2) -> np.ndarray:
    """A measured property from a CSV file: comment lines, a header, then numbers [rows, columns].

    Arguments:
        path: the file, numbers with decimal points, separated by commas.
        columns: least number returned; those that the file lacks, such as errors, are NaN.
        rows: least number required, one for a single number.

    Raises:
        CampaignError: the file is missing or holds something else.
    """
    _, values = read_measured_columns(path, rows)
    missing = max(0, columns - values.shape[1])
    return np.pad(values, [(0, 0), (0, missing)], constant_values=np.nan)


def read_measured_columns(path: str | Path, least: int = 2) -> tuple[list[str], np.ndarray]:
    """The names of the columns of a measured property and its numbers [rows, columns].

    Arguments:
        path: the file.
        least: number of rows required.

    Raises:
        CampaignError: the file is missing or holds something else.
    """
    path = Path(path)
    rows = list(_rows(path))
    if not rows:
        _refuse(path, "it is empty")
    (_, header), body = rows[0], rows[1:]
    if all(_is_number(field) for field in header):
        _refuse(
            path,
            f"its first row, {','.join(header)}, holds numbers and would be taken for the header",
            "put a row with the column names above it",
        )
    if any(";" in field or "\t" in field for field in header) or (body and ";" in ",".join(body[0][1])):
        _refuse(
            path,
            f"line {rows[0][0]} is separated by semicolons or tabs",
            "separate numbers with commas and use decimal points",
        )
    if header[0].strip().lower() in ("", "index") or header[0].startswith("Unnamed:"):
        _refuse(
            path,
            f"its first column '{header[0]}' is the index of a table, not an abscissa",
            "write it without the index (pandas: index=False)",
        )
    for number, row in body:
        if len(row) != len(header):
            _refuse(
                path,
                f"line {number} has another number of fields ({len(row)}) than the header ({len(header)})",
                "use decimal points, not commas, and write one field for each column name",
            )
    numbers = [[_number(path, number, field) for field in row] for number, row in body]
    values = np.array(numbers, float).reshape(len(body), len(header))
    enough = len(values) >= least and values.shape[1] >= 2
    if not enough or not np.isfinite(values).all() or np.any(np.diff(values[:, 0]) <= 0):
        raise CampaignError(
            f"{path} holds no measured property: expected two or more rows and columns of finite numbers, with "
            "the first column rising."
        )
    return [name.strip() for name in header], values


def _rows(path: Path):
    """The fields of each line that is not a comment, with the number of the line."""
    try:
        content = path.read_bytes()
    except OSError as error:
        _refuse(path, str(error))
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16")
    else:
        text = content.decode("utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            # A comment may follow the numbers on their line.
            yield number, next(csv.reader([re.sub(r"\s+#.*$", "", line)]))


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _number(path: Path, line: int, field: str) -> float:
    if not field.strip():
        return np.nan
    try:
        return float(field)
    except ValueError as error:
        _refuse(path, f"line {line}: {error}")


def _refuse(path: Path, found: str, remedy: str = "correct it") -> NoReturn:
    raise CampaignError(
        f"{path} cannot be read as a measured property ({found}): expected comment lines beginning with #, a header "
        f"with units, then rows of numbers with decimal points, separated by commas; {remedy}."
    )
