"""The step that trains a surface: which checkpoints it goes on from, and how long it keeps its own."""

from types import SimpleNamespace

import numpy as np
import pytest

from dynrefine.campaign.job import Job
from dynrefine.config.data import Element
from dynrefine.config.steps import TrainSurface
from dynrefine.config.surfaces.embedded_atoms import EmbeddedAtomSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.config.surfaces.training import PotentialTrainingSettings
from dynrefine.datasets.arrays import from_arrays
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.steps import train_surface as step

pytestmark = pytest.mark.usefixtures("fast_compilation")

ARGON = Element(symbol="Ar", mass=39.948, charge=0)
PARTS = ("train", "validation", "test")
SETTINGS = TrainSurface(
    elements=[ARGON],
    surface=LennardJonesSettings(kind="lennard_jones", sigma=3.4, epsilon=1.0, cutoff=4.0),
    training=PotentialTrainingSettings(epochs=1, batch_size=2, checkpoint_interval=1),
    task="potential",
)


def write_part(path, seed):
    """Two frames of three atoms of argon, labelled at random."""
    generator = np.random.default_rng(seed)
    positions = 3.5 * np.eye(3) + generator.normal(0.0, 0.1, (2, 3, 3))
    frames = LabelledFrames.unlabelled(np.zeros(3, int), positions, 9.0 * np.eye(3))
    frames.energies[:] = generator.normal(size=2)
    frames.forces[:] = generator.normal(size=(2, 3, 3))
    write_frames(path, from_arrays(frames, ["Ar"], f"random_{seed}"))


@pytest.fixture
def job(tmp_path):
    """A training on files of which the tests change some."""
    for seed, part in enumerate(PARTS):
        write_part(tmp_path / f"{part}.extxyz", seed)
    inputs = SimpleNamespace(**{part: str(tmp_path / f"{part}.extxyz") for part in PARTS})
    names = ("model", "learning_curve", "errors", "parity")
    outputs = SimpleNamespace(**{name: str(tmp_path / f"{name}.npz") for name in names})
    return Job(inputs, outputs, seed=1, precision="float64")


def test_a_checkpoint_is_of_its_frames_and_precision(job, tmp_path, monkeypatch):
    """Frames of another split may have been tested on."""
    told = []

    def never(loss, trainable, data, schedule, checkpoint):
        told.append(checkpoint.fingerprint)
        raise KeyboardInterrupt

    monkeypatch.setattr(step, "fit", never)

    def train(job):
        with pytest.raises(KeyboardInterrupt):
            step.train_surface(job, SETTINGS)

    train(job)
    train(job)
    for seed, part in enumerate(PARTS, 3):
        write_part(tmp_path / f"{part}.extxyz", seed)
        train(job)
    train(Job(job.inputs, job.outputs, seed=1, precision="float32"))
    assert told[0] == told[1]
    assert len(set(told)) == 5


def test_a_checkpoint_stays_until_the_model_is_written(job, tmp_path, monkeypatch):
    def full(path, model):
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(step, "save_model", full)
        with pytest.raises(OSError):
            step.train_surface(job, SETTINGS)
    assert (tmp_path / "model_checkpoint.npz").exists()
    step.train_surface(job, SETTINGS)
    assert (tmp_path / "model.npz").exists()
    assert not (tmp_path / "model_checkpoint.npz").exists()


def test_elements_that_no_training_frame_holds_are_named(job):
    """Their features have neither mean nor spread, and a network that nothing has taught."""
    surface = EmbeddedAtomSettings(cutoff=4.0, radial_functions=2, angular_momentum=0, hidden_layers=[2])
    others = [Element(symbol=symbol, mass=80.0, charge=0) for symbol in ("Kr", "Xe")]
    settings = SETTINGS.model_copy(update={"elements": [ARGON, *others], "surface": surface})
    with pytest.raises(CampaignError, match=r"no training frame holds Kr, Xe, expected.*add frames"):
        step.train_surface(job, settings)
