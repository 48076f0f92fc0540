"""Jobs: steps of a campaign with logs, devices, and one-line errors."""

import importlib
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dynrefine import __version__
from dynrefine.campaign.devices import CPU, chosen_device, memory_sentence, threads_on
from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.campaign.logs import drop_false_alarms, open_log
from dynrefine.campaign.performance import Performance, measured
from dynrefine.campaign.provenance import config_hash
from dynrefine.config.steps import settings_of_step
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import origin

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a step of a campaign gets in addition to its settings.

    Attributes:
        inputs: paths of the files to read, by their names in the rule; lists if the rule gives several.
        outputs: paths of the files to write.
        wildcards: iteration, state, chunk ... of the job.
        seed: of its random numbers; None if it draws none.
        precision: "float32" or "float64"; None if JAX is not used.
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
        """The seed of a step that draws random numbers."""
        if self.seed is None:
            raise ValueError("a step that draws random numbers was given no seed")
        return self.seed

    @property
    def chunk(self) -> tuple[str, int]:
        """The label of the state, and which of its chunks the job works on."""
        return self.wildcards["state"], int(self.wildcards["chunk"])


def run_step(name: str, snakemake: Any) -> None:
    """Run a step as a job of a campaign: `dynrefine.steps.<name>` with the settings in its rule.

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
            settings_of_step(name, params.settings, snakemake.resources.get("limits")),
        )


@contextmanager
def surroundings(snakemake: Any) -> Generator[None]:
    """Surround a job with its log, its device, and one-line errors.

    The log file gets everything, including the output of XLA, whose false alarms are removed at the end. The
    terminal gets warnings and errors, unless QUIET_VARIABLE is set. A CampaignError is written as one line and ends
    the job with exit code 1; any other exception is written with its traceback.

    Arguments:
        snakemake: the object Snakemake gives to scripts. If its parameters hold `precision` ("float32" or
            "float64"), JAX is set up; without it JAX is not imported here.
    """
    started, performance = time.monotonic(), Performance()
    log = Path(snakemake.log[0])
    open_log(log)
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
                        "JAX cannot use %s and computes on the CPU: install its CUDA variant", chosen
                    )
            held.enter_context(origin(**_origin_of(snakemake)))
            yield
    except CampaignError as error:
        logger.error("%s", error)
        sys.exit(1)
    except Exception as error:
        sentence = memory_sentence(error, snakemake.rule)
        if sentence is None:
            logger.exception("the job ended in an unexpected error")
        else:
            logger.error("%s", sentence)
        sys.exit(1)
    finally:
        logger.info(
            "ended after %.1f s, %.1f s of them compiling",
            time.monotonic() - started,
            performance.compilation_seconds,
        )
        drop_false_alarms(log)


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


def _origin_of(snakemake: Any) -> dict[str, Any]:
    """What the array files of a job record about their origin."""
    parameters = dict(snakemake.params.items())
    return {
        "rule": snakemake.rule,
        "wildcards": dict(snakemake.wildcards.items()),
        "seed": parameters.get("seed"),
        "code": parameters.pop("code", None),
        "config_hash": config_hash(parameters),
    }
