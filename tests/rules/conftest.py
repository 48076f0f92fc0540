"""Campaigns in temporary folders: one with stand-ins for the scripts, one with the scripts themselves."""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "slurm")
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")

STAND_IN = """
def imports():
{imports}

from pathlib import Path

for path in snakemake.output:
    Path(path).write_text(path)
"""


@dataclass(frozen=True)
class Campaign:
    """A copy of the workflow with the toy configuration."""

    folder: Path

    @property
    def results(self) -> Path:
        """The folder the campaign writes to."""
        return self.folder / "results/toy"

    def snakemake(self, *arguments: str, configuration: str = "toy.yaml") -> subprocess.CompletedProcess:
        """Run Snakemake as a user would, on one core."""
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--configfile", configuration],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
        )

    def planned(self, *arguments: str, configuration: str = "toy.yaml") -> dict[str, int]:
        """The number of jobs of each rule that would run."""
        finished = self.snakemake(*arguments, "--dry-run", "--quiet", "rules", configuration=configuration)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        rows = [line.split() for line in (finished.stdout + finished.stderr).splitlines()]
        counts = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
        return {rule: count for rule, count in counts.items() if rule not in ("all", "total")}

    def configure(self, name: str, **changes: dict) -> str:
        """Write a variant of the toy configuration; sections are merged with those of the toy."""
        values = yaml.safe_load((self.folder / "toy.yaml").read_text())
        for section, entries in changes.items():
            values[section] = {**values.get(section, {}), **entries}
        (self.folder / name).write_text(yaml.safe_dump(values))
        return name


def copy_workflow(folder: Path) -> Campaign:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=IGNORED)
        else:
            shutil.copy(source, folder / part)
    shutil.copy(ROOT / "tests/config/toy.yaml", folder / "toy.yaml")
    return Campaign(folder)


def replace_by_stand_in(script: Path) -> None:
    """Keep what a script imports, for its hash; let it write its outputs at once."""
    nodes = ast.walk(ast.parse(script.read_text(encoding="utf-8")))
    imports = [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    script.write_text(STAND_IN.format(imports="\n".join(f"    {line}" for line in imports)))


@pytest.fixture(scope="session")
def finished_stand_in(tmp_path_factory):
    """A campaign run to its end with stand-ins for all scripts."""
    campaign = copy_workflow(tmp_path_factory.mktemp("stand_in"))
    for script in (campaign.folder / "workflow/scripts").glob("*.py"):
        replace_by_stand_in(script)
    finished = campaign.snakemake()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return campaign


@pytest.fixture
def stand_in(finished_stand_in, tmp_path):
    """The finished campaign with stand-ins, in a folder of its own for a test to change."""
    folder = tmp_path / "campaign"
    shutil.copytree(finished_stand_in.folder, folder)
    return Campaign(folder)


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """The toy campaign with its true scripts, in a folder that the tests of a session share."""
    return copy_workflow(tmp_path_factory.mktemp("toy"))
