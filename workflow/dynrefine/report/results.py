"""The files of a finished campaign, as the report needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynrefine.storage import ArrayFile, read_arrays

STAGES = ("initial", "refined")
SURFACES = ("potential", "dipole")

Files = Mapping[str, Any]


@dataclass(frozen=True)
class Surface:
    """What the training of a surface left: learning curve, errors by part, predictions and labels."""

    learning_curve: pd.DataFrame
    errors: pd.DataFrame
    parity: ArrayFile


@dataclass(frozen=True)
class Results:
    """A finished campaign.

    Attributes:
        settings: its whole configuration.
        states: the states by their labels.
        history: a row per iteration that was run.
        objectives: of these iterations, by their numbers.
        passed_through: the iterations that were not run, since the refinement had converged.
        properties: of both stages of the validation.
        errors: on the ab initio test frames, of both stages.
        curves: of both stages.
        surfaces: training of the potential and of the dipole surface.
        frames: of the data set, a row each.
        summary: of the data set by part and series.
        gradient_check: comparisons of the gradient.
        timings: rule, jobs, wall_total, wall_mean, cpu_total (s), memory_peak (MB).
        citations: of the measured properties, by file name.
    """

    settings: dict[str, Any]
    states: dict[str, dict[str, Any]]
    history: pd.DataFrame
    objectives: dict[int, ArrayFile]
    passed_through: tuple[int, ...]
    properties: dict[str, pd.DataFrame]
    errors: dict[str, pd.DataFrame]
    curves: dict[str, ArrayFile]
    surfaces: dict[str, Surface]
    frames: pd.DataFrame
    summary: pd.DataFrame
    gradient_check: pd.DataFrame
    timings: pd.DataFrame
    citations: dict[str, str]


def read_results(
    files: Files, settings: Mapping[str, Any], states: Mapping[str, Any], benchmarks: str | Path
) -> Results:
    """Read what the report is made of.

    Arguments:
        files: paths by the names of the inputs of rule write_report; properties, errors and curves in the
            order initial, refined; objectives in the order of the iterations.
        settings: the whole configuration.
        states: the states by their labels, as in the configuration.
        benchmarks: folder of the jobs' benchmarks.

    Raises:
        CampaignError: an array file is missing or broken.
    """
    objectives = {number: read_arrays(path, "objective") for number, path in enumerate(files["objectives"])}
    passed_through = tuple(number for number, file in objectives.items() if file.passed_through)
    history = pd.read_csv(files["history"])
    return Results(
        settings=dict(settings),
        states=dict(states),
        history=history[~history.iteration.isin(passed_through)],
        objectives={number: file for number, file in objectives.items() if number not in passed_through},
        passed_through=passed_through,
        properties=_tables_by_stage(files["properties"]),
        errors=_tables_by_stage(files["errors"]),
        curves={
            stage: read_arrays(path, "curves") for stage, path in zip(STAGES, files["curves"], strict=True)
        },
        surfaces={name: _read_surface(files, name) for name in SURFACES},
        frames=pd.read_csv(files["frames"]),
        summary=pd.read_csv(files["summary"]),
        gradient_check=pd.read_csv(files["gradient_check"]),
        timings=read_timings(benchmarks),
        citations={Path(path).name: read_citation(path) for path in files["targets"]},
    )


def read_timings(folder: str | Path) -> pd.DataFrame:
    """What the jobs of each rule took, the costliest rule first.

    Arguments:
        folder: of Snakemake's benchmarks, <rule>.tsv or <rule>/<job>.tsv.

    Returns:
        rule, jobs, wall_total, wall_mean, cpu_total (s), memory_peak (MB); no rows without benchmarks.
    """
    folder = Path(folder)
    jobs = [
        pd.read_csv(path, sep="\t", na_values="-").assign(
            rule=path.relative_to(folder).parts[0].removesuffix(".tsv")
        )
        for path in sorted(folder.rglob("*.tsv"))
        if path.stem != "write_report"  # of an earlier report, or none
    ]
    columns = ["rule", "jobs", "wall_total", "wall_mean", "cpu_total", "memory_peak"]
    if not jobs:
        return pd.DataFrame(columns=columns)
    table = (
        pd.concat(jobs)
        .groupby("rule")
        .agg(
            jobs=("s", "size"),
            wall_total=("s", "sum"),
            wall_mean=("s", "mean"),
            cpu_total=("cpu_time", "sum"),
            memory_peak=("max_rss", "max"),
        )
    )
    return table.sort_values("wall_total", ascending=False).reset_index()[columns]


def read_citation(path: str | Path) -> str:
    """The comments a measured property begins with, in one line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def _tables_by_stage(paths: Sequence[str]) -> dict[str, pd.DataFrame]:
    return {stage: pd.read_csv(path) for stage, path in zip(STAGES, paths, strict=True)}


def _read_surface(files: Files, name: str) -> Surface:
    return Surface(
        learning_curve=pd.read_csv(files[f"{name}_learning_curve"]),
        errors=pd.read_csv(files[f"{name}_errors"]),
        parity=read_arrays(files[f"{name}_parity"], "parity"),
    )
