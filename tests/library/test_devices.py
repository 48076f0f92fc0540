"""Jobs and their devices; GPUs are simulated by their names."""

import json
import os
import subprocess
import sys
import time

import jax.numpy as jnp
import pytest

from dynrefine.campaign import devices
from dynrefine.campaign.devices import chosen_device, memory_sentence, threads_on, visible_gpus
from dynrefine.errors import CampaignError

HOLDER = """
import os
from dynrefine.campaign.devices import chosen_device

with chosen_device(1):
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    input()
"""

JOB = """
from types import SimpleNamespace
from dynrefine.campaign.job import surroundings

params = {"precision": "float64", "seed": 3}
with surroundings(SimpleNamespace(
    log=["job.log"], rule="test", wildcards={}, params=params, threads=1, resources={"gpu": 1}
)):
    pass
"""


@pytest.fixture
def workstation(monkeypatch, tmp_path):
    """Two GPUs, and a folder for the locks."""
    for name in ("SLURM_JOB_ID", "JAX_PLATFORMS"):
        monkeypatch.setenv(name, "")  # given back at the end whatever a test does
        monkeypatch.delenv(name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(devices.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def holder():
    """Another job that has taken a GPU; its name."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().strip()


def test_jobs_at_the_same_time_take_different_gpus(workstation):
    (one, first), (other, second) = holder(), holder()
    assert {first, second} == {"0", "1"}
    for process in (one, other):
        process.communicate("\n")


def test_a_killed_job_gives_its_gpu_back(workstation):
    (one, first), (other, _) = holder(), holder()
    one.kill()
    one.communicate()
    with chosen_device(1) as device:
        assert device == f"GPU {first}"
        assert os.environ["CUDA_VISIBLE_DEVICES"] == first
    other.communicate("\n")


def test_a_job_waits_for_a_gpu(workstation, monkeypatch):
    (one, first), (other, _) = holder(), holder()
    monkeypatch.setattr(devices.time, "sleep", lambda _: one.communicate("\n"))
    with chosen_device(1) as device:
        assert device == f"GPU {first}"
    other.communicate("\n")


def test_waiting_for_a_gpu_is_not_counted_as_computing(workstation, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    log = tmp_path / "job.log"
    with chosen_device(1):
        begun = time.monotonic()
        job = subprocess.Popen([sys.executable, "-c", JOB], cwd=tmp_path)
        while not (log.exists() and "waiting for one of the GPUs" in log.read_text()):
            time.sleep(0.1)
        time.sleep(2.0)
    assert job.wait() == 0
    took = time.monotonic() - begun
    found = json.loads((tmp_path / "job.json").read_text())
    assert found["waiting_seconds"] > 1.5
    assert found["seconds"] + found["waiting_seconds"] < took


def test_the_gpu_that_slurm_allots_is_taken_without_a_lock(workstation, monkeypatch, tmp_path):
    """Each job of Slurm may see its own GPU as the first."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with chosen_device(1) as one, chosen_device(1) as other:
        assert one == other == "GPU 0"
    assert list(tmp_path.iterdir()) == []


def test_without_the_resource_a_job_computes_on_the_cpu(workstation):
    with chosen_device(0) as device:
        assert device == "CPU"
        assert os.environ["JAX_PLATFORMS"] == "cpu"


@pytest.mark.parametrize(
    ("named", "found"), [("", []), ("2", ["2"]), ("GPU-3f,GPU-a1", ["GPU-3f", "GPU-a1"])]
)
def test_only_visible_gpus_are_taken(workstation, monkeypatch, named, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == found


def test_programs_for_a_gpu_are_compiled_on_all_cpus(workstation, monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    assert threads_on("GPU 0", 3) == 3  # JAX has no plug-in here
    monkeypatch.setattr(devices, "entry_points", lambda group: [group])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert (threads_on("GPU 0", 3), threads_on("CPU", 3)) == (16, 3)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    assert (threads_on("GPU 0", 3), threads_on("CPU", 3)) == (8, 3)


def test_a_job_that_asks_for_a_gpu_where_there_is_none_says_so(workstation, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(CampaignError, match="asks for a GPU .* and finds none"), chosen_device(1):
        pass


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("adjoint_gradient", "lower ensemble.replicas and raise ensemble.chunks"),
        ("run_validation", "lower validation.replicas and raise validation.chunks"),
        ("gradient_of_observable", "lower ensemble.replicas and raise ensemble.chunks"),
        ("measure_sensitivities", "lower validation.replicas and raise validation.chunks"),
        ("validate", "lower validation.replicas."),
        ("train_surface", "lower the batch_size of training, dipole_training or surfaces.<name>.training"),
    ],
)
def test_where_memory_does_not_suffice_the_key_to_lower_is_named(rule, key):
    with pytest.raises(Exception, match="RESOURCE_EXHAUSTED") as caught:
        jnp.zeros(2**55).block_until_ready()
    assert key in memory_sentence(caught.value, rule)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    assert memory_sentence(ValueError("a shape"), "adjoint_gradient") is None
