"""Jobs: steps of a campaign with their logs, how JAX is set up for them, and errors in one line."""

import hashlib
import importlib
import json
import logging
import os
import platform
import re
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dynrefine import __version__
from dynrefine.campaign.devices import CPU, chosen_device, memory_sentence, threads_on
from dynrefine.campaign.performance import Performance, measured, watch_compilation
from dynrefine.campaign.provenance import config_hash
from dynrefine.config.steps import STEPS
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import origin

CACHE_VARIABLE = "DYNREFINE_COMPILATION_CACHE"
# Set by Snakemake's logger of this project, which tells what the logs say.
QUIET_VARIABLE = "DYNREFINE_QUIET_JOBS"

# Releases of jaxlib that compute wrong numbers or crash on CPUs; pyproject.toml excludes them too.
FAULTY_RELEASES = {
    "0.10.2": "computes wrong numbers on CPUs without a sign (jax-ml/jax issues 39103 and 39352)",
    "0.11.0": "crashes or hangs in sums on CPUs (jax-ml/jax issue 39257)",
}

# XLA 0.10.1 says so of each program from the cache, on the CPU that compiled it too: these two are wishes of its
# compiler, not instructions of a CPU (openxla/xla issue 44565). A feature that is missing has a line of its own.
_FALSE_ALARM = re.compile(
    rb"^E\d+ .*cpu_aot_loader.*Target machine feature \+prefer-no-(gather|scatter) .*\n", re.M
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a step of a campaign is told beside its settings.

    Attributes:
        inputs: paths of the files to read, by their names in the rule; lists where the rule gives several.
        outputs: paths of the files to write.
        wildcards: iteration, state, chunk ... of the job.
        seed: of its random numbers; none where it draws none.
        precision: "float32" or "float64"; none where JAX is not used.
        code: hash of what the step computes.
        resources: of its rule.
    """

    inputs: SimpleNamespace
    outputs: SimpleNamespace
    wildcards: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    precision: str | None = None
    code: str = ""
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def drawing_seed(self) -> int:
        """The seed, of a step that draws random numbers."""
        if self.seed is None:
            raise ValueError("a step that draws random numbers was given no seed")
        return self.seed

    @property
    def chunk(self) -> tuple[str, int]:
        """The label of the state, and which of its chunks the job works on."""
        return self.wildcards["state"], int(self.wildcards["chunk"])


def run_step(name: str, snakemake: Any) -> None:
    """Run a step as a job of a campaign: `dynrefine.steps.<name>` with the settings in the parameters of its rule.

    Arguments:
        name: of the step.
        snakemake: the object Snakemake gives to scripts.
    """
    with surroundings(snakemake):
        step = getattr(importlib.import_module(f"dynrefine.steps.{name}"), name)
        params = snakemake.params
        step(
            Job(
                inputs=SimpleNamespace(**dict(snakemake.input.items())),
                outputs=SimpleNamespace(**dict(snakemake.output.items())),
                wildcards=dict(snakemake.wildcards.items()),
                seed=params.get("seed"),
                precision=params.get("precision"),
                code=params.code,
                resources=dict(snakemake.resources.items()),
            ),
            STEPS[name].model_validate(params.settings),
        )


@contextmanager
def surroundings(snakemake: Any) -> Generator[None]:
    """What surrounds a job: its log, its device, and errors in one line.

    The log file gets everything, what XLA says included, and loses a false alarm of it at the end; the terminal gets
    warnings and errors, unless QUIET_VARIABLE is set. A CampaignError is written as one line and ends the job with
    exit code 1; any other exception is written with its traceback.

    Arguments:
        snakemake: the object Snakemake gives to scripts. Where its parameters hold `precision` ("float32" or
            "float64"), JAX is set up; without it JAX is not imported here.
    """
    started, performance = time.monotonic(), Performance()
    log = Path(snakemake.log[0])
    _open_log(log)
    logger.info("started %s on %s with dynrefine %s", _now(), _host(), __version__)
    logger.info("job: %s", json.dumps(_description(snakemake), ensure_ascii=False, default=str))
    try:
        with measured(log.with_suffix(".json")) as performance, ExitStack() as held:
            precision = snakemake.params.get("precision")
            if precision is not None:
                asked = time.monotonic()
                chosen = held.enter_context(chosen_device(snakemake.resources.get("gpu", 0)))
                performance.waiting_seconds = time.monotonic() - asked
                found = configure_jax(precision, threads_on(chosen, snakemake.threads))
                logger.info("device: %s, %s", chosen, found)
                performance.device = f"{found.platform} ({found.kind})"
                if chosen != CPU and found.platform == "cpu":
                    logger.warning(
                        "JAX cannot use %s and computes on the CPU: install its variant for CUDA", chosen
                    )
            held.enter_context(origin(**_origin_of(snakemake)))
            yield
    except CampaignError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        sentence = memory_sentence(error, snakemake.rule)
        if sentence is None:
            logger.exception("the job ended in an error that is not foreseen")
        else:
            logger.error("%s", sentence)
        sys.exit(1)
    finally:
        logger.info(
            "ended after %.1f s, %.1f s of them compiling",
            time.monotonic() - started,
            performance.compilation_seconds,
        )
        _drop_false_alarms(log)


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
    # XLA takes the size of its thread pool from here when the first array is made; its flags do not limit it.
    os.environ["NPROC"] = str(threads)
    import jax

    from dynrefine.campaign.numerics import configure_numerics

    watch_compilation(jax)
    configure_numerics(precision)
    keep_programs(compilation_cache())
    device = jax.devices()[0]
    return JaxDevice(device.platform, device.device_kind, precision, threads, jax.__version__)


def keep_programs(folder: Path) -> None:
    """Let JAX keep what it compiles, however little, in a folder, and read it from there."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _require_sound_release(jaxlib: str) -> None:
    if jaxlib in FAULTY_RELEASES:
        raise CampaignError(
            f"jaxlib is {jaxlib}, which {FAULTY_RELEASES[jaxlib]}: expected a release that computes right; install "
            "the versions of envs/requirements.txt."
        )


def compilation_cache() -> Path:
    """The folder of compiled programs, one for each type of CPU: nodes may share a file system."""
    folder = Path(os.environ.get(CACHE_VARIABLE, "results/.jax_cache")).absolute()
    return folder / hashlib.sha256(_cpu_type().encode()).hexdigest()[:12]


def _cpu_type() -> str:
    """The instructions the CPU knows, or its name where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    kinds = ("flags", "Features", "model name")
    return "\n".join(sorted({line for line in lines if line.startswith(kinds)}))


def _now() -> str:
    return datetime.now().isoformat(" ", "seconds")


def _host() -> str:
    """The machine, or the node and the job of Slurm."""
    if "SLURM_JOB_ID" in os.environ:
        node = os.environ.get("SLURMD_NODENAME", platform.node())
        return f"{node} (Slurm job {os.environ['SLURM_JOB_ID']})"
    return platform.node()


def _description(snakemake: Any) -> dict[str, Any]:
    return {
        "rule": snakemake.rule,
        "wildcards": dict(snakemake.wildcards.items()),
        "threads": snakemake.threads,
        "parameters": dict(snakemake.params.items()),
    }


class _Formatter(logging.Formatter):
    """Progress with the seconds since the start; warnings and errors with their name in front."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return f"{record.relativeCreated / 1000:9.1f} s  {text}"
        return f"{record.levelname.lower()}: {text}"


def _open_log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    log = logging.FileHandler(path, mode="w", encoding="utf-8")
    handlers: list[logging.Handler] = [log]
    if not os.environ.get(QUIET_VARIABLE):
        terminal = logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8"))
        terminal.setLevel(logging.WARNING)
        handlers.append(terminal)
    # what libraries write past Python's logging belongs to the log file too
    if log.stream:
        os.dup2(log.stream.fileno(), 2)
    for handler in handlers:
        handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    for chatty in ("jax", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _drop_false_alarms(path: Path) -> None:
    """Write the log anew without them, through standard error, so that what follows stands at its end."""
    found = path.read_bytes()
    kept = _FALSE_ALARM.sub(b"", found)
    if len(kept) < len(found):
        with open(2, "wb", closefd=False, buffering=0) as stream:
            stream.seek(0)
            stream.truncate()
            stream.write(kept)


def _origin_of(snakemake: Any) -> dict[str, Any]:
    """What the array files of a job say of where they come from."""
    parameters = dict(snakemake.params.items())
    return {
        "rule": snakemake.rule,
        "wildcards": dict(snakemake.wildcards.items()),
        "seed": parameters.get("seed"),
        "code": parameters.pop("code", None),
        "config_hash": config_hash(parameters),
    }
