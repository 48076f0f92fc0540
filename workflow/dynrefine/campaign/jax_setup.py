"""Set-up of JAX for a process: release, device, threads, precision and compiled programs."""

import hashlib
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dynrefine.campaign.performance import watch_compilation
from dynrefine.errors import CampaignError

CACHE_VARIABLE = "DYNREFINE_COMPILATION_CACHE"

# Releases of jaxlib that compute wrong numbers or crash on CPUs; pyproject.toml excludes them too.
FAULTY_RELEASES = {
    "0.10.2": "silently computes wrong numbers on CPUs (jax-ml/jax issues 39103 and 39352)",
    "0.11.0": "crashes or hangs in sums on CPUs (jax-ml/jax issue 39257)",
}


@dataclass(frozen=True)
class JaxDevice:
    """What JAX computes on, and how.

    Attributes:
        platform: "cpu", "gpu" ...
        kind: the model, as JAX names it.
        precision: "float32" or "float64".
        threads: of the CPU.
        version: of JAX.
    """

    platform: str
    kind: str
    precision: str
    threads: int
    version: str

    def __str__(self) -> str:
        """For the log of a job."""
        device = f"{self.platform} ({self.kind}), {self.precision}"
        return f"{device}, {self.threads} CPU threads, jax {self.version}"


def configure_jax(precision: str, threads: int) -> JaxDevice:
    """Set JAX up for this process; call it before the first computation.

    Arguments:
        precision: "float32" or "float64".
        threads: CPU threads that compile and compute.

    Raises:
        CampaignError: the installed release of jaxlib is known to be faulty.
    """
    _require_sound_release(version("jaxlib"))
    # XLA takes the size of its thread pool from here when the first array is made; its flags cannot limit it.
    os.environ["NPROC"] = str(threads)
    import jax

    from dynrefine.campaign.numerics import configure_numerics

    watch_compilation(jax)
    configure_numerics(precision)
    keep_programs(compilation_cache())
    device = jax.devices()[0]
    return JaxDevice(device.platform, device.device_kind, precision, threads, jax.__version__)


def keep_programs(folder: Path) -> None:
    """Let JAX keep all compiled programs, however small, in a folder and read them from there."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _require_sound_release(jaxlib: str) -> None:
    if jaxlib in FAULTY_RELEASES:
        raise CampaignError(
            f"jaxlib is {jaxlib}, which {FAULTY_RELEASES[jaxlib]}, expected a sound release: install the versions of "
            "envs/requirements.txt."
        )


def compilation_cache() -> Path:
    """The folder of compiled programs, one for each type of CPU, since different nodes may share a file system."""
    folder = Path(os.environ.get(CACHE_VARIABLE, "results/.jax_cache")).absolute()
    return folder / hashlib.sha256(_cpu_type().encode()).hexdigest()[:12]


def _cpu_type() -> str:
    """The instruction sets of the CPU, or its name if the system does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    kinds = ("flags", "Features", "model name")
    return "\n".join(sorted({line for line in lines if line.startswith(kinds)}))
