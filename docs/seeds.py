"""Put runs of a campaign with different seeds side by side, with their mean and spread.

    python docs/seeds.py docs/results/water16-thorough:refined docs/results/water16-thorough-2:refined \\
        docs/results/water16-thorough-3:refined -o docs/results/water16-thorough/seeds.csv

A run is a folder that docs/results.py wrote, and a stage. The spread is the standard deviation from run to run, in
which the noise of each run is.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

KEYS = ["property", "state", "unit", "measured"]
TABLES = ("bands.csv", "properties.csv", "errors.csv")


def read(run: str) -> pd.Series:
    """All numbers of a run, <folder>:<stage>, by what they are of."""
    folder, stage = run.rsplit(":", 1)
    tables = (pd.read_csv(Path(folder, file)) for file in TABLES)
    rows = pd.concat([table.rename(columns={"quantity": "property"}) for table in tables])
    return rows.set_index(KEYS)[stage]


def over_seeds(runs: Sequence[pd.Series]) -> pd.DataFrame:
    """What all runs have, with mean and spread; the state is told where there are several."""
    named = {f"run {number}": run for number, run in enumerate(runs, 1)}
    table = pd.concat(named, axis=1, join="inner")
    found = table.assign(mean=table.mean(axis=1), spread=table.std(axis=1)).reset_index()
    return found if found.state.nunique() > 1 else found.drop(columns="state")


def main() -> None:
    """Read the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", help="<folder>:<stage>")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    table = over_seeds([read(run) for run in options.runs])
    table.to_csv(options.output, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
