"""All tests compute in double precision; those of single precision cast. The toy campaign runs once for all."""

import os

import jax
import pytest
from campaigns import Campaign, copy_workflow

from dynrefine.job import CACHE_VARIABLE

jax.config.update("jax_enable_x64", True)


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
