"""The cost of a job beyond Snakemake's benchmark: compilation, waiting for Slurm, steps of dynamics."""

import json
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dynrefine.files.arrays import atomic_path

_COMPILATION = "/jax/core/compile/backend_compile_duration"  # or reading the compiled program from the cache
_MISS = "/jax/compilation_cache/cache_misses"


@dataclass
class Performance:
    """The cost of a job.

    Attributes:
        device: its platform and kind; absent if JAX is not used.
        seconds: wall time of the script, without `waiting_seconds`.
        compilation_seconds: time within these for compiling programs or reading them from the cache.
        compiled: programs that were not in the cache.
        steps: of dynamics, summed over replicas.
        queue_seconds: between submission to Slurm and start; absent without Slurm.
        waiting_seconds: until a GPU was free.
    """

    device: str | None = None
    seconds: float = 0.0
    compilation_seconds: float = 0.0
    compiled: int = 0
    steps: int = 0
    queue_seconds: float | None = None
    waiting_seconds: float = 0.0


_current: ContextVar[Performance | None] = ContextVar("performance", default=None)


@contextmanager
def measured(path: Path) -> Generator[Performance]:
    """Measure the block and write its cost to `path` (JSON) if it ends without an error."""
    begun, performance = time.monotonic(), Performance()
    token = _current.set(performance)
    try:
        yield performance
    finally:
        _current.reset(token)
    performance.seconds = time.monotonic() - begun - performance.waiting_seconds
    performance.queue_seconds = _queue_seconds()
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(asdict(performance)), encoding="utf-8")


def count_steps(steps: int) -> None:
    """Add steps of dynamics, summed over replicas, to the cost of the job."""
    performance = _current.get()
    if performance is not None:
        performance.steps += steps


def watch_compilation(jax: Any) -> None:
    """Count what JAX compiles from now on."""
    performance = _current.get()
    if performance is None:
        return

    def on_duration(event: str, seconds: float, **_: Any) -> None:
        if event == _COMPILATION:
            performance.compilation_seconds += seconds

    def on_event(event: str, **_: Any) -> None:
        performance.compiled += event == _MISS

    jax.monitoring.register_event_duration_secs_listener(on_duration)
    jax.monitoring.register_event_listener(on_event)


def _queue_seconds() -> float | None:
    """Seconds this job of Slurm waited; None if Slurm does not say, which is no reason to fail."""
    number = os.environ.get("SLURM_JOB_ID")
    if number is None:
        return None
    query = ["squeue", "--noheader", f"--jobs={number}", "--format=%V %S"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout.split()
        submitted, started = (datetime.fromisoformat(instant) for instant in told)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return (started - submitted).total_seconds()
