"""Where a campaign stands, from the events that Snakemake logs."""

import csv
import logging
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

CONVERGED = "converged"  # a control of the history: 1 in the last iteration
TARGET, UPDATE, REPORT = "all", "update_potential", "write_report"
_TAIL = 8  # lines of the log of a failed job
_UNKNOWN = 0.2  # share of the jobs to do up to which those of rules that have not run are guessed

# What Snakemake says of failed jobs beside the event that is told here.
_ECHOES = ("Exiting because a job execution failed", "WorkflowError:\nAt least one job did not complete")
_REFERRAL = "For further error details see"
# The few of its messages that matter to whoever watches.
_NEWS = ("Nothing to be done", "Unlocked")
_STOPPING = ("Will exit after finishing", "Terminating processes")
_RESTART = "Trying to restart job "


@dataclass(frozen=True)
class _Job:
    """A job as it was started.

    Attributes:
        rule: its name.
        label: rule and wildcards.
        iteration: "003"; empty where it is of none.
        log: its log, where it has one.
        outputs: paths.
        started: seconds since 1970.
    """

    rule: str
    label: str
    iteration: str
    log: Path | None
    outputs: list[str]
    started: float

    def seconds(self, now: float) -> float:
        """How long it runs."""
        return max(now - self.started, 0.0)


