"""What surrounds a job: its log, its exit code, and who hears what."""

import os
import re
import subprocess
import sys
from pathlib import Path

from dynrefine.campaign.logs import QUIET_VARIABLE
from dynrefine.config import load_config
from dynrefine.config.steps import limits_of, parameters_of, settings_of_step

ROOT = Path(__file__).parents[2]

SCRIPT = """
import logging, os
from types import SimpleNamespace

from dynrefine.errors import CampaignError
from dynrefine.campaign.job import surroundings

snakemake = SimpleNamespace(
    log=["logs/job.log"], rule="test", wildcards={{}}, params={{"seed": 3}}, threads=1, resources={{}}
)
with surroundings(snakemake):
    logging.getLogger("dynrefine").info("half done")
    logging.getLogger("dynrefine").warning("careful")
    for feature in ("prefer-no-gather", "avx512fp16", "prefer-no-scatter"):
        missing = f"Target machine feature +{{feature}} is not  supported on the host machine."
        os.write(2, f"E1126 14:31:45.596564 13751 cpu_aot_loader.cc:195] {{missing}}\\n".encode())
    os.write(2, b"a message of XLA\\n")
    raise {error}
"""


def run(folder, error, **variables):
    command = [sys.executable, "-c", SCRIPT.format(error=error)]
    environment = os.environ | variables
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return ended, (folder / "logs/job.log").read_text(encoding="utf-8")


def test_the_log_hears_everything_and_the_terminal_what_matters(tmp_path):
    ended, log = run(tmp_path, 'CampaignError("frames.xyz is empty: expected frames.")')
    assert ended.returncode == 1
    assert ended.stderr == "warning: careful\nerror: frames.xyz is empty: expected frames.\n"
    for text in ("half done", "warning: careful", "a message of XLA", "error: frames.xyz is empty"):
        assert text in log
    assert "Traceback" not in log


def test_the_log_has_no_false_alarms_of_programs_from_the_cache(tmp_path):
    _, log = run(tmp_path, 'CampaignError("no frames.")')
    assert re.findall(r"Target machine feature (\S+)", log) == ["+avx512fp16"]
    assert [line for line in log.splitlines() if "\0" in line] == []
    assert log.splitlines()[-1].split("  ")[-1].startswith("ended after")


def test_an_error_that_is_not_foreseen_comes_with_its_traceback(tmp_path):
    ended, log = run(tmp_path, 'KeyError("symbol")')
    assert ended.returncode == 1
    for text in (ended.stderr, log):
        assert "Traceback" in text and "KeyError: 'symbol'" in text


def test_the_terminal_hears_nothing_where_a_logger_tells_what_the_log_says(tmp_path):
    ended, log = run(tmp_path, 'CampaignError("no frames.")', **{QUIET_VARIABLE: "1"})
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "warning: careful" in log and "error: no frames." in log


def test_limits_come_to_a_step_beside_its_parameters():
    config = load_config(ROOT / "tests/config/argon.yaml")
    following = config.gradient.model_copy(update={"reversal_tolerance": 0.5})
    config = config.model_copy(update={"gradient": following})
    others = {"state": next(iter(config.states)), "surfaces": {}, "observable": None}
    parameters = parameters_of("adjoint_gradient", config, **others)
    assert (
        "reversal_tolerance" not in parameters["gradient"] and "energy_drift" not in parameters["trajectory"]
    )
    settings = settings_of_step("adjoint_gradient", parameters, limits_of(config))
    assert settings.gradient.reversal_tolerance == 0.5
    assert settings.trajectory == config.trajectory and settings.trajectory.energy_drift == 10.0
