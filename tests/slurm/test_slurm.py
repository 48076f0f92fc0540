"""The toy campaign through Slurm, on a cluster that this machine plays, with the faults that clusters have.

One campaign meets them all: jobs that take too long or too much memory, a lost node, a cancelled job, and Snakemake
killed. It goes through its first iteration, which the validation and what is left repeat.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from campaigns import Campaign, copy_workflow, different_results, limit_size_of_files

HERE = Path(__file__).parent
SLURM = ("--profile", "slurm", "--profile", str(HERE / "profile"))
TARGET = "results/toy/refinement/000/history.csv"
PATIENCE = 1800.0  # s for what takes seconds on an idle machine
ON_GPUS = (
    "train_surface",
    "measure_force_metric",
    "sample_ensemble",
    "run_trajectories",
    "adjoint_gradient",
    "anchor_gradient",
)
# MB: measuring the force metric takes more than the first amount and less than twice as much.
TOO_LITTLE = 300
RUNNING_JOB = re.compile(r"(\d+) (\w+) rule_(\w+?)(?:_wildcards_.*)?")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("sinfo") is None, reason="Slurm (sinfo) is not installed"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Slurm of two nodes on this machine, which may have none of its own."""
    if Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("a Slurm is configured on this machine (/etc/slurm/slurm.conf); it is left alone")
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as variables:
        variables.delenv("SLURM_CONF")  # see tests/conftest.py
        subprocess.run([HERE / "cluster.sh", "start", folder], check=True)
        yield folder
        subprocess.run([HERE / "cluster.sh", "stop", folder], check=True)


