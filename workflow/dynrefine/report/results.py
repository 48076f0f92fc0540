"""The files of a finished campaign, as the report needs them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dynrefine.config.model import Config
from dynrefine.config.steps import WriteReport
from dynrefine.files.curves import Curve, load_curves
from dynrefine.files.history import History, load_history
from dynrefine.files.objectives import Objective, load_objective
from dynrefine.files.parity import Parity, load_parity

STAGES = ("initial", "refined")

Files = Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """The training of a surface: learning curve, errors by part, labels and predictions by part."""

    learning_curve: pd.DataFrame
    errors: pd.DataFrame
    parity: dict[str, list[Parity]]


@dataclass(frozen=True)
class QuantumNuclei:
    """Results of path integrals with the refined potential: properties, curves and energies."""

    properties: pd.DataFrame
    curves: list[Curve]
    energies: pd.DataFrame


@dataclass(frozen=True)
class Taught:
    """The properties of a teacher, and how far its student is from it.

    Attributes:
        properties: of the teacher, as in the validation of the student.
        differences: of parameters and forces, by stage.
    """

    properties: pd.DataFrame
    differences: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Results:
    """A finished campaign.

    Attributes:
        campaign: its configuration.
        history: of the iterations that were run.
        objectives: of these iterations, by their numbers.
        passed_through: the iterations that were not run because the refinement had converged.
        properties: of both stages of the validation.
        errors: on the ab initio test frames, of both stages.
        curves: of both stages.
        quantum: results of path integrals; None where they were not requested.
        trainings: of each surface; empty without a data set.
        frames: of the data set, a row each; no rows without one.
        own_frames: the same for surfaces with a data set of their own, by the names of the surfaces.
        summary: of the data set by part and series.
        gradient_check: comparisons of the gradient.
        total_derivative: the gradient beside independent ensembles; no rows where they were not requested.
        horizon: the gradient by depth; no rows where its depth was set.
        covariance: of the named parameters; no rows where it was not requested.
        sensitivities: derivatives of properties with respect to these parameters, likewise.
        left_open: what is left open of properties of potentials without named parameters, likewise.
        timings: see `read_timings`.
        citations: of the measured properties, by file name.
        taught: teacher and student; None where all targets were measured.
    """

    campaign: Config
    history: History
    objectives: dict[int, Objective]
    passed_through: tuple[int, ...]
    properties: dict[str, pd.DataFrame]
    errors: dict[str, pd.DataFrame]
    curves: dict[str, list[Curve]]
    quantum: QuantumNuclei | None
    trainings: dict[str, Training]
    frames: pd.DataFrame
    own_frames: dict[str, pd.DataFrame]
    summary: pd.DataFrame
    gradient_check: pd.DataFrame
    total_derivative: pd.DataFrame
    horizon: pd.DataFrame
    covariance: pd.DataFrame
    sensitivities: pd.DataFrame
    left_open: pd.DataFrame
    timings: pd.DataFrame
    citations: dict[str, str]
    taught: Taught | None = None

    @property
    def state_names(self) -> dict[str, str]:
        """The states as people read them, by their labels."""
        return {label: state.name(label) for label, state in self.campaign.all_states().items()}

    def reference(self, name: str) -> str:
        """Whether a property, by the name of its curve, is compared with "measured" or "synthetic" values."""
        settings = self.campaign.all_properties().get(name.partition(":")[0])
        return "synthetic" if settings is not None and settings.synthetic else "measured"

    def drawn_ranges(self, name: str) -> Sequence[Sequence[float]]:
        """The ranges in which a curve is drawn, by its name; if there are none, it is drawn whole."""
        settings = self.campaign.all_properties().get(name)
        return settings.drawn_ranges if settings is not None else []

    def before_and_after(self) -> Iterator[tuple[Curve, Curve]]:
        """Each curve with the initial potential, and the same curve with the refined one."""
        initial, refined = (self.curves[stage] for stage in STAGES)
        after = {(curve.name, curve.state): curve for curve in refined}
        return ((curve, after[curve.name, curve.state]) for curve in initial)


def read_results(files: Files, settings: WriteReport) -> Results:
    """Read all files that the report needs.

    Arguments:
        files: paths by the names of the inputs of rule write_report; properties, errors and curves in the
            order initial, refined; objectives in the order of the iterations.
        settings: the whole configuration, and the folders of logs and timings.

    Raises:
        CampaignError: an array file is missing or broken.
    """
    objectives = {number: load_objective(path) for number, path in enumerate(files["objectives"])}
    passed_through = tuple(number for number, objective in objectives.items() if objective is None)
    return Results(
        campaign=settings.configuration,
        history=load_history(files["history"]).without(passed_through),
        objectives={number: objective for number, objective in objectives.items() if objective is not None},
        passed_through=passed_through,
        properties=_tables_by_stage(files["properties"]),
        errors=_tables_by_stage(files["errors"]),
        curves={stage: load_curves(path) for stage, path in zip(STAGES, files["curves"], strict=True)},
        quantum=_quantum(*files["path_integrals"]) if files["path_integrals"] else None,
        trainings={
            name: Training(pd.read_csv(learning_curve), pd.read_csv(errors), load_parity(parity))
            for name, learning_curve, errors, parity in zip(
                settings.surfaces,
                *(files[f"surface_{kind}"] for kind in ("learning_curves", "errors", "parities")),
                strict=True,
            )
        },
        frames=_table_if_any(files["frames"]),
        own_frames={_surface_of(path): pd.read_csv(path) for path in files["own_frames"]},
        summary=_table_if_any(files["summary"]),
        gradient_check=pd.read_csv(files["gradient_check"]),
        total_derivative=_table_if_any(files["total_derivative"]),
        horizon=_table_if_any(files["horizon"]),
        covariance=_table_if_any(files["covariance"]),
        sensitivities=_table_if_any(files["sensitivities"]),
        left_open=_table_if_any(files["left_open"]),
        timings=read_timings(settings.benchmarks, settings.logs),
        citations={Path(path).name: read_citation(path) for path in files["targets"]},
        taught=_taught(files) if files["teacher"] else None,
    )


def read_timings(benchmarks: str | Path, logs: str | Path) -> pd.DataFrame:
    """Time and memory that the jobs of each rule took, the costliest rule first.

    Arguments:
        benchmarks: folder of Snakemake's benchmarks, <rule>.tsv or <rule>/<job>.tsv.
        logs: folder of the logs, where each job's own measurements are beside its log, as <rule>.json or
            <rule>/<job>.json.

    Returns:
        rule, jobs, device, wall_total, wall_mean, compilation_total, queue_mean, cpu_total (s), memory_peak (MB),
        steps_per_second (without compilation); NaN where unknown; no rows without benchmarks.
    """
    columns = ["rule", "jobs", "device", "wall_total", "wall_mean", "compilation_total", "queue_mean"]
    columns += ["cpu_total", "memory_peak", "steps_per_second"]
    jobs = read_jobs(benchmarks, logs)
    if jobs.empty:
        return pd.DataFrame(columns=columns)
    by_rule = jobs.groupby("rule")
    table = by_rule.agg(
        jobs=("s", "size"),
        device=("device", lambda names: ", ".join(sorted(set(names.dropna())))),
        wall_total=("s", "sum"),
        wall_mean=("s", "mean"),
        compilation_total=("compilation_seconds", lambda seconds: seconds.sum(min_count=1)),
        queue_mean=("queue_seconds", "mean"),
        cpu_total=("cpu_time", "sum"),
        memory_peak=("max_rss", "max"),
    )
    computing = by_rule.seconds.sum() - by_rule.compilation_seconds.sum()
    steps = by_rule.steps.sum()
    table["steps_per_second"] = (steps / computing).where(steps > 0)
    return table.sort_values("wall_total", ascending=False).reset_index()[columns]


def read_jobs(benchmarks: str | Path, logs: str | Path) -> pd.DataFrame:
    """Time and memory that each job took, in the order of their names.

    Arguments:
        benchmarks, logs: as for `read_timings`.

    Returns:
        the columns of Snakemake's benchmarks, rule, and the job's own measurements: device, seconds,
        compilation_seconds, queue_seconds, steps; no rows without benchmarks.
    """
    benchmarks = Path(benchmarks)
    jobs = [
        pd.read_csv(path, sep="\t", na_values="-").assign(
            rule=path.relative_to(benchmarks).with_suffix("").parts[0],
            **_measured(Path(logs, path.relative_to(benchmarks)).with_suffix(".json")),
        )
        for path in sorted(benchmarks.rglob("*.tsv"))
        if path.stem != "write_report"  # would be that of an earlier report
    ]
    return pd.concat(jobs) if jobs else pd.DataFrame()


def _measured(path: Path) -> dict[str, Any]:
    """A job's own measurements; NaN where there are none."""
    measured = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    numbers = ("seconds", "compilation_seconds", "queue_seconds", "steps")
    known = {name: measured[name] for name in numbers if measured.get(name) is not None}
    return dict.fromkeys(numbers, float("nan")) | known | {"device": measured.get("device")}


def read_citation(path: str | Path) -> str:
    """The comments at the head of a measured property's file, in one line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def _surface_of(path: str | Path) -> str:
    """The surface whose own data set holds this file."""
    return Path(path).parent.name.removeprefix("dataset_")


def _quantum(properties: str, curves: str, energies: str) -> QuantumNuclei:
    return QuantumNuclei(pd.read_csv(properties), load_curves(curves), pd.read_csv(energies))


def _tables_by_stage(paths: Sequence[str]) -> dict[str, pd.DataFrame]:
    return {stage: pd.read_csv(path) for stage, path in zip(STAGES, paths, strict=True)}


def _taught(files: Files) -> Taught:
    return Taught(pd.read_csv(files["teacher"]), _tables_by_stage(files["against_teacher"]))


def _table_if_any(path: Any) -> pd.DataFrame:
    return pd.read_csv(path) if path else pd.DataFrame()
