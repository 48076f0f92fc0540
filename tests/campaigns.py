"""Campaigns in temporary folders, run as a user would run them."""

import fcntl
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from compilation import ENVIRONMENT

from dynrefine.campaign.jax_setup import CACHE_VARIABLE
from dynrefine.config import load_config
from dynrefine.files.history import TIME_PER_STEP

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "slurm")
IGNORED = shutil.ignore_patterns("*.egg-info")
BOOKKEEPING = ("logs", "benchmarks")
# The programs of small campaigns are compiled faster and run slower, which suits them; they are kept for the next
# session.
COMPILED = ROOT / ".pytest_cache/d/compiled"
COMPILATION = {CACHE_VARIABLE: str(COMPILED), **ENVIRONMENT}
# Without bytecode, which copies of a campaign take along, each job imports for seconds.
NOT_OF_A_USER = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")

TOY = load_config(ROOT / "tests/config/toy.yaml")

# Jobs of the toy by rule: those of an iteration, and those that follow the last one.
ITERATION = {
    "sample_ensemble": 2,
    "run_trajectories": 2,
    "evaluate_objective": 1,
    "adjoint_gradient": 2,
    "anchor_gradient": 1,
    "update_potential": 1,
}
AFTERWARDS = {"sample_validation": 1, "run_validation": 1, "validate": 1, "write_report": 1}

STAND_IN = """
from pathlib import Path

for path in snakemake.output:
    Path(path).write_text(path)
"""


@dataclass(frozen=True)
class Campaign:
    """A copy of the workflow with a configuration of tests/config.

    Attributes:
        folder: the copy; what Snakemake runs in.
        name: of the campaign and its configuration.
    """

    folder: Path
    name: str = "toy"

    @property
    def configuration(self) -> str:
        """The file of the configuration, in the folder."""
        return f"{self.name}.yaml"

    @property
    def results(self) -> Path:
        """The folder the campaign writes to."""
        return self.folder / "results" / self.name

    def command(self, *arguments: str, configuration: str | None = None, cores: int | None = 1) -> list[str]:
        """Snakemake as typed in the folder of the campaign; without `cores` a profile says where jobs run."""
        program = [sys.executable, "-m", "snakemake"]
        machine = [] if cores is None else ["--cores", str(cores)]
        return [*program, *arguments, *machine, "--configfile", configuration or self.configuration]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a user's shell, who does not set the path of Python; and how programs are compiled."""
        shell = {name: value for name, value in os.environ.items() if name not in NOT_OF_A_USER}
        return shell | COMPILATION

    def snakemake(
        self,
        *arguments: str,
        configuration: str | None = None,
        cores: int | None = 1,
        before: Callable[[], None] | None = None,
    ) -> subprocess.CompletedProcess:
        """Run Snakemake to its end; `before` is called in its process first."""
        return subprocess.run(
            self.command(*arguments, configuration=configuration, cores=cores),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            preexec_fn=before,
        )

    def run(self, *arguments: str, configuration: str | None = None, cores: int = 1) -> dict[str, int]:
        """Run Snakemake, which must succeed; the number of jobs of each rule that ran."""
        finished = self.snakemake(*arguments, configuration=configuration, cores=cores)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return jobs_by_rule(finished)

    def planned(self, *arguments: str, configuration: str | None = None) -> dict[str, int]:
        """The number of jobs of each rule that would run."""
        return self.run(*arguments, "--dry-run", "--quiet", "rules", configuration=configuration)

    def configure(self, name: str, **changes: dict[str, Any]) -> str:
        """Write a variant of the configuration; sections are merged with its own."""
        values = yaml.safe_load((self.folder / self.configuration).read_text())
        for section, entries in changes.items():
            merged = isinstance(entries, dict) and isinstance(values.get(section, {}), dict)
            values[section] = {**values.get(section, {}), **entries} if merged else entries
        (self.folder / name).write_text(yaml.safe_dump(values))
        return name

    def copy_to(self, folder: Path) -> "Campaign":
        """The same campaign, as far as it has come, in another folder."""
        shutil.copytree(self.folder, folder)
        return Campaign(folder, self.name)

    def contents(self) -> dict[str, bytes]:
        """The results by their paths in the folder, without logs and benchmarks."""
        files = (path for path in self.results.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in files
            if path.relative_to(self.results).parts[0] not in BOOKKEEPING
        }


def different_results(one: Campaign, other: Campaign) -> set[str]:
    """The files that only one of two campaigns has or that differ, apart from what clocks tell and leftovers."""
    ones, others = (
        {
            path: _told_by_no_clock(path, content)
            for path, content in campaign.contents().items()
            if ".partial" not in path
        }
        for campaign in (one, other)
    )
    return {path for path in set(ones) | set(others) if ones.get(path) != others.get(path)}


def _told_by_no_clock(path: str, content: bytes) -> Any:
    if path.endswith("report.html"):
        return b""
    if path.endswith("history.csv"):
        rows = pd.read_csv(io.BytesIO(content), dtype=str)
        return rows[rows.quantity != TIME_PER_STEP].to_csv()
    if path.endswith(".npz") and "/gradient_" in path:
        arrays = np.load(io.BytesIO(content))
        return {name: arrays[name].tobytes() for name in arrays.files if name != "__metadata__"}
    return content


def limit_size_of_files(size: int) -> None:
    """As on a full disk, writing beyond fails (bytes); without the signal that would end the process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def copy_workflow(folder: Path, name: str = "toy") -> Campaign:
    """The workflow with a configuration of tests/config in a folder of its own, nothing run yet."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=IGNORED)
        else:
            shutil.copy(source, folder / part)
    shutil.copy(ROOT / "tests/config" / f"{name}.yaml", folder)
    return Campaign(folder, name)


def run_once(
    folder: Path,
    begin: Callable[[Path], Campaign],
    targets: Iterable[str] = (),
    name: str = "toy",
    cores: int = 2,
) -> Campaign:
    """The campaign that `begin` makes in a folder, run to its targets, or its end, by the first that wants it."""
    finished = folder / "finished"
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            begin(folder).run(*targets, cores=cores)
            finished.touch()
    return Campaign(folder, name)


def jobs_by_rule(finished: subprocess.CompletedProcess) -> dict[str, int]:
    """The table of jobs that Snakemake prints before it begins, the target left out."""
    rows = re.findall(r"^(\w+) +(\d+)$", finished.stdout + finished.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}