def wait_for(condition, what):
    """Wait until a condition holds; its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)
    return value


def squeue(*options):
    """What Slurm says of the jobs in the queue, line by line."""
    listed = subprocess.run(["squeue", "--noheader", *options], capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def running(rule):
    """The jobs of a rule that run now: numbers and nodes."""
    listed = squeue("--states=running", "--format=%i %N %k")
    jobs = (RUNNING_JOB.fullmatch(line).groups() for line in listed)
    return [(number, node) for number, node, of_rule in jobs if of_rule == rule]


def scontrol(*words):
    subprocess.run(["scontrol", *words], check=True)


def requeued():
    listed = squeue("--states=pending", "--format=%i %r")
    return [line.split()[0] for line in listed if line.endswith("BeginTime")]


def lose_the_node_of(rule):
    """Lose the node where a rule runs, start again on the other one what ran there, and give the node back."""
    [(_, node), *_] = running(rule)
    scontrol("update", f"nodename={node}", "state=down", "reason=test")
    for job in wait_for(requeued, "that Slurm requeues the jobs of a lost node"):
        scontrol("update", f"jobid={job}", "starttime=now")  # Slurm alone would wait two minutes
    [(_, other), *_] = wait_for(partial(running, rule), "a second start")
    assert other != node
    scontrol("update", f"nodename={node}", "state=resume")


def lower(campaign, rule, resource, amount):
    """Let a rule ask for so much of a resource in its first attempt."""
    [path] = (
        path
        for path in campaign.folder.glob("workflow/rules/*.smk")
        if f"\nrule {rule}:" in "\n" + path.read_text()
    )
    before, name, after = path.read_text().partition(f"rule {rule}:")
    after, found = re.subn(rf"{resource}=growing\(\d+\)", f"{resource}=growing({amount})", after, count=1)
    assert found
    path.write_text(before + name + after)


def stall_first_attempt(campaign, rule):
    """Let a rule hang in its first attempt, for which it asks for a minute, the shortest time of Slurm."""
    lower(campaign, rule, "runtime", 1)
    script = campaign.folder / f"workflow/scripts/{rule}.py"
    stall = "import time\n\nif snakemake.resources.runtime == 1:\n    time.sleep(1800)\n\n"
    script.write_text(stall + script.read_text())


def asked_for(rule, resource, said):
    """How much of a resource the first and the last attempt of a rule asked for; the log repeats some in between."""
    pattern = rf"^rule {rule}:\n(?:    .*\n)*?    resources: .*?\b{resource}=(\d+)"
    amounts = re.findall(pattern, said, re.MULTILINE)
    return int(amounts[0]), int(amounts[-1])


@contextmanager
def begun(campaign, log):
    """Snakemake in the background, as typed by a user; ended with the block at the latest."""
    with open(log, "w") as said:
        process = subprocess.Popen(
            campaign.command(*SLURM, TARGET, cores=None),
            cwd=campaign.folder,
            env=campaign.environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Disturbed:
    """The toy campaign after all the faults.

    Attributes:
        campaign: see there.
        before, after: what Snakemake said until it was killed and when it was started again.
        cancelled: number of the job that was cancelled.
    """

    campaign: Campaign
    before: str
    after: str
    cancelled: str


@pytest.fixture(scope="module")
def disturbed(cluster, finished_toy, tmp_path_factory):
    """The toy campaign begun anew and put through the faults, one after the other, then run to its target.

    It comes after the undisturbed one, whose programs it finds compiled: compiling takes memory.
    """
    campaign = copy_workflow(tmp_path_factory.mktemp("disturbed"))
    stall_first_attempt(campaign, "prepare_dataset")
    lower(campaign, "measure_force_metric", "mem_mb", TOO_LITTLE)
    before, after = campaign.folder / "before.log", campaign.folder / "after.log"

    with begun(campaign, before) as snakemake:

        def appears(path):
            assert snakemake.poll() is None, before.read_text()
            return (campaign.results / path).exists()

        wait_for(partial(appears, "pretraining/potential_checkpoint.npz"), "a checkpoint")
        lose_the_node_of("train_surface")
        [(cancelled, _), *_] = wait_for(partial(running, "sample_ensemble"), "sampling")
        subprocess.run(["scancel", cancelled], check=True)
        wait_for(partial(appears, "refinement/000/objective.npz"), "the first objective")
        wait_for(partial(running, "adjoint_gradient"), "a gradient")
    assert snakemake.returncode == -signal.SIGKILL
    assert running("adjoint_gradient"), "jobs run on"

    assert campaign.snakemake(*SLURM, "--unlock", cores=None).returncode == 0
    with begun(campaign, after) as snakemake:
        assert snakemake.wait(PATIENCE) == 0, before.read_text() + after.read_text()
    return Disturbed(campaign, before.read_text(), after.read_text(), cancelled)


def test_after_all_faults_the_results_are_the_same_bits(disturbed, finished_toy):
    made = disturbed.campaign.contents()
    assert TARGET in made
    assert not different_results(disturbed.campaign, finished_toy) & set(made)


def test_every_job_ran_in_slurm_and_those_that_simulate_on_gpus(disturbed):
    folder = disturbed.campaign.results / "logs"
    logs = {path.relative_to(folder): path.read_text() for path in folder.rglob("*.log")}
    assert len(logs) == len(list((disturbed.campaign.results / "benchmarks").rglob("*.tsv")))
    for path, log in logs.items():
        rule = path.parts[0].removesuffix(".log")
        assert re.search(r"started .* on n[12] \(Slurm job \d+\)", log), path
        assert bool(re.search(r"device: GPU [01], ", log)) == (rule in ON_GPUS), path


def test_a_job_beyond_its_memory_comes_back_with_more(disturbed):
    assert asked_for("measure_force_metric", "mem_mb", disturbed.before) == (TOO_LITTLE, 2 * TOO_LITTLE)


def test_a_job_beyond_its_time_comes_back_with_more(disturbed):
    assert asked_for("prepare_dataset", "runtime", disturbed.before) == (1, 2)


def test_a_cancelled_job_is_tried_again(disturbed):
    assert re.search(rf"SLURM-job '{disturbed.cancelled}' failed", disturbed.before)
    assert "Trying to restart job" in disturbed.before


def test_a_training_whose_node_was_lost_goes_on_and_is_not_counted_as_failed(disturbed):
    assert "going on from" in (disturbed.campaign.results / "logs/train_surface/potential.log").read_text()
    assert "Error in rule train_surface" not in disturbed.before


def test_a_campaign_in_one_job_goes_back_into_the_queue_and_goes_on(cluster, toy, finished_toy):
    """Begun with the validation, told of the time limit, and ended in its second start."""
    shutil.rmtree(toy.results / "validation/refined")
    (toy.results / "report.html").unlink(missing_ok=True)
    submitted = subprocess.run(
        ["sbatch", "--parsable", "--gpus=2", "--cpus-per-task=2", "--mem=8G", "--time=60"]
        + ["slurm/campaign.sbatch", "--configfile", toy.configuration],
        cwd=toy.folder,
        env=toy.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    job = submitted.stdout.strip()
    ensembles = toy.results / "validation/refined"
    wait_for(lambda: list(ensembles.rglob("ensemble_*.npz")), "the first job")
    subprocess.run(["scancel", "--batch", "--signal=USR1", job], check=True)
    wait_for(lambda: job in requeued(), "that the job goes back into the queue")
    report, log = toy.results / "report.html", toy.folder / f"dynrefine_{job}.log"
    assert not report.exists()
    # Slurm alone would wait two minutes; on the same node within the same second it would refuse the credential.
    scontrol("update", f"jobid={job}", "starttime=now+5")

    def reported():
        ended = job not in squeue("--format=%i")
        assert not ended or report.exists(), log.read_text()
        return report.exists()

    wait_for(reported, "the report")
    assert different_results(toy, finished_toy) == set(), log.read_text()


def test_a_full_disk_is_told_in_one_sentence(cluster, toy):
    potential = "results/toy/dataset/train.extxyz"
    (toy.folder / potential).unlink()
    full = partial(limit_size_of_files, 100_000)
    finished = toy.snakemake(*SLURM, "--retries", "0", potential, cores=None, before=full)
    assert finished.returncode == 1
    said = finished.stdout + finished.stderr
    assert "Traceback" not in said
    assert f"error: {potential} could not be written (File too large): free some space" in said
    assert not (toy.folder / potential).exists()
