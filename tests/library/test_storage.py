"""Array files: what is read is what was written, and a file is complete or absent."""

import json
import os
import zipfile

import numpy as np
import pytest

from dynrefine import __version__
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import ArrayFile, atomic_path, read_arrays, write_arrays, write_passed_through

CONTENT = ArrayFile(
    {
        "energies": np.array([1.5, -2.25]),
        "series/velocities": np.arange(6, dtype=np.float32).reshape(2, 3),
        "series/counts": np.array([], dtype=np.int32),
    },
    {"energies": "eV", "series/velocities": "Å/fs", "series/counts": "1"},
    {"seed": 4, "settings": {"cutoff": 6.0, "layers": [64, 64]}},
)


def rewritten(path, **changed):
    """The file at `path` with other entries in its header."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("__metadata__").tobytes()) | changed
    np.savez(path, __metadata__=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def test_arrays_units_and_metadata_come_back(tmp_path):
    path = tmp_path / "new" / "folder" / "file.npz"
    write_arrays(path, "ensemble", CONTENT)
    found = read_arrays(path, "ensemble")
    assert found.arrays.keys() == CONTENT.arrays.keys()
    for name, array in CONTENT.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)
    assert found.units == CONTENT.units
    assert found.metadata["seed"] == 4
    assert found.metadata["settings"] == CONTENT.metadata["settings"]
    assert found.metadata["library_version"] == __version__
    assert not found.passed_through


def test_groups_are_told_by_the_beginning_of_names():
    assert CONTENT.group("series").keys() == {"velocities", "counts"}
    assert CONTENT.group("ser") == {}


def test_arrays_need_units(tmp_path):
    with pytest.raises(ValueError, match="without a unit.*energies"):
        write_arrays(tmp_path / "file.npz", "ensemble", ArrayFile({"energies": np.zeros(2)}))
    assert list(tmp_path.iterdir()) == []


def test_objects_are_never_pickled(tmp_path):
    content = ArrayFile({"strange": np.array([{"a": 1}], dtype=object)}, {"strange": "1"})
    with pytest.raises(ValueError, match="[Oo]bject arrays"):
        write_arrays(tmp_path / "file.npz", "ensemble", content)
    assert list(tmp_path.iterdir()) == []


def test_a_job_with_nothing_to_do_says_so(tmp_path):
    write_passed_through(tmp_path / "file.npz", "gradient")
    found = read_arrays(tmp_path / "file.npz", "gradient")
    assert found.passed_through
    assert found.arrays == {}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_while_writing_keeps_the_old_file_and_leaves_no_other(tmp_path, error):
    path = tmp_path / "file.npz"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half of the new")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_in_the_first_writing_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "file.npz") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_file_appears_only_when_complete(tmp_path):
    path = tmp_path / "table.csv"
    with atomic_path(path) as temporary:
        temporary.write_text("a,b\n")
        assert not path.exists()
        assert temporary.suffix == path.suffix  # writers choose their format by it
    assert path.read_text() == "a,b\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_sentence(tmp_path):
    message = r"file\.npz could not be written \(No space left on device\).*free some space"
    with pytest.raises(CampaignError, match=message), atomic_path(tmp_path / "file.npz"):
        raise OSError(28, os.strerror(28))


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path):
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(CampaignError, match=r"results/file\.npz could not be written"):
        write_arrays(tmp_path / "results" / "file.npz", "ensemble", CONTENT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder_is_one_sentence(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir(mode=0o500)
    with pytest.raises(CampaignError, match=r"file\.npz could not be written \(Permission denied\)"):
        write_arrays(folder / "file.npz", "ensemble", CONTENT)


def test_a_missing_file_is_named_with_the_kind_that_was_expected(tmp_path):
    with pytest.raises(CampaignError, match=r"absent\.npz does not exist: expected a gradient file"):
        read_arrays(tmp_path / "absent.npz", "gradient")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.95])
def test_a_truncated_file_is_named(tmp_path, kept):
    path = tmp_path / "file.npz"
    write_arrays(path, "ensemble", CONTENT)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(CampaignError, match=r"file\.npz is truncated.*delete it"):
        read_arrays(path, "ensemble")


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "file.npz"
    write_arrays(path, "ensemble", CONTENT)
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    content = bytearray(path.read_bytes())
    content[first.header_offset + 30 + len(first.filename) + 150] ^= 1  # in the data behind both headers
    path.write_bytes(content)
    with pytest.raises(CampaignError, match="truncated or not an array file"):
        read_arrays(path, "ensemble")


@pytest.mark.parametrize("content", [b"epoch,loss\n1,2\n", b"PK\x03\x04 something else"])
def test_other_files_are_named(tmp_path, content):
    path = tmp_path / "file.npz"
    path.write_bytes(content)
    with pytest.raises(CampaignError, match="not an array file of dynrefine"):
        read_arrays(path, "ensemble")


def test_an_archive_of_someone_else_is_named(tmp_path):
    np.savez(tmp_path / "file.npz", positions=np.zeros(3))
    with pytest.raises(CampaignError, match="not an array file of dynrefine"):
        read_arrays(tmp_path / "file.npz", "ensemble")


def test_another_kind_is_named(tmp_path):
    write_arrays(tmp_path / "file.npz", "ensemble", CONTENT)
    with pytest.raises(CampaignError, match="holds 'ensemble' where 'trajectories' was expected"):
        read_arrays(tmp_path / "file.npz", "trajectories")


def test_another_version_is_named(tmp_path):
    path = tmp_path / "file.npz"
    write_arrays(path, "ensemble", CONTENT)
    rewritten(path, library_version="99.1.0")
    with pytest.raises(CampaignError, match=rf"written by dynrefine 99\.1\.0, this is {__version__}"):
        read_arrays(path, "ensemble")


def test_a_patch_release_reads_the_files_of_its_minor_version(tmp_path):
    path = tmp_path / "file.npz"
    write_arrays(path, "ensemble", CONTENT)
    rewritten(path, library_version=".".join([*__version__.split(".")[:2], "999"]))
    assert read_arrays(path, "ensemble").units == CONTENT.units
