"""What people who watch a campaign are told of Snakemake's events."""

import importlib
import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("snakemake_interface_logger_plugins")

from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface

from dynrefine.campaign.logs import QUIET_VARIABLE
from snakemake_logger_plugin_dynrefine import QUIET_JOBS, LogHandler
from snakemake_logger_plugin_dynrefine.progress import Progress

WORKFLOW = Path(__file__).parents[2] / "workflow"
HISTORY = "iteration,role,quantity,state,value,standard_error,unit\n"


class Campaign:
    """Events of made-up campaigns and what is said of them, at times that are set by hand."""

    def __init__(self, dry_run=False):
        self.now = 1e9
        self.progress = Progress(dry_run, clock=lambda: self.now)
        self.said = []

    def tell(self, event=None, text="", level=logging.INFO, **values):
        record = logging.LogRecord("snakemake", level, "", 1, text, (), None)
        vars(record).update(values, created=self.now, **({"event": event} if event else {}))
        self.said += [*self.progress.told(record), *self.progress.finished(record)]

    def plan(self, **jobs):
        self.tell(LogEvent.RUN_INFO, "Job stats", stats={**jobs, "all": 1, "total": sum(jobs.values()) + 1})

    def start(self, number, rule, output, log=None, **wildcards):
        values = {"input": [], "output": [output], "log": [log] if log else [], "wildcards": wildcards}
        self.tell(LogEvent.JOB_INFO, jobid=number, rule_name=rule, rule_msg=None, **values)

    def finish(self, number, after=0.0):
        self.now += after
        self.tell(LogEvent.JOB_FINISHED, job_id=number)

    def fail(self, number, rule, log=(), message=None):
        values = {"rule_name": rule, "rule_msg": message, "log": list(log)}
        self.tell(LogEvent.JOB_ERROR, level=logging.ERROR, jobid=number, **values)

    def last_words(self):
        return list(self.progress.ending())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(iteration, objective, error, converged=0):
    """Some of the rows of an iteration in a history."""
    return (
        f"{iteration},objective,objective,,{objective},{error},1\n"
        f"{iteration},loss,infrared,300K,9.9,9.9,1\n"
        f"{iteration},control,converged,,{converged}.0,,1\n"
    )


