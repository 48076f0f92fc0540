"""The device a job computes on: the GPU allotted by Slurm, a free GPU of a workstation, or the CPU."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

from dynrefine.errors import CampaignError

CPU = "CPU"
PAUSE = 0.5  # s between two attempts to find a free GPU

logger = logging.getLogger(__name__)


def visible_gpus() -> list[str]:
    """The GPUs this process may use: those in CUDA_VISIBLE_DEVICES or, if it is not set, all of the machine."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    numbers = (path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))
    return sorted(numbers, key=int)


@contextmanager
def chosen_device(gpus: int) -> Generator[str]:
    """Choose the device before JAX does, and reserve it from other jobs of this user within the block.

    A job takes a free GPU among those that are visible and hides the others from JAX, so that two jobs never share
    the memory of one. If all are taken, it waits. A single GPU allotted by Slurm needs no lock.

    Arguments:
        gpus: the `gpu` resource of the job; with 0 it computes on the CPU, even if the machine has GPUs.

    Returns:
        the device, in words.

    Raises:
        CampaignError: the job asks for a GPU and there is none.
    """
    if gpus == 0:
        os.environ["JAX_PLATFORMS"] = "cpu"
        yield CPU
        return
    visible = visible_gpus()
    if not visible:
        raise CampaignError(
            "the job asks for a GPU (resource gpu) and finds none: use a profile without GPUs, or check "
            "CUDA_VISIBLE_DEVICES and the driver (nvidia-smi)."
        )
    if len(visible) == 1 and "SLURM_JOB_ID" in os.environ:
        yield f"GPU {visible[0]}"
        return
    with _free_one(visible) as name:
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        yield f"GPU {name}"


@contextmanager
def _free_one(names: list[str]) -> Generator[str]:
    """The first GPU that no other job holds; its lock is released when the process ends, however it ends."""
    # Each job of Slurm counts its GPUs from 0.
    owner = f"{os.getuid()}-{os.environ.get('SLURM_JOB_ID', 'machine')}"
    folder = Path(tempfile.gettempdir(), f"dynrefine-gpus-{owner}")
    folder.mkdir(exist_ok=True)
    waiting = False
    while True:
        for name in names:
            with open(folder / name, "w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield name
                return
        if not waiting:
            logger.info("waiting for one of the GPUs %s to be free", ", ".join(names))
            waiting = True
        time.sleep(PAUSE)


def threads_on(device: str, threads: int) -> int:
    """CPU threads of a job: its own, or on a GPU all of them, since one alone takes minutes to compile a program.

    Arguments:
        device: as `chosen_device` names it.
        threads: of the rule. They also apply with a GPU if JAX has no plug-in for it and computes on the CPU.
    """
    if device == CPU or not entry_points(group="jax_plugins"):
        return threads
    return int(os.environ.get("SLURM_CPUS_PER_TASK") or len(os.sched_getaffinity(0)))


def memory_sentence(error: BaseException, rule: str) -> str | None:
    """What to do if memory ran out; None for any other error.

    Arguments:
        error: what ended the job.
        rule: the rule of the job.
    """
    if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
        return None
    return f"the device has too little memory for {rule}: {_remedy(rule)}."


def _remedy(rule: str) -> str:
    if rule == "train_surface":
        return (
            "lower the batch_size of training, dipole_training or surfaces.<name>.training, or use a device with "
            "more memory"
        )
    if rule == "validate":  # which holds all chunks of a state
        return "lower validation.replicas"
    if rule in ("sample_validation", "run_validation", "measure_sensitivities"):
        return "lower validation.replicas and raise validation.chunks as much"
    if rule in ("sample_ensemble", "run_trajectories", "adjoint_gradient", "gradient_of_observable"):
        return "lower ensemble.replicas and raise ensemble.chunks as much"
    if rule == "gradient_horizon":
        return "lower gradient.horizon.replicas"
    if rule == "check_gradient":
        return "lower gradient.check.replicas"
    return "use a device with more memory"
