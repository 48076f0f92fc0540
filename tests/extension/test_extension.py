"""Plug-ins from outside the library, found by their dotted names, go through a campaign to its report."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jax
import pandas as pd
import pytest
from campaigns import ROOT, Campaign, copy_workflow

from dynrefine.config.data import WATER
from dynrefine.config.surfaces import surface_settings
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.writing import write_frames
from dynrefine.export.potential_file import read_program, write_exported
from dynrefine.files.arrays import read_arrays
from dynrefine.files.history import load_history
from dynrefine.files.models import create_model, read_surfaces

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Extended(Campaign):
    """A campaign of a user who has installed the plug-ins."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the user's shell."""
        return super().environment | {"PYTHONPATH": str(HERE)}


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """The campaign run to its end."""
    folder = tmp_path_factory.mktemp("extension") / "campaign"
    folder.mkdir()
    copy_workflow(folder)
    shutil.copy(HERE / "extension.yaml", folder)
    write_frames(folder / "bonds.extxyz", read_frames(ROOT / "workflow/data/water16/frames.extxyz")[::2])
    campaign = Extended(folder, "extension")
    campaign.run(cores=os.cpu_count())
    return campaign


def test_no_file_of_the_library_knows_of_the_plug_ins():
    found = subprocess.run(
        ["grep", "-rl", "toy_extension", ROOT / "workflow", ROOT / "Snakefile"], check=False
    )
    assert found.returncode == 1


def test_a_potential_from_outside_leaves_with_its_program(tmp_path):
    settings = surface_settings({"kind": "toy_extension.pairs", "cutoff": 3.0})
    model = create_model(settings, list(WATER), jax.random.key(0))
    with jax.numpy_rank_promotion("allow"):  # what a user does
        write_exported(tmp_path / "pairs.npz", {"potential": model})
    assert read_surfaces(tmp_path / "pairs.npz")["potential"].architecture == model.architecture
    assert read_program(tmp_path / "pairs.npz").platforms == ("cpu", "cuda")


@pytest.mark.slow
def test_the_campaign_comes_to_its_report(extended):
    assert (extended.results / "report.html").stat().st_size > 10_000
    assert extended.planned() == {}
    history = load_history(extended.results / "refinement/000/history.csv")
    assert history.by_quantity("loss")["toy_extension.fluctuations", "300K"].value.notna().all()
    assert history.by_quantity("gradient")["whole", ""].value.min() > 0.0


@pytest.mark.slow
def test_the_surface_has_its_own_data_set(extended):
    frames = pd.read_csv(extended.results / "dataset_bonds/frames.csv")
    assert len(frames) < len(pd.read_csv(extended.results / "dataset/frames.csv"))
    curve = pd.read_csv(extended.results / "pretraining/bonds_learning_curve.csv")
    assert curve.validation_loss.iloc[-1] < curve.training_loss.iloc[0]
    assert not (extended.results / "pretraining/dipole.npz").exists()


@pytest.mark.slow
def test_the_gradient_of_a_property_that_depends_on_the_potential_is_right(extended):
    """In double precision; central differences err by displacement² times a third derivative."""
    check = pd.read_csv(extended.results / "check_gradient/gradient_check.csv")
    double = check[check.precision == "float64"]
    assert set(double.observable) == {"toy_extension.fluctuations"}
    assert (double.relative_error[double.comparison == "backpropagation"] < 1e-9).all()
    assert (double.relative_error[double.comparison == "central difference"] < 1e-4).all()


@pytest.mark.slow
def test_starting_points_are_those_of_the_sampler(extended):
    ensemble = read_arrays(extended.results / "refinement/000/300K/ensemble_00.npz", "ensemble").arrays
    assert ensemble["recorded_positions"].shape[0] == 1
    assert (ensemble["temperatures"] == 300.0).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plug_in", "ran"),
    [
        ("metropolis", {"sample_ensemble", "sample_validation"}),
        ("fluctuations", {"evaluate_objective", "validate", "check_gradient", "adjoint_gradient"}),
        ("bonds", {"train_surface"}),
    ],
)
def test_editing_a_plug_in_runs_again_what_depends_on_it(extended, tmp_path, plug_in, ran):
    (tmp_path / "toy_extension").mkdir()
    for path in (HERE / "toy_extension").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        changed = text + "\nCHANGED = True\n" if path.stem == plug_in else text
        (tmp_path / "toy_extension" / path.name).write_text(changed, encoding="utf-8")
    edited = Edited(extended.folder, extended.name, tmp_path)
    planned = edited.planned()
    assert ran <= set(planned)


@dataclass(frozen=True)
class Edited(Campaign):
    """The campaign with other plug-ins."""

    plug_ins: Path = HERE

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the user's shell."""
        return super().environment | {"PYTHONPATH": str(self.plug_ins)}