def history(number, *iterations):
    path = Path(f"results/water/refinement/{number:03d}/history.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HISTORY + "".join(rows_of(*each) for each in iterations))
    return str(path)


def test_the_line_says_where_a_campaign_stands(folder):
    campaign = Campaign()
    assert campaign.progress.line() == ""
    campaign.plan(sample_ensemble=2, update_potential=2, write_report=1)
    assert campaign.progress.line() == "0/5 jobs"
    for number in range(2):
        campaign.start(
            1, "sample_ensemble", f"results/water/refinement/{number:03d}/300K/e", iteration=f"00{number}"
        )
        campaign.finish(1, after=100.0)
        path = f"results/water/refinement/{number:03d}/history.csv"
        campaign.start(2, "update_potential", path, iteration=f"00{number}")
        if number == 0:
            assert (
                campaign.progress.line() == "iteration 000 (1/2) · 1/5 jobs · >2 min left · update_potential"
            )
        history(number, (0, 0.5, 0.02), *([(1, 0.4, 0.015)] if number else []))
        campaign.finish(2, after=50.0)
        if number == 0:
            line = "iteration 000 (1/2) done · objective 0.50(2) in 000 · 2/5 jobs · >2 min left"
            assert campaign.progress.line() == line
    assert (
        campaign.progress.line()
        == "iteration 001 (2/2) done · objective 0.400(15) in 001 · 4/5 jobs"  # nothing is known of the last
    )
    assert campaign.said[-1] == "[4 of 5] update_potential 001, 50.0 s: objective 0.400(15) in 001"
    campaign.start(3, "write_report", "results/water/report.html")
    campaign.finish(3)
    campaign.start(0, "all", "")
    campaign.finish(0)
    assert campaign.last_words() == ["All 5 jobs done in 5.0 min. Begin with results/water/report.html."]


def test_time_left_counts_jobs_side_by_side_and_is_a_bound_where_a_rule_is_unknown():
    campaign = Campaign()
    campaign.plan(sample_ensemble=6, validate=2)
    for number in (1, 2):
        campaign.start(number, "sample_ensemble", "")
    for number in (1, 2):
        campaign.finish(number, after=100.0 if number == 1 else 0.0)
    assert campaign.progress.line() == "2/8 jobs · >3 min left"
    campaign.start(7, "validate", "")
    campaign.finish(7, after=100.0)
    assert campaign.progress.line() == "3/8 jobs · ~6 min left"


def test_a_resumed_campaign_knows_its_iteration_and_the_objective_before_it(folder):
    history(2, (1, 0.6, 0.02), (2, 0.5, 0.02))
    history(3, (3, 9.9, 0.02))  # of a run with other settings; its iteration is not up to date
    campaign = Campaign()
    campaign.plan(update_potential=2)
    campaign.start(1, "update_potential", "results/water/refinement/003/history.csv", iteration="003")
    line = "iteration 003 (4/5) · objective 0.50(2) in 002 · 0/2 jobs · update_potential"
    assert campaign.progress.line() == line


def test_iterations_that_pass_through_have_the_objective_of_the_last_one_that_did_not(folder):
    campaign = Campaign()
    campaign.plan(update_potential=3)
    path = history(7, (4, 0.6, 0.02), (5, 0.5, 0.02, 1))
    campaign.start(1, "update_potential", path, iteration="007")
    campaign.finish(1)
    assert "objective 0.50(2) in 005, converged" in campaign.progress.line()


def test_iterations_beyond_those_asked_for_are_not_counted():
    campaign = Campaign()
    campaign.plan(sample_ensemble=1)
    campaign.start(1, "sample_ensemble", "x/003/e", iteration="003")
    assert campaign.progress.line() == "iteration 003 · 0/1 jobs · sample_ensemble"


def failing(folder, text):
    campaign = Campaign()
    campaign.now = 0.0  # logs are written later
    campaign.plan(adjoint_gradient=2)
    campaign.start(4, "adjoint_gradient", "gradient", "job.log", iteration="003", state="300K", chunk="01")
    if text is not None:
        Path("job.log").write_text(text)
    campaign.now += 12.0
    campaign.said.clear()
    exception = "RuleException:\nCalledProcessError in file Snakefile"
    campaign.tell(LogEvent.ERROR, exception, logging.ERROR, exception="RuleException")
    campaign.fail(4, "adjoint_gradient", ["job.log"])
    return campaign


def test_a_failed_job_is_told_with_the_end_of_its_log_and_the_remedy(folder):
    text = "".join(f"{second:9.1f} s  step\n" for second in range(20))
    campaign = failing(folder, f"{text}error: the cell is too small: enlarge it.\n   20.0 s  ended\n")
    assert campaign.said[:2] == [
        "failed: adjoint_gradient 003 300K 01 after 12.0 s",
        "    job.log ends:",
    ]
    assert campaign.said[-2:] == ["           20.0 s  ended", "error: the cell is too small: enlarge it."]
    assert len(campaign.said) == 10
    campaign.tell(text="Exiting because a job execution failed. Look above", level=logging.ERROR)
    assert len(campaign.said) == 10
    last = "0 of 2 jobs done, 1 failed: mend the cause and give the same command again."
    assert campaign.last_words() == [last]


def test_of_a_killed_job_what_xla_says_wrongly_is_not_told(folder):
    false_alarm = (
        "E1128 23:22:21.9  9667 cpu_aot_loader.cc:195] Target machine feature +prefer-no-scatter is not\n"
    )
    campaign = failing(folder, f"      1.0 s  begun\n{3 * false_alarm}")
    assert campaign.said[-2:] == [
        "              1.0 s  begun",
        "It left no error: it could not start, or was killed.",
    ]


def test_what_slurm_says_of_a_job_is_told_only_where_the_job_said_nothing(folder):
    Path("slurm.log").write_text("killed\n")
    for text, told in (
        ("error: no room.\n", ["    job.log ends:"]),
        ("", ["    FAILED", "    slurm.log ends:"]),
    ):
        campaign = failing(folder, text)
        campaign.said.clear()
        campaign.fail(4, "adjoint_gradient", ["job.log", "slurm.log"], "FAILED")
        assert [line for line in campaign.said if line.startswith("    ") and line[4] != " "] == told


def test_a_job_that_is_tried_again_has_not_failed(folder):
    campaign = failing(folder, "error: out of memory: lower ensemble.replicas.\n")
    assert "1 failed" in campaign.progress.line()
    campaign.tell(text="Trying to restart job 4.")
    assert campaign.said[-1] == "adjoint_gradient 003 300K 01 is tried again."
    assert "failed" not in campaign.progress.line()
    campaign.start(4, "adjoint_gradient", "gradient", "job.log", iteration="003", state="300K", chunk="01")
    campaign.finish(4)
    assert campaign.last_words() == ["Stopped with 1 of 2 jobs done: give the same command again to go on."]


def test_a_log_of_an_earlier_attempt_is_not_read(folder):
    Path("job.log").write_text("error: out of memory: lower ensemble.replicas.\n")
    os.utime("job.log", (1e8, 1e8))
    campaign = Campaign()
    campaign.plan(validate=1)
    campaign.start(1, "validate", "", "job.log")
    campaign.fail(
        1,
        "validate",
        ["job.log"],
        "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'.For further error details see the log.",
    )
    assert campaign.said[-3:] == [
        "failed: validate after 0.0 s",
        "    SLURM-job '7' failed, SLURM status is: 'TIMEOUT'.",
        "It left no error: it could not start, or was killed.",
    ]


@pytest.mark.parametrize("message", ["Terminating processes on user request", "Will exit after finishing"])
def test_jobs_that_end_with_an_interrupted_campaign_have_not_failed(folder, message):
    campaign = Campaign()
    campaign.plan(validate=2)
    campaign.start(1, "validate", "", "job.log")
    for _ in range(2):
        campaign.tell(text=message)
    campaign.fail(1, "validate", ["job.log"])
    campaign.tell(text="Trying to restart job 1.")
    assert campaign.said == ["2 jobs to do", message, "stopped: validate"]
    assert campaign.last_words() == ["Stopped with 0 of 2 jobs done: give the same command again to go on."]


def test_warnings_of_jobs_and_errors_of_snakemake_are_told(folder):
    Path("job.log").write_text("    1.0 s  begun\nwarning: careful\n")
    campaign = Campaign()
    campaign.now = 0.0
    campaign.plan(validate=2)
    campaign.start(1, "validate", "", "job.log", stage="initial")
    campaign.finish(1)
    campaign.tell(text="Building DAG of jobs...")
    campaign.tell(LogEvent.ERROR, "MissingOutputException: no file", logging.ERROR, exception="x")
    assert campaign.said == [
        "2 jobs to do",
        "validate initial: warning: careful",
        "[1 of 2] validate initial, 0.0 s",
        "MissingOutputException: no file",
    ]


def test_a_dry_run_says_once_what_would_run():
    campaign = Campaign(dry_run=True)
    campaign.plan(validate=2)
    campaign.start(1, "validate", "")
    campaign.plan(validate=2)
    assert campaign.said == ["Job stats"]
    assert (campaign.progress.line(), campaign.last_words()) == ("", [])


class Settings(OutputSettingsLoggerInterface):
    dryrun = False


def test_without_a_terminal_nothing_is_drawn_and_jobs_leave_their_messages_to_the_logger(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv(QUIET_VARIABLE, "")
    handler = LogHandler(Settings(), None)
    assert QUIET_JOBS == QUIET_VARIABLE and os.environ[QUIET_VARIABLE]
    record = logging.LogRecord("snakemake", logging.INFO, "", 1, "", (), None)
    vars(record).update(event=LogEvent.RUN_INFO, stats={"validate": 3, "total": 3})
    handler.handle(record)
    handler.close()
    handler.close()
    ending = "Stopped with 0 of 3 jobs done: give the same command again to go on.\n"
    assert sys.stderr.getvalue() == f"3 jobs to do\n{ending}"


SNAKEFILE = """
rule all:
    input: "results/toy/refinement/001/history.csv"

def before(wildcards):
    return [] if wildcards.iteration == "000" else "results/toy/refinement/000/history.csv"

rule update_potential:
    input: before
    output: "results/toy/refinement/{iteration}/history.csv"
    log: "{iteration}.log"
    retries: 1
    script: "job.py"
"""
JOB = f"""
from pathlib import Path

log, failed = Path(snakemake.log[0]), Path("failed")
if snakemake.wildcards.iteration == "001" and not failed.exists():
    failed.touch()
    log.write_text("error: the disk is full: make room.\\n")
    raise SystemExit(1)
log.write_text("done\\n")
Path(snakemake.output[0]).write_text({HISTORY + rows_of(0, 0.5, 0.02)!r})
"""


def snakemake(folder, *arguments, stderr=subprocess.PIPE):
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "job.py").write_text(JOB)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "dynrefine", *arguments]
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW), "COLUMNS": "80"}
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
    )


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("snakemake"), reason="Snakemake is not installed")
def test_through_snakemake_with_and_without_a_terminal(tmp_path):
    ended = snakemake(tmp_path)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stderr.splitlines()
    assert lines[0] == "2 jobs to do"
    assert lines[1].startswith("[1 of 2] update_potential 000") and lines[1].endswith(
        "objective 0.50(2) in 000"
    )
    assert lines[2].startswith("failed: update_potential 001 after")
    assert lines[3:6] == [
        "    001.log ends:",
        "error: the disk is full: make room.",
        "update_potential 001 is tried again.",
    ]
    assert lines[6].startswith("[2 of 2] update_potential 001")
    assert lines[7].startswith("All 2 jobs done in") and len(lines) == 8

    reader, writer = pty.openpty()
    ended = snakemake(tmp_path, "--forceall", stderr=writer)
    os.close(writer)
    drawn = os.read(reader, 100_000).decode()
    assert ended.returncode == 0, drawn
    assert "\r\x1b[Kiteration 001 (2/2) · objective 0.50(2) in 000 · 1/2 jobs" in drawn
    assert "[1 of 2]" not in drawn
    assert drawn.endswith("s.\r\n") and "All 2 jobs done" in drawn
