"""Bad input ends in one sentence that names what is wrong and what to do, and leaves earlier results alone."""

import shutil
from functools import partial

import jax
import numpy as np
import pytest
from campaigns import limit_size_of_files

from dynrefine import storage
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.writing import write_frames
from dynrefine.models import create_model, load_model, save_model

POTENTIAL = "results/toy/pretraining/potential.npz"
ENSEMBLE = "results/toy/refinement/000/300K/ensemble_00.npz"
TRAJECTORIES = "results/toy/refinement/000/300K/trajectories_00.npz"
GRADIENT = "results/toy/refinement/000/300K/gradient_00.npz"


def sentences(finished):
    """What a failed run says: the errors of jobs, or what follows a refused configuration; each once."""
    assert finished.returncode == 1
    said = finished.stdout + finished.stderr
    assert "Traceback" not in said, said
    refused, _, after = finished.stderr.partition("The configuration cannot be used.\n")
    lines = after.splitlines() if after else refused.splitlines()
    prefix = "" if after else "error: "
    return {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}


def only_sentence(campaign, *arguments, configuration="toy.yaml", before=None):
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


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"dataset": {"files": ["frames_of_mine.extxyz"]}},
            "dataset.files[0] is 'frames_of_mine.extxyz', expected an existing file: correct the path or put the "
            "file there.",
        ),
        (
            {"states": [{"temperature": -300, "density": 0.997}]},
            "states[0].temperature is -300, expected a number above 0 (Temperature, K): correct it.",
        ),
        (
            {"objective": {"observables": {"infrared_spectrum": {}}}},
            "objective.observables.infrared_spectrum (value {}) is not a known key, expected 'infrared': correct "
            "the spelling.",
        ),
        (
            {"potential": {"cutoff": 16.0}},
            "potential.cutoff is 16 Å, expected at most 15.66 Å, 2 widths of that state's cell: lower it or enlarge "
            "states[0].supercell.",
        ),
    ],
    ids=["missing frames", "negative temperature", "unknown observable", "cutoff beyond the cell"],
)
def test_a_wrong_configuration_is_refused_before_any_job(stand_in, changes, sentence):
    wrong = stand_in.configure("wrong.yaml", **changes)
    assert only_sentence(stand_in, configuration=wrong) == sentence


def test_a_file_in_the_place_of_the_results_is_told(stand_in):
    (stand_in.folder / "results/mine").write_text("taken")
    mine = stand_in.configure("mine.yaml", campaign={"name": "mine"})
    assert only_sentence(stand_in, configuration=mine) == (
        "results/mine is a file, expected a folder for the results: rename or remove the file."
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
            "mine.extxyz, frame 3 (300K_4) has forces that are not finite: label it again or remove it.",
        ),
        (
            with_nitrogen,
            "mine.extxyz, frame 3 (300K_4) holds N, expected only O, H: add N to the elements or remove the frame.",
        ),
    ],
    ids=["not a number", "unknown element"],
)
def test_unfit_frames_are_refused(toy, spoil, sentence):
    frames = read_frames(toy.folder / "workflow/data/water16/frames.extxyz")[:12]
    spoil(frames)
    write_frames(toy.folder / "mine.extxyz", frames)
    mine = toy.configure("mine.yaml", campaign={"name": "mine"}, dataset={"files": ["mine.extxyz"]})
    assert only_sentence(toy, "results/mine/dataset/train.extxyz", configuration=mine) == sentence


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def of_another_architecture(path):
    model = read_model(path)
    save_model(
        path, create_model({**model.settings, "radial_functions": 5}, elements(model), jax.random.key(0))
    )


def of_another_version(path, monkeypatch):
    model = read_model(path)
    with monkeypatch.context() as changed:
        changed.setattr(storage, "__version__", "9.9.0")
        save_model(path, model)


def of_another_kind(path):
    shutil.copy(path.parent / "potential_parity.npz", path)


def read_model(path):
    settings = storage.read_arrays(path, "model").metadata["settings"]
    return load_model(path, settings, settings["elements"])


def elements(model):
    return model.settings["elements"]


def test_a_truncated_file_is_named_by_the_rule_that_reads_it(toy):
    truncate(toy.folder / ENSEMBLE)
    assert only_sentence(toy, TRAJECTORIES) == (
        f"{ENSEMBLE} is truncated or not an array file of dynrefine: delete it and run the rule that makes it again."
    )


def test_what_a_truncated_file_needs_is_to_be_deleted(toy):
    """The remedy that the sentence names gives the same bits again."""
    whole = (toy.folder / ENSEMBLE).read_bytes()
    (toy.folder / ENSEMBLE).unlink()
    assert toy.run(ENSEMBLE) == {"sample_ensemble": 1}
    assert (toy.folder / ENSEMBLE).read_bytes() == whole


def test_a_potential_of_another_architecture_is_refused(toy):
    of_another_architecture(toy.folder / POTENTIAL)
    assert only_sentence(toy, ENSEMBLE) == (
        f"{POTENTIAL} holds a model of another architecture: radial_functions is 5 in the file and 8 in the "
        "configuration; train again or give back the former setting."
    )


def test_a_potential_of_another_version_is_refused(toy, monkeypatch):
    of_another_version(toy.folder / POTENTIAL, monkeypatch)
    assert only_sentence(toy, ENSEMBLE) == (
        f"{POTENTIAL} was written by dynrefine 9.9.0, this is {storage.__version__}: make the file again with this "
        "version or install the version that wrote it."
    )


def test_a_file_of_another_kind_is_refused(toy):
    of_another_kind(toy.folder / POTENTIAL)
    assert only_sentence(toy, ENSEMBLE) == (
        f"{POTENTIAL} holds 'parity' where 'model' was expected: give another file."
    )


def test_dynamics_that_blows_up_is_told_from_a_result(toy):
    fast = toy.configure("fast.yaml", ensemble={"timestep": 20.0})
    said = only_sentence(toy, ENSEMBLE, configuration=fast)
    assert "blew up" in said or "blown up" in said
    assert "shorten the time step" in said


def test_a_trajectory_that_drifts_in_energy_is_refused(toy):
    strict = toy.configure("strict.yaml", trajectory={"energy_drift": 1e-5})
    said = only_sentence(toy, TRAJECTORIES, configuration=strict)
    assert said.startswith("the total energy of a trajectory drifted by ")
    assert said.endswith(
        "meV/atom where trajectory.energy_drift allows 1e-05: shorten trajectory.timestep (now 0.5 fs)."
    )


def test_a_reversal_that_misses_its_start_is_refused(toy):
    strict = toy.configure("strict.yaml", gradient={"reversal_tolerance": 1e-12})
    said = only_sentence(toy, GRADIENT, configuration=strict)
    assert said.startswith("a reversed trajectory missed its starting point by ")
    assert said.endswith(
        "Å where gradient.reversal_tolerance allows 1e-12 Å: shorten gradient.depth, set precision: float64, or "
        "allow more."
    )


def test_a_full_disk_is_told_and_costs_nothing_finished(toy):
    mine = toy.configure("mine.yaml", campaign={"name": "mine"})
    train = "results/mine/dataset/train.extxyz"
    full = partial(limit_size_of_files, 100_000)
    assert only_sentence(toy, train, configuration=mine, before=full) == (
        f"{train} could not be written (File too large): free some space or make its folder writable, then start "
        "the campaign again; nothing finished before is lost."
    )
