import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from ase import Atoms
from ase.io import write

from dynrefine.config import check_files, load_config
from dynrefine.config.keys import all_keys, sections_in
from dynrefine.config.load import read_together

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("sphinx", "myst_parser", "pydata_sphinx_theme")
MISSING = [package for package in PACKAGES if find_spec(package) is None]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The documentation, built into a folder of its own; a warning is an error."""
    if MISSING:
        pytest.skip(f"{', '.join(MISSING)} not installed: pip install dynrefine[docs]")
    folder = tmp_path_factory.mktemp("docs")
    options = ["-b", "html", "-q", "--fail-on-warning", "--keep-going", "-d", folder / "trees"]
    command = [sys.executable, "-m", "sphinx", *options, DOCS, folder / "html"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return folder / "html"


def test_every_key_of_the_configuration_is_documented(pages):
    page = (pages / "configuration.html").read_text(encoding="utf-8")
    documented = set(re.findall(r'<span class="sig-name descname"><span class="pre">([^<]+)<', page))
    keys = all_keys()

    def written(path):
        """A key as it stands on the page, without the kinds of which one is chosen."""
        found = ""
        for end, part in enumerate(path, 1):
            key = keys[path[:end]]
            if part == "*" and "items" in key.field:
                found += "[]"
            elif not key.is_kind:
                found += f".{part}"
        return found.removeprefix(".")

    # Sections at the top are headings.
    kept = [
        path
        for path, key in keys.items()
        if not key.is_kind and path[-1] != "*" and (len(path) > 1 or not sections_in(key.field))
    ]
    assert documented == {written(path) for path in kept}


def test_the_campaign_of_another_liquid_is_sound(tmp_path, monkeypatch):
    text = (DOCS / "another_liquid.md").read_text(encoding="utf-8")
    config = load_config(yaml.safe_load(text.partition("```yaml")[2].partition("```")[0]))
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    monkeypatch.chdir(tmp_path)
    write(config.labelling.geometries, Atoms("CHHHOH", cell=[10.3] * 3, pbc=True))
    check_files(config)
    charges = {element.symbol: element.charge for element in config.elements}
    assert charges["C"] + charges["O"] + 4 * charges["H"] == 0


def test_the_ablation_is_a_sound_campaign(tmp_path):
    text = (DOCS / "getting_started.md").read_text(encoding="utf-8")
    lines = text.partition("config/water.yaml ablation.yaml\n\n")[2].partition("\n\n")[0]
    (tmp_path / "ablation.yaml").write_text(lines, encoding="utf-8")
    config = load_config(read_together([ROOT / "config/water.yaml", tmp_path / "ablation.yaml"]))
    assert list(config.objective.observables.chosen()) == ["pressure"] and not config.optimiser.surfaces


def test_files_of_the_equations_exist():
    text = (DOCS / "method.md").read_text(encoding="utf-8").partition("## Equations and files")[2]
    files = re.findall(r"`([\w/]+\.py)`", text)
    assert len(files) > 20
    assert not [file for file in files if not (ROOT / "workflow/dynrefine" / file).is_file()]


def test_what_the_pages_import_exists():
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    imports = re.findall(r">>> from (\S+) import (\w+)", text)
    assert imports
    assert all(hasattr(import_module(module), name) for module, name in imports)
