"""Bad input ends in one sentence that names what is wrong and what to do, and leaves earlier results alone."""

import shutil
from functools import partial

import numpy as np
import pytest
from campaigns import ROOT, TOY, limit_size_of_files

from dynrefine.config import check_files, load_config
from dynrefine.config.steps import RunTrajectories
from dynrefine.datasets.checking import check_frames
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.files import arrays as storage
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import load_model, save_model
from dynrefine.sampling.trajectories import run_trajectories

ENSEMBLE = "results/toy/refinement/000/300K/ensemble_00.npz"
TRAJECTORIES = "results/toy/refinement/000/300K/trajectories_00.npz"

POTENTIAL = "results/toy/pretraining/potential.npz"
SURFACE = TOY.potential, TOY.elements


def sentences(finished):
    """What a failed run says: the errors of jobs, or what follows a refused configuration; each once."""
    assert finished.returncode == 1
    said = finished.stdout + finished.stderr
    assert "Traceback" not in said, said
    refused, _, after = finished.stderr.partition("The configuration cannot be used.\n")
    lines = after.splitlines() if after else refused.splitlines()
    prefix = "" if after else "error: "
    return {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}


def only_sentence(campaign, *arguments, configuration=None, before=None):
    """The one sentence of a run that fails; whatever was there before and is no output of it stays as it was."""
    earlier = campaign.contents()
    finished = campaign.snakemake(*arguments, configuration=configuration, before=before)
    later = campaign.contents()
    lost = {path for path in earlier if later.get(path) != earlier[path]}
    assert lost <= set(arguments), f"changed or lost: {lost}"
    assert not [path for path in later if ".partial" in path]
    found = sentences(finished)
    assert len(found) == 1, finished.stdout + finished.stderr
    return found.pop()


@pytest.mark.slow
def test_what_a_truncated_file_needs_is_to_be_deleted(toy):
    """The rule that reads it names it, and the remedy of the sentence gives the same bits again."""
    ensemble = toy.folder / ENSEMBLE
    whole = ensemble.read_bytes()
    ensemble.write_bytes(whole[: len(whole) // 2])
    assert only_sentence(toy, TRAJECTORIES) == (
        f"{ENSEMBLE} is truncated or not an array file of dynrefine: delete it and run the rule that makes it again."
    )
    ensemble.unlink()
    assert toy.run(ENSEMBLE) == {"sample_ensemble": 1}
    assert ensemble.read_bytes() == whole


@pytest.mark.slow
def test_a_file_of_another_chunk_is_not_taken_for_its_own(toy):
    shutil.copy(toy.folder / ENSEMBLE.replace("_00", "_01"), toy.folder / ENSEMBLE)
    assert only_sentence(toy, TRAJECTORIES) == (
        f"{ENSEMBLE} holds chunk 1 of state 300K, expected chunk 0 of 300K: delete the file and give the same "
        "command again."
    )


def test_a_wrong_configuration_leaves_the_results_of_a_right_one_alone(stand_in):
    wrong = stand_in.configure("wrong.yaml", potential={"cutoff": 16.0})
    assert only_sentence(stand_in, configuration=wrong) == (
        "potential.cutoff is 16 Å, expected at most 15.66 Å, 2 widths of that state's cell: lower it or enlarge "
        "states[0].supercell."
    )


def test_a_full_disk_is_told_and_costs_nothing_finished(toy):
    mine = toy.configure("mine.yaml", campaign={"name": "mine"})
    train = "results/mine/dataset/train.extxyz"
    full = partial(limit_size_of_files, 100_000)
    assert only_sentence(toy, train, configuration=mine, before=full) == (
        f"{train} could not be written (File too large): free some space or make its folder writable, then start "
        "the campaign again; nothing finished before is lost."
    )


def sentence_of(function, *arguments):
    with pytest.raises(CampaignError) as refusal:
        function(*arguments)
    return str(refusal.value)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to run in, with the frames and targets of the workflow."""
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    shutil.copy(ROOT / "tests/config/toy.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_temperature_below_zero_is_refused(folder):
    text = (folder / "toy.yaml").read_text()
    (folder / "toy.yaml").write_text(text.replace("temperature: 300", "temperature: -300"))
    assert sentence_of(load_config, "toy.yaml") == (
        "states[0].temperature is -300, expected a number above 0 (Temperature, K): correct it."
    )


def test_a_file_in_the_place_of_the_results_is_told(folder):
    (folder / "results").mkdir()
    (folder / "results/toy").write_text("taken")
    assert sentence_of(check_files, load_config("toy.yaml")) == (
        "results/toy is a file, expected a folder for the results: rename or remove the file."
    )


def with_nan(frames):
    forces = frames[3].calc.results["forces"].copy()
    forces[0, 0] = np.nan
    frames[3].calc.results["forces"] = forces


def with_nitrogen(frames):
    frames[3].symbols[0] = "N"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            with_nan,
            "mine.extxyz, frame 3 (300K_4) has non-finite numbers in its forces: label the frame again or remove it.",
        ),
        (
            with_nitrogen,
            "mine.extxyz, frame 3 (300K_4) holds N, expected only O, H: add N to the elements or remove the frame.",
        ),
    ],
    ids=["not a number", "unknown element"],
)
def test_unfit_frames_are_refused(tmp_path, spoil, sentence):
    frames = read_frames(ROOT / "workflow/data/water16/frames.extxyz")[:12]
    spoil(frames)
    write_frames(tmp_path / "mine.extxyz", frames)
    limits = load_config(ROOT / "tests/config/toy.yaml").dataset.model_dump(
        include={"force_limit", "minimum_distance", "energy_limit", "net_force_limit"}
    )
    check = partial(check_frames, **limits, name="mine.extxyz")
    assert sentence_of(check, read_frames(tmp_path / "mine.extxyz"), ["O", "H"]) == sentence


def test_a_potential_of_another_version_is_refused(finished_toy, tmp_path, monkeypatch):
    model = load_model(finished_toy.folder / POTENTIAL, *SURFACE)
    with monkeypatch.context() as changed:
        changed.setattr(storage, "__version__", "9.9.0")
        save_model(tmp_path / "potential.npz", model)
    assert sentence_of(load_model, tmp_path / "potential.npz", *SURFACE) == (
        f"{tmp_path}/potential.npz was written by dynrefine 9.9.0, this is {storage.__version__}: make the file "
        "again with this version or install the version that wrote it."
    )


def test_a_trajectory_that_drifts_in_energy_is_refused(finished_toy):
    potential = load_model(finished_toy.folder / POTENTIAL, *SURFACE)
    settings = RunTrajectories.model_construct(
        elements=TOY.elements,
        state=TOY.states[0],
        ensemble=TOY.ensemble,
        trajectory=TOY.trajectory.model_copy(update={"energy_drift": 1e-5}),
        along=["velocities"],
        at_start=[],
    )
    ensemble = load_ensemble(finished_toy.folder / ENSEMBLE)
    said = sentence_of(run_trajectories, potential, {}, ensemble, settings, None)
    assert said.startswith("the total energy of a trajectory drifted by ")
    assert said.endswith(
        "meV/atom, expected at most 1e-05 (trajectory.energy_drift): shorten trajectory.timestep (now 0.5 fs)."
    )
