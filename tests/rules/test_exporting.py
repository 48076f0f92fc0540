"""Potentials leave a campaign as the page `docs/exporting.md` says."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from pages import BIN, blocks_of, shell_of

from dynrefine.files.models import read_surfaces

PAGE = "docs/exporting.md"


def for_campaign(text, campaign):
    """A block of the page with the names of the campaign, and a socket of its own."""
    text = text.replace("results/water16", f"results/{campaign.name}")
    # Of the campaign of these tests the potential is refined alone.
    text = text.replace(
        "updated_potential.npz ", "updated_potential.npz --surface workflow/data/water64/dipole.npz "
    )
    text = re.sub("^(snakemake .*)$", rf"\1 --configfile {campaign.configuration}", text, flags=re.MULTILINE)
    return re.sub(r"(<address>|--unix )water", rf"\1page_{os.getpid()}", text)


def test_an_export_is_one_job(toy):
    assert toy.planned("export") == {"export_potential": 1, "export": 1}
    assert toy.planned(f"results/{toy.name}/export/000.npz") == {"export_iteration": 1}


@pytest.mark.slow
def test_what_the_page_says_runs(toy, monkeypatch):
    """Its commands in a shell, its Python in one session, in the folder of a finished campaign."""
    if not (BIN / "i-pi").is_file():
        pytest.skip("i-PI is not installed: pip install ipi")
    monkeypatch.chdir(toy.folder)
    session = {}
    for language, text in blocks_of(PAGE):
        own = for_campaign(text, toy)
        if language == "bash":
            subprocess.run(["bash", "-euo", "pipefail", "-c", own], env=shell_of(toy), check=True)
        elif language == "python":
            exec(compile(own, PAGE, "exec"), session)
        else:
            Path("input.xml").write_text(own)
    assert len(Path("run.out").read_text().splitlines()) > 6
    for file in (toy.results / "export/refined.npz", Path("potential.npz")):
        assert "potential" in read_surfaces(file)
    assert session["atoms"].calc.lists_built >= 1