class Progress:
    """What is known of a run of Snakemake.

    Arguments:
        dry_run: nothing is run, only what would be.
        clock: the time, seconds since 1970.
    """

    def __init__(self, dry_run: bool = False, clock: Callable[[], float] = time.time) -> None:
        self.dry_run = dry_run
        self._clock = clock
        self._begun = clock()
        self._waiting: Counter[str] = Counter()  # jobs to do by rule, running ones included
        self._total: int | None = None
        self._done = 0
        self._jobs: dict[int, _Job] = {}  # the last start of each
        self._running: dict[int, _Job] = {}
        self._failed: set[int] = set()
        self._stopping = False
        self._seconds: dict[str, list[float]] = defaultdict(list)  # of finished jobs by rule
        self._iteration, self._iteration_done = "", False
        self._iterations: int | None = None
        self._objective = ""
        self._report = ""

    def told(self, record: logging.LogRecord) -> Iterator[str]:
        """Take in an event; what is to be said of it in any case."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            yield from self._plan(record)
        elif self.dry_run:
            yield from self._message(record)
        elif event == LogEvent.JOB_INFO:
            self._start(record)
        elif event == LogEvent.JOB_FINISHED:
            yield from self._finish(record)
        elif event == LogEvent.JOB_ERROR:
            yield from self._fail(record)
        elif event in (None, LogEvent.ERROR):
            yield from self._message(record)

    def finished(self, record: logging.LogRecord) -> Iterator[str]:
        """A line for a job that has finished, by an event taken in before."""
        job = self._jobs.get(getattr(record, "job_id", -1))
        if getattr(record, "event", None) == LogEvent.JOB_FINISHED and job and job.rule != TARGET:
            objective = f": {self._objective}" if job.rule == UPDATE and self._objective else ""
            yield f"[{self._count()}] {job.label}, {_formatting().duration(job.seconds(record.created))}{objective}"

    def line(self) -> str:
        """Where the campaign stands; empty before anything is to be done."""
        if self._total is None or self.dry_run:
            return ""
        jobs = f"{self._done}/{self._total} jobs"
        parts = [self._of_iteration(), self._objective, jobs, self._failures(), self._left()]
        running = sorted({job.rule for job in self._running.values()} - {TARGET})
        return " · ".join(part for part in [*parts, ", ".join(running)] if part)

    def ending(self) -> Iterator[str]:
        """How it ended."""
        if self._total is None or self.dry_run:
            return
        took = _formatting().duration(self._clock() - self._begun)
        if self._done == self._total:
            report = f" Begin with {self._report}." if self._report else ""
            yield f"All {self._total} jobs done in {took}.{report}"
        elif self._failed:
            yield f"{self._count()} jobs done, {self._failures()}: mend the cause and give the same command again."
        else:
            yield f"Stopped with {self._count()} jobs done: give the same command again to go on."

    def _plan(self, record: Any) -> Iterator[str]:
        if self._total is not None:  # a dry run says it twice
            return
        self._waiting = Counter({rule: int(count) for rule, count in record.stats.items()})
        self._total = self._waiting.pop("total") - self._waiting.pop(TARGET, 0)
        self._begun = record.created
        yield record.getMessage().rstrip() if self.dry_run else f"{self._total} jobs to do"

    def _start(self, record: Any) -> None:
        wildcards = dict(record.wildcards)
        job = _Job(
            record.rule_name,
            " ".join([record.rule_name, *map(str, wildcards.values())]),
            str(wildcards.get("iteration", "")),
            Path(record.log[0]) if record.log else None,
            list(record.output),
            record.created,
        )
        self._jobs[record.jobid] = self._running[record.jobid] = job
        self._failed.discard(record.jobid)
        if job.rule == REPORT:
            self._report = job.outputs[0]
        if job.iteration.isdigit():
            self._begin_iteration(job)

    def _begin_iteration(self, job: _Job) -> None:
        number = int(job.iteration)
        if self._iterations is None:
            self._iterations = number + self._waiting[UPDATE]
        if not self._iteration or number > int(self._iteration):
            self._iteration, self._iteration_done = job.iteration, False
            # Its jobs run, so that the iteration before it is up to date.
            self._read_objective(job, f"{number - 1:03d}")

    def _finish(self, record: Any) -> Iterator[str]:
        job = self._running.pop(record.job_id, None)
        if job is None or job.rule == TARGET:
            return
        self._done += 1
        self._waiting[job.rule] -= 1
        self._seconds[job.rule].append(job.seconds(record.created))
        if job.rule == UPDATE:
            self._read_objective(job, job.iteration)
            self._iteration_done = True
        yield from (f"{job.label}: {line}" for line in _log_of(job) if line.startswith("warning: "))

    def _fail(self, record: Any) -> Iterator[str]:
        job = self._running.pop(record.jobid, None)
        label = job.label if job else record.rule_name
        logs = {path: _lines(Path(path), job.started if job else 0.0) for path in record.log}
        telling = {path: lines for path, lines in logs.items() if any(map(_is_error, lines))}
        errors = [line for lines in telling.values() for line in lines if _is_error(line)]
        if self._stopping and not errors:
            yield f"stopped: {label}"
            return
        self._failed.add(record.jobid)
        yield f"failed: {label}" + (
            f" after {_formatting().duration(job.seconds(record.created))}" if job else ""
        )
        if record.rule_msg and not errors:
            yield f"    {record.rule_msg.partition(_REFERRAL)[0]}"
        for path, lines in (telling or logs).items():
            if lines:
                yield f"    {path} ends:"
                yield from (f"        {line}" for line in lines[-_TAIL:] if line not in errors)
        yield from errors[-1:] or ["It left no error: it could not start, or was killed."]

    def _message(self, record: Any) -> Iterator[str]:
        text = record.getMessage()
        if text.startswith(_RESTART):
            number = text.removeprefix(_RESTART).rstrip(".")
            job = self._jobs.get(int(number)) if number.isdigit() else None
            if job and not self._stopping:
                self._failed.discard(int(number))
                yield f"{job.label} is tried again."
        elif text.startswith(_STOPPING):
            if not self._stopping:
                yield text
            self._stopping = True
        elif record.levelno >= logging.WARNING:
            of_a_job = text.startswith("RuleException") and "CalledProcessError" in text
            if not of_a_job and not text.startswith(_ECHOES):
                yield text
        elif text.startswith(_NEWS):
            yield text

    def _read_objective(self, job: _Job, iteration: str) -> None:
        """The objective with its error bar from the history of an iteration, where there is one."""
        parts = Path(job.outputs[0]).parts if job.outputs else ()
        if job.iteration not in parts:
            return
        folder = Path(*parts[: parts.index(job.iteration)], iteration)
        try:
            with open(folder / "history.csv", newline="", encoding="utf-8") as stream:
                rows = list(csv.DictReader(stream))
            *_, last = (row for row in rows if row["role"] == "objective")
            value = _formatting().value_with_error(float(last["value"]), float(last["standard_error"]))
            number = int(last["iteration"])
            ended = any(float(row["value"]) for row in rows if row["quantity"] == CONVERGED)
        except (OSError, KeyError, ValueError):
            return
        self._objective = f"objective {value} in {number:03d}{', converged' if ended else ''}"

    def _of_iteration(self) -> str:
        if not self._iteration:
            return ""
        number = int(self._iteration) + 1
        of = f" ({number}/{self._iterations})" if number <= (self._iterations or 0) else ""
        return f"iteration {self._iteration}{of}{' done' if self._iteration_done else ''}"

    def _count(self) -> str:
        return f"{self._done} of {self._total}"

    def _failures(self) -> str:
        return f"{len(self._failed)} failed" if self._failed else ""

    def _left(self) -> str:
        """The time left, from how long jobs of the same rules took and how many ran side by side.

        Jobs of rules that have not run count as the median of all; where they are many, as nothing: a lower bound,
        which is left out where it is zero.
        """
        if not self._done or self._total is None or self._done == self._total:
            return ""
        now = self._clock()
        typical = {rule: statistics.median(seconds) for rule, seconds in self._seconds.items()}
        unknown = sum(count for rule, count in self._waiting.items() if rule not in typical)
        bound = unknown > _UNKNOWN * (self._total - self._done)
        other = 0.0 if bound else statistics.median(sum(self._seconds.values(), []))
        work = sum(count * typical.get(rule, other) for rule, count in self._waiting.items())
        for job in self._running.values():
            work -= min(job.seconds(now), typical.get(job.rule, other))
        if bound and work <= 0.0:
            return ""
        spent = sum(map(sum, self._seconds.values())) + sum(
            job.seconds(now) for job in self._running.values()
        )
        side_by_side = max(spent / max(now - self._begun, 1e-3), 1.0)
        return f"{'>' if bound else '~'}{_roughly(work / side_by_side)} left"


# Snakemake imports this plug-in before the Snakefile has said which copy of the library runs.
def _formatting() -> ModuleType:
    from dynrefine.report import formatting

    return formatting


def _logs() -> ModuleType:
    from dynrefine.campaign import logs

    return logs


def _roughly(seconds: float) -> str:
    if seconds < 90.0:
        return f"{max(round(seconds, -1), 10):.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"


def _is_error(line: str) -> bool:
    return line.startswith("error: ")


def _log_of(job: _Job) -> list[str]:
    return _lines(job.log, job.started) if job.log else []


def _lines(path: Path, since: float) -> list[str]:
    """The lines of a log; none where it is missing or of an earlier attempt."""
    try:
        if path.stat().st_mtime < since:
            return []
        found = path.read_bytes()
    except OSError:
        return []
    # a job that was killed has not dropped them itself
    return _logs().without_false_alarms(found).decode(errors="replace").splitlines()
