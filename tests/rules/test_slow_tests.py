"""Slow tests come last, and are left out and named where there is no time for them."""

import os
import subprocess
import sys

import pytest
from campaigns import ROOT

TESTS = {
    "test_first.py": """
import pytest

@pytest.mark.slow
def test_of_minutes(): pass

def test_beside_it(): pass
""",
    "test_second.py": """
def test_of_seconds(): pass
""",
}


@pytest.mark.slow
@pytest.mark.parametrize(("until", "named"), [("1", True), ("inf", False)])
def test_slow_tests_come_last_and_are_named_where_left_out(tmp_path, until, named):
    for name, text in TESTS.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("tests", "workflow")),
        "DYNREFINE_SLOW_UNTIL": until,
    }
    options = ("-p", "conftest", "-p", "no:cacheprovider", "-v", "-c", str(ROOT / "pyproject.toml"))
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    outcomes = [line for line in finished.stdout.splitlines() if "::test_" in line]
    assert "test_second.py" in outcomes[0]
    _, _, left_out = finished.stdout.partition("slow tests left out")
    assert ("test_first.py" in left_out) == named
    assert ("1 skipped" in finished.stdout) == named
