"""Campaigns that several files of tests read: liquid argon, and the toy with stand-ins for its scripts."""

from functools import partial
from pathlib import Path

import pytest
from campaigns import STAND_IN, Campaign, copy_workflow, run_once

# All but the validation of the initial potential, which repeats these rules, and the report.
OF_ARGON = (
    "refinement/001/history.csv",
    "validation/refined/properties.csv",
    "check_gradient/gradient_check.csv",
    "check_gradient/total_derivative.csv",
)


@pytest.fixture(scope="session")
def finished_argon(session_folder) -> Campaign:
    """The campaign of liquid argon, which has no data set but two states and two observables."""
    targets = [f"results/argon/{path}" for path in OF_ARGON]
    begin = partial(copy_workflow, name="argon")
    return run_once(session_folder / "finished_argon", begin, targets, name="argon")


def copy_with_stand_ins(folder: Path) -> Campaign:
    """The workflow in a folder of its own, each script replaced by one that only writes its outputs."""
    campaign = copy_workflow(folder)
    for script in (folder / "workflow/scripts").glob("*.py"):
        script.write_text(STAND_IN)
    return campaign


@pytest.fixture(scope="session")
def finished_stand_in(session_folder) -> Campaign:
    """A campaign run to its end with stand-ins for all scripts."""
    return run_once(session_folder / "finished_stand_in", copy_with_stand_ins, cores=1)


@pytest.fixture
def stand_in(finished_stand_in, tmp_path) -> Campaign:
    """The finished campaign with stand-ins, in a folder of its own for a test to change."""
    return finished_stand_in.copy_to(tmp_path / "campaign")
