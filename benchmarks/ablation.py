"""What each measurement adds: a campaign refined against some of its measurements at a time, judged by all of them.

    python benchmarks/ablation.py config/config.yaml benchmarks/ablation.yaml -o docs/results/water16

The second file has the measurements and the sets of them. All run as one campaign, results/<name>-ablation, whose
initial potential and starting points serve every set. Prints a table of properties and writes it to ablation.csv.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dynrefine.config import load_config
from dynrefine.config.model import Config
from dynrefine.report.formatting import value_with_error
from dynrefine.report.side_by_side import side_by_side

KEYS = ["property", "state", "unit", "measured", "measured_error"]


def overlay(campaign: Config, measurements: Mapping[str, Any], fitted: Sequence[str]) -> dict[str, Any]:
    """What the configuration of a set has on top of that of the campaign."""
    observables = dict.fromkeys(campaign.objective.observables.chosen())  # none of them, unless fitted
    observables |= {key: measurements[key] for key in fitted}
    judging = {key: own for key, own in measurements.items() if key not in fitted}
    # What is fitted is judged anyway, and may not be named twice.
    judging |= {key: None for key in fitted if key in campaign.validation.properties.chosen()}
    alone = dict.fromkeys(campaign.optimiser.surfaces)  # nothing but the potential is refined
    return {
        "campaign": {"name": name_of(campaign)},
        "objective": {"observables": observables},
        "optimiser": {"surfaces": alone},
        **({"validation": {"properties": judging}} if judging else {}),
    }


def name_of(campaign: Config) -> str:
    """The name under which all sets run."""
    return f"{campaign.campaign.name}-ablation"


def run(files: Sequence[str], name: str, cores: int) -> None:
    """Refine and judge, before and after."""
    targets = [f"results/{name}/validation/{stage}/properties.csv" for stage in ("initial", "refined")]
    command = [sys.executable, "-m", "snakemake", "-c", str(cores), *targets, "--logger", "dynrefine"]
    subprocess.run([*command, "--configfile", *files], check=True)


def with_errors_in_brackets(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Values with their errors, 2.31(12), in place of two columns each."""
    both = {name: list(map(value_with_error, table[name], table[f"{name}_error"])) for name in columns}
    return table.drop(columns=[f"{name}_error" for name in columns]).assign(**both)


def main() -> None:
    """Run all sets that have not run, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("campaign", help="configuration file")
    parser.add_argument("sets", help="measurements, and which of them are fitted together")
    parser.add_argument("-c", "--cores", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of ablation.csv")
    options = parser.parse_args()
    sets = yaml.safe_load(Path(options.sets).read_text(encoding="utf-8"))
    campaign = load_config(options.campaign)
    name = name_of(campaign)
    validation, kept = Path("results", name, "validation"), Path("results", name, "sets")
    kept.mkdir(parents=True, exist_ok=True)
    tables = {"initial": validation / "initial/properties.csv"}
    for fitted in sets["fitted"]:
        label = " + ".join(fitted)
        tables[label] = kept / f"{label}.csv"
        if not tables[label].exists():
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                yaml.safe_dump(overlay(campaign, sets["measurements"], fitted), file)
                file.flush()
                run([options.campaign, file.name], name, options.cores)
            shutil.copy(validation / "refined/properties.csv", tables[label])
    table = with_errors_in_brackets(side_by_side(tables, KEYS), ["measured", *tables])
    table.to_csv(options.output / "ablation.csv", index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
