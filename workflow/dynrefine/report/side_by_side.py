"""Tables of the same quantities side by side, for the documentation and for benchmarks."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

import pandas as pd


def side_by_side(files: Mapping[str, Path], keys: Sequence[str]) -> pd.DataFrame:
    """Values and errors of several tables in columns of one; rows that any of them lacks are left out.

    Arguments:
        files: of the tables, by the names that their columns get.
        keys: columns that identify a row.
    """
    tables = []
    for name, path in files.items():
        names = {"value": name, "standard_error": f"{name}_error"}
        table = pd.read_csv(path).rename(columns=names)
        tables.append(table[[*keys, *(column for column in names.values() if column in table)]])
    return reduce(lambda left, right: left.merge(right, on=list(keys)), tables)
