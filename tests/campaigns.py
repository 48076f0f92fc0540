"""Campaigns in temporary folders, run as a user would run them."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "slurm")
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")
BOOKKEEPING = ("logs", "benchmarks")

STAND_IN = """
def imports():
{imports}

from pathlib import Path

for path in snakemake.output:
    Path(path).write_text(path)
"""


@dataclass(frozen=True)
class Campaign:
    """A copy of the workflow with the toy configuration.

    Attributes:
        folder: the copy; what Snakemake runs in.
    """

    folder: Path

    @property
    def results(self) -> Path:
        """The folder the campaign writes to."""
        return self.folder / "results/toy"

    def command(self, *arguments: str, configuration: str = "toy.yaml", cores: int = 1) -> list[str]:
        """Snakemake as typed in the folder of the campaign."""
        program = [sys.executable, "-m", "snakemake"]
        return [*program, *arguments, "--cores", str(cores), "--configfile", configuration]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a user's shell, who does not set the path of Python."""
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def snakemake(
        self,
        *arguments: str,
        configuration: str = "toy.yaml",
        cores: int = 1,
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

    def run(self, *arguments: str, configuration: str = "toy.yaml", cores: int = 1) -> dict[str, int]:
        """Run Snakemake, which must succeed; the number of jobs of each rule that ran."""
        finished = self.snakemake(*arguments, configuration=configuration, cores=cores)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return jobs_by_rule(finished)

    def planned(self, *arguments: str, configuration: str = "toy.yaml") -> dict[str, int]:
        """The number of jobs of each rule that would run."""
        return self.run(*arguments, "--dry-run", "--quiet", "rules", configuration=configuration)

    def configure(self, name: str, **changes: dict[str, Any]) -> str:
        """Write a variant of the toy configuration; sections are merged with those of the toy."""
        values = yaml.safe_load((self.folder / "toy.yaml").read_text())
        for section, entries in changes.items():
            merged = isinstance(entries, dict) and isinstance(values.get(section, {}), dict)
            values[section] = {**values.get(section, {}), **entries} if merged else entries
        (self.folder / name).write_text(yaml.safe_dump(values))
        return name

    def copy_to(self, folder: Path) -> "Campaign":
        """The same campaign, as far as it has come, in another folder."""
        shutil.copytree(self.folder, folder)
        return Campaign(folder)

    def begun_anew(self, folder: Path) -> "Campaign":
        """The same workflow in another folder, nothing run yet."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("results", ".snakemake"))
        return Campaign(folder)

    def contents(self) -> dict[str, bytes]:
        """The results by their paths in the folder, without logs and benchmarks."""
        files = (path for path in self.results.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in files
            if path.relative_to(self.results).parts[0] not in BOOKKEEPING
        }


def copy_workflow(folder: Path) -> Campaign:
    """The workflow with the toy configuration in a folder of its own, nothing run yet."""
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


def jobs_by_rule(finished: subprocess.CompletedProcess) -> dict[str, int]:
    """The table of jobs that Snakemake prints before it begins, the target left out."""
    rows = re.findall(r"^(\w+) +(\d+)$", finished.stdout + finished.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}
