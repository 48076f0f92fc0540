"""A campaign whose scripts are replaced by stand-ins, to try the graph of jobs quickly."""

from pathlib import Path

import pytest
from campaigns import Campaign, copy_workflow, replace_by_stand_in, run_once


def copy_with_stand_ins(folder: Path) -> Campaign:
    """The workflow in a folder of its own, each script replaced by one that only writes its outputs."""
    campaign = copy_workflow(folder)
    for script in (folder / "workflow/scripts").glob("*.py"):
        replace_by_stand_in(script)
    return campaign


@pytest.fixture(scope="session")
def finished_stand_in(session_folder) -> Campaign:
    """A campaign run to its end with stand-ins for all scripts."""
    return run_once(session_folder / "finished_stand_in", copy_with_stand_ins, cores=1)


@pytest.fixture
def stand_in(finished_stand_in, tmp_path) -> Campaign:
    """The finished campaign with stand-ins, in a folder of its own for a test to change."""
    return finished_stand_in.copy_to(tmp_path / "campaign")
