import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import dynrefine

ROOT = Path(__file__).parents[2]
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_hooks_have_the_versions_of_the_environment():
    pins = dict(
        re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "envs/requirements.txt").read_text(), re.MULTILINE)
    )
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    versions = {Path(hook["repo"]).name.removesuffix("-pre-commit"): hook["rev"] for hook in hooks}
    assert versions == {name: f"v{pins[name]}" for name in ("ruff", "snakefmt")}


def test_a_measured_number_has_the_same_uncertainty_in_all_campaigns():
    """The self-diffusion of water, by Mills."""
    names = [f"config/{name}.yaml" for name in ("config", "water")]
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in names]
    errors = [re.search(r"target: 2\.299\b.*\n +target_error: (\S+)", text) for text in texts]
    assert [error and error[1] for error in errors] == ["0.005"] * len(names)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == dynrefine.__version__


def test_texts_name_targets_that_make_has():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set().union(
        *(re.findall(r"(?:`|^ {4})make (\w+)", path.read_text("utf-8"), re.MULTILINE) for path in TEXTS)
    )
    assert {"campaign", "test", "lint", "docs"} <= named <= targets


def test_texts_install_what_the_checks_install_and_extras_that_exist():
    """Of the package nequix that is one file, which the checks of every change install, too."""
    checks, page = (
        re.findall(r"pip install .*-r (\S+)", (ROOT / path).read_text(encoding="utf-8"))
        for path in (".ci/run", "docs/equivariant_networks.md")
    )
    assert checks == page and (ROOT / page[0]).exists()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [re.findall(r"pip install '?(\S*)\[(\w+)\]", path.read_text("utf-8")) for path in TEXTS]
    assert {(".", "nequix")} <= set().union(*named) <= {(".", extra) for extra in extras}


def test_the_picture_of_the_rules_shows_rules_that_exist():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    existing = {"all", *re.findall(r"^rule (\w+):", rules, re.MULTILINE)}
    existing |= set(re.findall(r"^use rule \w+ as (\w+) with:", rules, re.MULTILINE))
    drawn = set(re.findall(r"<title>(\w+)</title>", (ROOT / "docs/images/rulegraph.svg").read_text()))
    assert {"update_potential"} <= drawn - {"rules"} <= existing


NOT_COMPILED = """
import importlib, os, sys
importlib.import_module(sys.argv[1])
modules = {name: getattr(module, "__cached__", None) for name, module in sys.modules.items()}
print(*(name for name, cached in modules.items() if cached and not os.path.exists(cached)))
"""


@pytest.mark.slow
def test_the_environment_keeps_compiled_what_campaigns_import(tmp_path):
    """What starts the jobs, and the jobs themselves."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, ROOT / "envs/write_bytecode.py"], check=True, env=environment)
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    for module in ("snakemake.cli", "dynrefine.steps.adjoint_gradient", "dynrefine.steps.write_report"):
        command = [sys.executable, "-c", NOT_COMPILED, module]
        found = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
        assert found.stdout.split() == []
