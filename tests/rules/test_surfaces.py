"""What the rules of data and training leave, read from the finished toy campaign."""

import numpy as np
import pandas as pd
import pytest
from campaigns import ROOT, TOY

from dynrefine.datasets.reading import read_frames
from dynrefine.files.arrays import read_arrays
from dynrefine.files.models import load_model

PARTS = ("train", "validation", "test")
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.fixture(scope="module")
def settings():
    return TOY.model_dump()


@pytest.fixture(scope="module")
def parts(finished_toy):
    return {part: read_frames(finished_toy.results / f"dataset/{part}.extxyz") for part in PARTS}


def test_every_frame_is_in_one_part(parts):
    given = [frame.info["source"] for frame in read_frames(ROOT / "workflow/data/water16/frames.extxyz")]
    sources = [frame.info["source"] for members in parts.values() for frame in members]
    assert sorted(sources) == sorted(given)


def test_the_parts_have_their_shares(parts):
    count = sum(map(len, parts.values()))
    for part, share in SHARES.items():
        assert len(parts[part]) == pytest.approx(share * count, abs=5), part


def test_frames_that_are_neighbours_in_time_stay_together(finished_toy):
    frames = pd.read_csv(finished_toy.results / "dataset/frames.csv")
    series = frames.source.str.rsplit("_", n=1, expand=True)
    frames = frames.assign(series=series[0], place=series[1].astype(int)).sort_values(["series", "place"])
    for _, group in frames.groupby("series"):
        changes = int((group.split != group.split.shift()).sum()) - 1
        assert changes < len(group) / 4  # five frames in a block; at random there would be a third


def test_the_summary_counts_the_frames(finished_toy, parts):
    summary = pd.read_csv(finished_toy.results / "dataset/summary.csv")
    assert summary.groupby("split").frames.sum().to_dict() == {part: len(parts[part]) for part in PARTS}
    assert (summary.dipoles == summary.frames).all()
    assert summary.density.between(0.9, 1.1).all()


def test_labels_pass_through_the_preparation_unchanged(parts):
    given = {
        frame.info["source"]: frame for frame in read_frames(ROOT / "workflow/data/water16/frames.extxyz")
    }
    frame = parts["test"][0]
    own = given[frame.info["source"]].calc.results
    assert frame.calc.results["energy"] == pytest.approx(own["energy"], abs=1e-6)
    np.testing.assert_allclose(frame.calc.results["forces"], own["forces"], atol=1e-7)
    np.testing.assert_allclose(frame.calc.results["dipole"], own["dipole"], atol=1e-6)


@pytest.mark.parametrize("surface", ["potential", "dipole"])
def test_a_surface_can_be_read_and_knows_its_seed(finished_toy, settings, surface):
    path = finished_toy.results / f"pretraining/{surface}.npz"
    model = load_model(path, getattr(TOY, surface), TOY.elements)
    assert isinstance(model.metadata["seed"], int)
    assert not model.converged


@pytest.mark.parametrize("surface", ["potential", "dipole"])
def test_training_lowered_the_losses(finished_toy, surface):
    curve = pd.read_csv(finished_toy.results / f"pretraining/{surface}_learning_curve.csv")
    assert curve.epoch.is_monotonic_increasing
    assert curve.training_loss.iloc[-1] < 0.5 * curve.training_loss.iloc[0]
    assert curve.validation_loss.min() < curve.validation_loss.iloc[0]


@pytest.mark.parametrize("part", PARTS)
def test_errors_of_the_potential_are_those_of_its_predictions(finished_toy, parts, part):
    errors = pd.read_csv(finished_toy.results / "pretraining/potential_errors.csv")
    own = errors[errors.part == part].set_index("quantity").value
    parity = read_arrays(finished_toy.results / "pretraining/potential_parity.npz", "parity").arrays
    for quantity, column, scale in (("energy", "energies", 1e3), ("force", "forces", 1e3)):
        labelled, predicted = (parity[f"{column}/{part}/{kind}"] for kind in ("labelled", "predicted"))
        error = scale * np.sqrt(np.mean((predicted - labelled) ** 2))
        assert own[quantity] == pytest.approx(error, rel=1e-3), quantity
    forces = np.concatenate([frame.calc.results["forces"].ravel() for frame in parts[part]])
    np.testing.assert_allclose(np.sort(parity[f"forces/{part}/labelled"]), np.sort(forces), atol=1e-5)
    assert own["force"] < 500.0 * np.sqrt(np.mean(forces**2))  # half of what predicting no force is wrong by


def test_pictures_are_drawn(finished_toy):
    for path in ("dataset/summary", "pretraining/potential", "pretraining/dipole"):
        picture = (finished_toy.results / f"{path}.png").read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) > 10_000, path
