"""All tests compute in double precision; those of single precision cast. The toy campaign runs once for all."""

import os

import jax
import pytest
from campaigns import Campaign, copy_workflow

from dynrefine.job import CACHE_VARIABLE

jax.config.update("jax_enable_x64", True)

SHARED = {"finished_toy", "finished_stand_in"}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Side by side (pytest -n 2), tests that share a campaign or a file stay in one process."""
    for item in items:
        shared = sorted(SHARED.intersection(getattr(item, "fixturenames", ())))
        item.add_marker(pytest.mark.xdist_group(shared[0] if shared else item.path.stem))


@pytest.fixture(scope="session")
def finished_toy(pytestconfig, tmp_path_factory) -> Campaign:
    """The toy campaign run to its end; tests read it and change copies.

    Its programs are compiled faster and run slower, which suits a toy; they are kept for the next session.
    """
    os.environ.setdefault(CACHE_VARIABLE, str(pytestconfig.cache.mkdir("compiled")))
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    campaign = copy_workflow(tmp_path_factory.mktemp("finished"))
    campaign.run(cores=2)
    return campaign


@pytest.fixture
def toy(finished_toy, tmp_path) -> Campaign:
    """A copy of the finished toy campaign for a test to change."""
    return finished_toy.copy_to(tmp_path / "campaign")
