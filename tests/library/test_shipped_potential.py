"""The refined potential and the surfaces of liquid water that come with the project."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import yaml
from campaigns import ROOT

from dynrefine.config import check_files, load_config
from dynrefine.config.load import read_together
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.models import load_model, read_model
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.training import dipole, polarizability
from dynrefine.training.potential import errors_on

FOLDER = ROOT / "workflow/data/water64"
FRAMES = ROOT / "workflow/data/water16/frames.extxyz"
FIGURES = pd.read_csv(FOLDER / "figures.csv").set_index(["file", "quantity"]).value
TOGETHER = "potential_and_dipole.npz"  # as the refinement of both leaves them


@pytest.mark.slow
@pytest.mark.parametrize("file", ["potential.npz", TOGETHER])
def test_its_forces_are_those_that_its_figures_say(file):
    """On frames of 16 molecules, of another level of theory and other cells than it was trained and refined on."""
    campaign = load_config(ROOT / "config/water.yaml")
    model = read_model(FOLDER / file).surfaces("potential")["potential"].cast(jnp.float32)
    symbols = [element.symbol for element in campaign.elements]
    errors = errors_on(model, to_arrays(read_frames(FRAMES)[:10], symbols), symbols)
    for quantity in ("force O", "force H"):
        assert errors[quantity][0] == pytest.approx(FIGURES[file, quantity], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["dipole.npz", TOGETHER])
def test_its_dipoles_are_those_that_its_figures_say(file):
    """On the same frames; the surface was trained on cells of four times as many molecules."""
    campaign = load_config(ROOT / "config/water.yaml")
    model = read_model(FOLDER / file).surfaces("dipole")["dipole"].cast(jnp.float32)
    symbols = [element.symbol for element in campaign.elements]
    frames = to_arrays(read_frames(FRAMES)[:10], symbols)
    evaluated = dipole.TASK.evaluate(model, with_neighbours(frames, model.architecture.cutoff, model.dtype))
    error, _ = dipole.dipole_errors(evaluated, frames, symbols)["dipole"]
    assert error == pytest.approx(FIGURES[file, "dipole"], rel=1e-4)


@pytest.mark.slow
def test_its_polarizabilities_are_those_that_it_was_trained_on():
    """1.83 Å³ for a molecule in the liquid, which water of another density and other cells has to some percent."""
    campaign = load_config(read_together([ROOT / f"config/{name}.yaml" for name in ("water", "raman/water")]))
    surface = campaign.surfaces["polarizability"].surface
    model = load_model(FOLDER / "polarizability.npz", surface, campaign.elements).cast(jnp.float32)
    frames = to_arrays(read_frames(FRAMES)[:10], [element.symbol for element in campaign.elements])
    data = with_neighbours(frames, model.architecture.cutoff, model.dtype)
    of_atoms = polarizability.predictions(model.architecture, model.parameters, data)
    of_molecules = jnp.trace(of_atoms, axis1=-2, axis2=-1).sum(axis=1) / 3.0 / 16
    np.testing.assert_allclose(of_molecules, 1.83, rtol=0.03)


@pytest.mark.parametrize("files", [("potential.npz", "dipole.npz"), (TOGETHER, TOGETHER)])
def test_a_campaign_can_begin_with_it(files, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = yaml.safe_load((ROOT / "config/water.yaml").read_text(encoding="utf-8"))
    settings["potential"]["file"], settings["surfaces"]["dipole"]["surface"]["file"] = (
        str(FOLDER / file) for file in files
    )
    campaign = load_config(settings)
    check_files(campaign)
    assert not campaign.potential.is_trained and not campaign.surfaces["dipole"].surface.is_trained
