"""All tests compute in double precision; those of single precision cast. The toy campaign runs once for all."""

import os
from pathlib import Path

import jax
import pytest
from campaigns import Campaign, copy_workflow, run_once

jax.config.update("jax_enable_x64", True)


@pytest.fixture(scope="module", autouse=True)
def compiled_programs():
    """Programs of one file of tests are let go after it; those of all would take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def fast_compilation():
    """Programs compiled faster that run slower, for files whose tests compile for longer than they compute."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    """A temporary folder for all processes that share the tests out among them."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def finished_toy(session_folder) -> Campaign:
    """The toy campaign run to its end; tests read it and change copies."""
    return run_once(session_folder / "finished_toy", copy_workflow)


@pytest.fixture
def toy(finished_toy, tmp_path) -> Campaign:
    """A copy of the finished toy campaign for a test to change."""
    return finished_toy.copy_to(tmp_path / "campaign")
