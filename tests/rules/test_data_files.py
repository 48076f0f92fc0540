"""Files of data sets as campaigns read them: each download a file of its own, a changed array runs what reads it."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import yaml
from campaigns import ROOT, copy_workflow

from dynrefine.datasets.reading import read_frames, with_labels
from dynrefine.datasets.writing import write_frames
from dynrefine.units import HARTREE

TRAIN = "results/toy/dataset/train.extxyz"
WATER = read_frames(ROOT / "workflow/data/water16/frames.extxyz")[:40]


def deepmd(folder, frames):
    part = folder / "set.000"
    part.mkdir(parents=True)
    symbols = frames[0].get_chemical_symbols()
    (folder / "type.raw").write_text("".join(f"{int(symbol == 'H')}\n" for symbol in symbols))
    (folder / "type_map.raw").write_text("O\nH\n")
    np.save(part / "coord.npy", [frame.positions.ravel() for frame in frames])
    np.save(part / "box.npy", [frame.cell.array.ravel() for frame in frames])
    np.save(part / "energy.npy", [frame.get_potential_energy() for frame in frames])
    np.save(part / "force.npy", [frame.get_forces().ravel() for frame in frames])


@pytest.fixture
def campaign(tmp_path):
    return copy_workflow(tmp_path)


@pytest.mark.slow
def test_an_array_changed_in_place_is_read_again(campaign):
    deepmd(campaign.folder / "water", WATER)
    campaign.configure("toy.yaml", dataset={"files": ["water"]})
    assert campaign.run(TRAIN) == {"prepare_dataset": 1}
    assert campaign.run(TRAIN) == {}
    path = campaign.folder / "water/set.000/energy.npy"
    np.save(path, np.load(path) + 1.0)
    assert campaign.run(TRAIN) == {"prepare_dataset": 1}
    energies = pd.read_csv(campaign.results / "dataset/frames.csv").energy
    np.testing.assert_allclose(energies * 48, np.load(path), rtol=1e-9)


@pytest.mark.slow
def test_downloads_of_one_name_are_both_fetched(campaign):
    files = []
    for place, share in (("a", WATER[:20]), ("b", WATER[20:])):
        path = campaign.folder / place / "frames.extxyz"
        path.parent.mkdir()
        write_frames(path, share)
        files.append({"url": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    campaign.configure("toy.yaml", dataset={"files": files})
    assert campaign.run(TRAIN) == {"download_frames": 2, "prepare_dataset": 1}
    frames = pd.read_csv(campaign.results / "dataset/frames.csv")
    assert frames.source.tolist() == [frame.info["source"] for frame in WATER]
    assert (frames.verdict == "kept").all()


@pytest.mark.slow
def test_wrong_units_end_the_job_in_one_sentence_and_stated_ones_do_not(campaign):
    changed = [
        with_labels(frame, frame.calc.results | {"energy": frame.get_potential_energy() / HARTREE})
        for frame in WATER
    ]
    write_frames(campaign.folder / "mine.extxyz", changed)
    campaign.configure("toy.yaml", dataset={"files": ["mine.extxyz"]})
    finished = campaign.snakemake(TRAIN)
    assert finished.returncode == 1
    said = finished.stdout + finished.stderr
    assert (
        "error: mine.extxyz: energy differences between frames are 0.0343 times what the forces imply" in said
    )
    assert "state units.energy: hartree (factor 27.2114) in the dataset, or convert them." in said
    campaign.configure(
        "toy.yaml", dataset={"files": [{"path": "mine.extxyz", "units": {"energy": "hartree"}}]}
    )
    assert campaign.run(TRAIN) == {"prepare_dataset": 1}


def test_states_of_small_densities_have_names_that_rules_know(tmp_path):
    """Two states at one temperature are told apart by their densities."""
    campaign = copy_workflow(tmp_path, "argon")
    states = [{"temperature": 94.4, "density": density, "atoms": 64} for density in (1e-5, 1.374)]
    fitted = {"diffusion": {"element": "Ar", "target": 2.36, "window": 80}}
    campaign.configure("argon.yaml", states=states, objective={"observables": fitted})
    assert campaign.planned("results/argon/refinement/000/94K_1e-05/ensemble_00.npz")["sample_ensemble"] == 1


def test_a_posix_locale_reads_the_rules(campaign, monkeypatch):
    for name, value in (("PYTHONCOERCECLOCALE", "0"), ("PYTHONUTF8", "0"), ("LC_ALL", "POSIX")):
        monkeypatch.setenv(name, value)
    assert campaign.planned()["write_report"] == 1


@pytest.mark.slow
def test_a_posix_locale_reads_files_with_other_letters(tmp_path, monkeypatch):
    """Python is in its UTF-8 mode then, unless it is told not to be; that is one sentence."""
    monkeypatch.setenv("LC_ALL", "POSIX")
    (tmp_path / "Wässer µ").mkdir()
    campaign = copy_workflow(tmp_path / "Wässer µ")
    shipped = (ROOT / "workflow/data/water16/frames.extxyz").read_text(encoding="utf-8")
    remarked = shipped.replace(" energy=", ' remark="bei 25 °C" energy=')
    (campaign.folder / "wässer.extxyz").write_text(remarked, encoding="utf-8")
    campaign.configure("toy.yaml", dataset={"files": ["wässer.extxyz"]})
    assert campaign.run(TRAIN) == {"prepare_dataset": 1}
    frames = pd.read_csv(campaign.results / "dataset/frames.csv", encoding="utf-8")
    assert (frames.verdict == "kept").all()
    for name in ("PYTHONCOERCECLOCALE", "PYTHONUTF8"):
        monkeypatch.setenv(name, "0")
    finished = campaign.snakemake("--dry-run")
    assert finished.returncode == 1
    assert (
        "expected a path in ASCII, since the locale encodes file names in ascii: set PYTHONUTF8=1"
        in finished.stderr
    )


def test_a_surface_of_dipoles_needs_no_energies(campaign):
    """Its own data set; that of the potential has no dipoles."""
    for name, label in (("mine", "forces"), ("dipoles", "dipole")):
        chosen = [label, *(["energy"] if label == "forces" else [])]
        frames = [with_labels(each, {key: each.calc.results[key] for key in chosen}) for each in WATER]
        write_frames(campaign.folder / f"{name}.extxyz", frames)
    values = yaml.safe_load((campaign.folder / "toy.yaml").read_text())
    own = {"surface": values["dipole"], "dataset": {"files": ["dipoles.extxyz"]}}
    own["surface"] |= {"kind": "dipole"}
    campaign.configure("toy.yaml", dataset={"files": ["mine.extxyz"]}, surfaces={"dipole": own})
    assert campaign.run("results/toy/dataset_dipole/train.extxyz") == {"prepare_own_dataset": 1}
    table = pd.read_csv(campaign.results / "dataset_dipole/summary.csv")
    assert table.dipoles.sum() == table.frames.sum() == len(WATER)
