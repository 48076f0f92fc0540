"""All tests compute in double precision; those of single precision cast. The toy campaign runs once for all."""

import os
import time
from functools import cache
from pathlib import Path

import jax
import pytest
from campaigns import COMPILED, Campaign, copy_workflow, run_once
from compilation import compiled_fast
from jaxtyping import install_import_hook
from promotion import allow_promotion
from shapes import WITH_SHAPES

from dynrefine.campaign.jax_setup import keep_programs
from dynrefine.campaign.numerics import configure_numerics

configure_numerics("float64")
# None of these modules has been imported until here.
install_import_hook(WITH_SHAPES, "shapes.checked")
# Arrays change rank or type where the code says so, and nowhere else.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
allow_promotion()
# Programs compiled once serve all files and processes of tests, and the next session.
keep_programs(COMPILED)

# At each start Snakemake's plug-in asks Slurm for its configuration, and waits ten seconds where Slurm is installed
# but does not run. This is a configuration that cannot be read; the tests of Slurm take it away.
os.environ["SLURM_CONF"] = os.devnull

SLURM = Path(__file__).parent / "slurm"
# Files of minutes, begun early so that none is left alone at the end.
FIRST = (
    "test_slurm.py",
    "test_refinement.py",  # it waits for the toy campaign
    "test_argon.py",
    "test_extension.py",
    "test_resuming.py",
    "test_workflow.py",
    "test_classical_water.py",
)
# Liquids simulated for minutes, the longest first. They change the least: where time is short, it is for the others.
LAST = (
    "test_viscosity.py",
    "test_isobaric.py",
    "test_total_derivative.py",
    "test_lennard_jones_diffusion.py",
    "test_exact_reversal.py",
    "test_lennard_jones.py",
    "test_pressure.py",
)
LATE = "too late to begin with slow tests"


def pytest_collection_modifyitems(items):
    """Files with slow tests come after all others, but those of Slurm, which mostly wait, before."""
    slow = {item.path for item in items if item.get_closest_marker("slow") and SLURM not in item.path.parents}
    order = {name: place for place, name in enumerate((*FIRST, "any other", *LAST))}
    items.sort(key=lambda item: (item.path in slow, order.get(item.path.name, order["any other"])))


@cache
def is_too_late_for(path: Path) -> bool:
    """Whether the time was over, in seconds since 1970, when the first slow test of a file was to begin."""
    return time.time() > float(os.environ.get("DYNREFINE_SLOW_UNTIL", "inf"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skip the slow tests of files that are reached too late, before anything is made ready for them."""
    if item.get_closest_marker("slow") and is_too_late_for(item.path):
        pytest.skip(LATE)


def pytest_terminal_summary(terminalreporter):
    """Name the files whose slow tests were left out."""
    skipped = terminalreporter.getreports("skipped")
    files = {report.nodeid.partition("::")[0] for report in skipped if LATE in str(report.longrepr)}
    if files:
        terminalreporter.section("slow tests left out, the time being over")
        for file in sorted(files):
            terminalreporter.line(file)


@pytest.fixture(scope="module", autouse=True)
def compiled_programs():
    """Programs of one file of tests are let go after it; those of all would take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def fast_compilation():
    """Programs compiled faster that run slower, for files whose tests compile for longer than they compute."""
    with compiled_fast(True):
        yield


@pytest.fixture
def full_compilation(fast_compilation):
    """Programs as campaigns have them, for a test among such that computes for longer."""
    with compiled_fast(False):
        yield


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory) -> Path:
    """A temporary folder for all processes that share the tests out among them."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def finished_toy(session_folder) -> Campaign:
    """The toy campaign run to its end; tests read it and change copies."""
    return run_once(session_folder / "finished_toy", copy_workflow)


@pytest.fixture
def toy(finished_toy, tmp_path) -> Campaign:
    """A copy of the finished toy campaign for a test to change."""
    return finished_toy.copy_to(tmp_path / "campaign")
