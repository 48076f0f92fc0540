"""Chunks are told apart by what their files say, in whatever order and under whatever name they come."""

import numpy as np
import pytest

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import ArrayFile, origin, write_arrays
from dynrefine.files.chunks import by_state, require_chunk

STATES = ["350K", "300K"]


def write(path, **wildcards):
    with origin(wildcards=wildcards):
        write_arrays(path, "ensemble", ArrayFile({"x": np.zeros(2)}, {"x": "1"}))
    return path


@pytest.fixture
def files(tmp_path):
    """Two chunks of each of two states, in order."""
    return [
        write(tmp_path / f"{number}.npz", state=state, chunk=f"{chunk:02d}", iteration="003")
        for number, (state, chunk) in enumerate((state, chunk) for state in STATES for chunk in (0, 1))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_files_come_by_state_in_order_of_number(files, seed):
    shuffled = [files[place] for place in np.random.default_rng(seed).permutation(4)]
    expected = {"350K": files[:2], "300K": files[2:]}
    for states in (STATES, STATES[::-1]):
        found = by_state(shuffled, states)
        assert found == expected
        assert list(found) == states


def test_a_chunk_given_twice_is_named(files):
    with pytest.raises(CampaignError, match=r"1\.npz and .*0\.npz both hold chunk 0 of state 350K"):
        by_state([files[0], write(files[1], state="350K", chunk="00"), *files[2:]], STATES)


@pytest.mark.parametrize("missing", range(4))
def test_a_chunk_that_is_missing_is_noticed(files, missing):
    with pytest.raises(CampaignError, match="equally many"):
        by_state(files[:missing] + files[missing + 1 :], STATES)


def test_a_chunk_of_another_state_is_no_chunk_of_these(files):
    with pytest.raises(CampaignError, match=r"2\.npz belongs to state 300K, expected one of 350K"):
        by_state(files, ["350K"])


def test_a_file_must_hold_the_chunk_of_its_job(files):
    require_chunk(files[3], "300K", 1)
    with pytest.raises(CampaignError, match=r"3\.npz holds chunk 1 of state 300K, expected chunk 0 of 300K"):
        require_chunk(files[3], "300K", 0)


def test_a_file_that_does_not_say_is_refused(tmp_path):
    with pytest.raises(CampaignError, match="does not say which chunk"):
        require_chunk(write(tmp_path / "old.npz", iteration="003"), "300K", 0)
