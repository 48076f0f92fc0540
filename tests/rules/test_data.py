"""Frames that are downloaded, and frames that are labelled by a program that stands in for CP2K."""

import hashlib
import re
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from ase.build import molecule
from campaigns import ROOT, copy_workflow

from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.writing import write_frames

PRINTED = ROOT / "tests/library/cp2k_water_pair.out"
PREPARED = [f"results/toy/{folder}/train.extxyz" for folder in ("dataset", "dataset_dipole")]
ENERGY = "-34.439456441342621"  # Hartree, as printed
HARTREE = 27.211386245988  # eV
# Prints what CP2K printed for a pair of water molecules, the energy less the first coordinate (Hartree, Å).
ENGINE = """
import re
from pathlib import Path

given = Path("label.inp").read_text()
first = float(re.search(r"&COORD\\n\\S+ +(\\S+)", given)[1])
print(Path("{printed}").read_text().replace("{energy}", f"{{{energy} - first:.15f}}"))
print("PROGRAM ENDED AT")
"""


@contextmanager
def served(folder):
    """The address of a server of a folder on this machine."""
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pairs_of_molecules():
    """Three geometries in order, the first coordinate of which tells them apart, Å."""
    frames = []
    for number in range(3):
        first, second = molecule("H2O"), molecule("H2O")
        second.translate([2.1, 1.9, 0.3])
        pair = first + second
        pair.set_cell([4.4, 4.5, 4.6])
        pair.pbc = True
        pair.positions[0, 0] += 0.01 * number
        pair.info["source"] = f"pair_{number}"
        frames.append(pair)
    return frames


def displacements(frame):
    """Of the Wannier centres of each atom, as if bonds had charges of half an electron [N, 3], Å."""
    result = np.zeros((len(frame), 3))
    hydrogens = np.flatnonzero(frame.numbers == 1)
    for oxygen in np.flatnonzero(frame.numbers == 8):
        bonds = frame.get_distances(oxygen, hydrogens, mic=True, vector=True)
        result[oxygen] = 0.25 * bonds[np.linalg.norm(bonds, axis=1) < 1.3].sum(axis=0)
    return result


def displacements_by_atom(folder, frames):
    """Write frames with displacements of Wannier centres as a DeePMD folder; the checksums of its files."""
    (folder / "set.000").mkdir(parents=True)
    (folder / "type.raw").write_text(" ".join(str(int(number == 1)) for number in frames[0].numbers))
    (folder / "type_map.raw").write_text("O\nH\n")
    arrays = {
        "coord": [frame.positions for frame in frames],
        "box": [frame.cell.array for frame in frames],
        "atomic_dipole": [displacements(frame) for frame in frames],
    }
    for name, array in arrays.items():
        np.save(folder / f"set.000/{name}.npy", np.reshape(array, (len(frames), -1)))
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A campaign run until its data sets: of a downloaded file and pairs labelled in two batches, of a folder."""
    campaign = copy_workflow(tmp_path_factory.mktemp("data"))
    kept_elsewhere = tmp_path_factory.mktemp("elsewhere")
    shipped = read_frames(campaign.folder / "workflow/data/water16/frames.extxyz")[:12]
    write_frames(kept_elsewhere / "twelve.extxyz", shipped)
    checksum = hashlib.sha256((kept_elsewhere / "twelve.extxyz").read_bytes()).hexdigest()
    checksums = displacements_by_atom(kept_elsewhere / "wannier", shipped)
    write_frames(campaign.folder / "pairs.extxyz", pairs_of_molecules())
    (campaign.folder / "engine.py").write_text(ENGINE.format(printed=PRINTED, energy=ENERGY))
    with served(kept_elsewhere) as address:
        campaign.configure(
            "toy.yaml",
            dataset={
                "files": [{"url": f"{address}/twelve.extxyz", "sha256": checksum}],
                "block_length": 1,
                "energy_limit": 1e6,
            },
            labelling={
                "geometries": "pairs.extxyz",
                "batches": 2,
                "command": f"{sys.executable} {campaign.folder}/engine.py",
                "settings": {"first_cutoff": 0},
            },
            surfaces={
                "dipole": {
                    "task": "local_dipole",
                    "surface": {"kind": "dipole", "cutoff": 3.5},
                    "dataset": {
                        "files": [{"url": f"{address}/wannier", "sha256": checksums}],
                        "dipole": "wannier",
                        "block_length": 1,
                    },
                }
            },
        )
        ran = campaign.run(*PREPARED, cores=2)
    expected = {"download_frames": 1, "download_folder": 1, "label_frames": 2}
    assert ran == expected | {"prepare_dataset": 1, "prepare_own_dataset": 1}
    assert campaign.planned(*PREPARED) == {}
    return campaign


def test_downloaded_and_labelled_frames_make_the_data_set(prepared):
    frames = pd.read_csv(prepared.results / "dataset/frames.csv")
    shipped = read_frames(prepared.folder / "workflow/data/water16/frames.extxyz")[:12]
    sources = [frame.info["source"] for frame in shipped]
    assert frames.source.tolist() == [*sources, "pair_0", "pair_1", "pair_2"]
    assert set(frames.split) <= {"train", "validation", "test"}
    assert (prepared.folder / "resources/twelve.extxyz").exists()


def test_a_downloaded_folder_makes_the_data_set_of_another_surface(prepared):
    frames = pd.read_csv(prepared.results / "dataset_dipole/frames.csv")
    assert len(frames) == 12 and frames.energy.isna().all() and (frames.verdict == "kept").all()
    frame = read_frames(prepared.results / "dataset_dipole/test.extxyz")[0]
    np.testing.assert_allclose(frame.arrays["local_dipole"], -2.0 * displacements(frame), atol=1e-6)


def test_files_of_the_same_checksums_elsewhere_run_nothing_again(prepared):
    settings = (prepared.folder / "toy.yaml").read_text()
    (prepared.folder / "moved.yaml").write_text(re.sub(r"http://127.0.0.1:\d+", "elsewhere", settings))
    assert prepared.planned(*PREPARED, configuration="moved.yaml") == {}


def test_each_geometry_gets_its_own_label(prepared):
    geometries = pairs_of_molecules()
    labelled = [
        frame
        for batch in ("000", "001")
        for frame in read_frames(prepared.results / f"labelling/batch_{batch}.extxyz")
    ]
    assert [frame.info["source"] for frame in labelled] == ["pair_0", "pair_1", "pair_2"]
    for frame, geometry in zip(labelled, geometries, strict=True):
        np.testing.assert_allclose(frame.positions, geometry.positions, atol=1e-6)
        expected = (float(ENERGY) - geometry.positions[0, 0]) * HARTREE
        assert frame.calc.results["energy"] == pytest.approx(expected, abs=1e-5)
        assert frame.info["label_method"] == "revPBE-D3/TZV2P-GTH"
