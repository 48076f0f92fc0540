"""A campaign whose scripts are replaced by stand-ins, to try the graph of jobs quickly."""

import pytest
from campaigns import Campaign, copy_workflow, replace_by_stand_in


@pytest.fixture(scope="session")
def finished_stand_in(tmp_path_factory) -> Campaign:
    """A campaign run to its end with stand-ins for all scripts."""
    campaign = copy_workflow(tmp_path_factory.mktemp("stand_in"))
    for script in (campaign.folder / "workflow/scripts").glob("*.py"):
        replace_by_stand_in(script)
    campaign.run()
    return campaign


@pytest.fixture
def stand_in(finished_stand_in, tmp_path) -> Campaign:
    """The finished campaign with stand-ins, in a folder of its own for a test to change."""
    return finished_stand_in.copy_to(tmp_path / "campaign")
