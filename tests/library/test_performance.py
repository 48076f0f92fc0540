"""What a job says of itself."""

import json
import subprocess

import jax
import jax.numpy as jnp
import pytest

from dynrefine.campaign import performance
from dynrefine.campaign.performance import count_steps, measured, watch_compilation


def test_compilation_and_steps_are_measured(tmp_path):
    with measured(tmp_path / "job.json"):
        watch_compilation(jax)
        jax.jit(lambda x: jnp.sin(x @ x).sum())(jnp.ones((7, 7))).block_until_ready()
        count_steps(30)
        count_steps(12)
    found = json.loads((tmp_path / "job.json").read_text())
    assert 0.0 < found["compilation_seconds"] < found["seconds"]
    assert found["steps"] == 42
    assert found["queue_seconds"] is None


def test_a_failed_job_leaves_nothing(tmp_path):
    with pytest.raises(ValueError), measured(tmp_path / "job.json"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_done_within_a_job_is_counted(tmp_path):
    count_steps(3)
    with measured(tmp_path / "job.json") as job:
        assert job.steps == 0
        count_steps(4)
    count_steps(5)
    assert job.steps == json.loads((tmp_path / "job.json").read_text())["steps"] == 4


@pytest.mark.parametrize(
    ("told", "seconds"), [("2026-11-21T05:22:58 2026-11-21T05:24:08", 70.0), ("", None), ("N/A N/A", None)]
)
def test_slurm_is_asked_how_long_the_job_waited(monkeypatch, told, seconds):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(
        performance.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, stdout=told)
    )
    assert performance._queue_seconds() == seconds
