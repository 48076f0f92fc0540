"""Raman scattering through the rules: with the infrared spectrum it refines the toy and both of its surfaces."""

import numpy as np
import pandas as pd
import pytest
from argon_by_hand import autocorrelation, in_order_of_time
from ase import Atoms
from campaigns import ROOT, TOY, Campaign

from dynrefine.datasets.conventions import ATOMIC_POLARIZABILITY
from dynrefine.datasets.reading import read_frames
from dynrefine.datasets.writing import write_frames
from dynrefine.files.arrays import read_arrays
from dynrefine.files.history import load_history
from dynrefine.files.models import flat_parameters, read_surfaces
from dynrefine.files.trajectories import load_trajectories
from dynrefine.units import WAVENUMBER

pytestmark = pytest.mark.slow

BAND = [3050, 3800]  # cm⁻¹
WINDOW, RESOLUTION = 40, 50  # fs, cm⁻¹
CHANGE = 3.0  # of the dipoles in a step, % of their spread
MEASURED = "workflow/data/targets/water_raman_OH_298K.csv"
RAMAN = {"window": WINDOW, "resolution": RESOLUTION, "bands": [{"range": BAND, "weight": 1}]}


def with_polarizabilities(frame: Atoms) -> Atoms:
    """The frame with those of its molecules, made up of their bonds, Å³: 0.9 along and 0.6 across one of 0.97 Å."""
    tensors = np.zeros((len(frame), 3, 3))
    hydrogens = np.flatnonzero(frame.numbers == 1)
    for oxygen in np.flatnonzero(frame.numbers == 8):
        bonds = frame.get_distances(oxygen, hydrogens, mic=True, vector=True)
        for bond in sorted(bonds, key=np.linalg.norm)[:2]:
            length = np.linalg.norm(bond)
            across, along = 0.6 + 0.6 * (length - 0.97), 0.9 + 2.1 * (length - 0.97)
            tensors[oxygen] += across * np.eye(3) + (along - across) * np.outer(bond, bond) / length**2
    frame.new_array(ATOMIC_POLARIZABILITY, tensors.reshape(-1, 9))
    return frame


@pytest.fixture(scope="module")
def scattering(finished_toy, tmp_path_factory) -> Campaign:
    """A copy of the toy campaign with Raman scattering as its objective, and in its validation."""
    campaign = finished_toy.copy_to(tmp_path_factory.mktemp("raman") / "campaign")
    frames = read_frames(ROOT / "workflow/data/water16/frames.extxyz")
    whole = frames[:115]  # before those with ions
    write_frames(campaign.folder / "bonds.extxyz", [with_polarizabilities(frame) for frame in whole])
    values = TOY.model_dump(exclude_unset=True)
    surface = {"kind": "polarizability", "cutoff": 3.5, "radial_functions": 4, "hidden_layers": [8]}
    campaign.configure(
        "toy.yaml",
        surfaces={
            "polarizability": {
                "surface": surface,
                "training": values["dipole_training"] | {"optimiser": "soap"},
                "dataset": {"files": ["bonds.extxyz"]},
            }
        },
        ensemble={"chunks": 1},
        objective={
            "observables": values["objective"]["observables"]
            | {"raman": RAMAN | {"target": MEASURED, "form": "stokes"}}
        },
        optimiser={
            "iterations": 1,
            "surfaces": {"dipole": {"change": CHANGE}, "polarizability": {"held_at": "beginning"}},
        },
        validation={"properties": {"raman_vh": RAMAN | {"kind": "raman", "component": "vh"}}},
    )
    wanted = ("check_gradient/gradient_check.csv", "validation/refined/properties.csv")
    campaign.run(*(f"results/toy/{path}" for path in wanted), "--notemp", cores=2)
    return campaign


def test_the_surface_learns_the_polarizabilities_of_molecules(scattering):
    errors = pd.read_csv(scattering.results / "pretraining/polarizability_errors.csv")
    of_test = errors[errors.part == "test"].set_index("quantity").value
    for part in ("mean", "traceless part"):  # half of what predicting their mean is wrong by
        assert of_test[f"{part}, relative to the spread"] < 50.0


def test_the_gradient_of_the_raman_term_is_right(scattering):
    check = pd.read_csv(scattering.results / "check_gradient/gradient_check.csv")
    exact = check[(check.comparison == "backpropagation") & (check.precision == "float64")].iloc[0]
    assert exact.relative_error < 1e-5
    assert (check[check.comparison == "central difference"].relative_error < 1e-3).all()


@pytest.mark.parametrize(("surface", "change"), [("dipole", CHANGE), ("polarizability", 0.5)])
def test_a_surface_moves_as_far_as_it_may(scattering, surface, change):
    """As its predictions on the training frames tell, of which the damping of the metric takes a part.

    Or until its third of the losses is gained, by the slope along the step: there are three surfaces.
    """
    before, after = (
        flat_parameters(read_surfaces(scattering.results / path)[surface].parameters["trainable"])[0]
        for path in ("pretraining/joined_potential.npz", "refinement/000/updated_potential.npz")
    )
    first = scattering.results / "refinement/000"
    metric = read_arrays(first / f"metrics/{surface}.npz", "surface metric").arrays["probes"]
    moved = np.sqrt(np.mean((metric.astype(float) @ np.asarray(after - before)) ** 2))
    losses = pd.read_csv(first / "objective.csv")
    share = (losses.loss * losses.weight).sum() / 3
    state = read_arrays(first / "optimiser.npz", "optimiser").arrays
    slope = float(state[f"{surface}/001"].astype(float) @ state[f"{surface}/002"])  # step and gradient
    assert 0.0 < 100 * moved < 1.001 * change and -1.0001 * share < slope < 0.0
    assert 100 * moved > 0.3 * change or slope == pytest.approx(-share, rel=1e-4)


def test_refined_surfaces_are_held_at_their_labels_or_where_they_began(scattering):
    """One has its errors on the training frames as its anchor, the other, in the first iteration, nothing."""
    anchors = load_history(scattering.results / "refinement/000/history.csv").by_quantity("anchor")
    dipole, polarizability = (
        anchors[f"anchor of the {surface}", ""].value.item() for surface in ("dipole", "polarizability")
    )
    assert 0.0 < dipole < 0.3 and polarizability == 0.0


@pytest.mark.parametrize("surface", ["dipole", "polarizability"])
def test_the_errors_of_refined_surfaces_are_told(scattering, surface):
    errors = pd.read_csv(scattering.results / f"pretraining/{surface}_errors.csv")
    found = pd.read_csv(scattering.results / "validation/refined/errors.csv").set_index("quantity").value
    told = errors[errors.part == "test"].quantity
    assert set(told) <= set(found.index)


def test_the_refinement_has_a_raman_term(scattering):
    terms = pd.read_csv(scattering.results / "refinement/000/objective.csv").set_index("term")
    assert terms.loss["raman"] > 0.0 and terms.standard_error["raman"] > 0.0


def test_raman_judges_whether_it_is_fitted_or_not(scattering):
    table = pd.read_csv(scattering.results / "validation/refined/properties.csv").set_index("property")
    assert table.fitted["raman loss"] and np.isfinite(table.value["raman loss"])


def test_the_spectrum_is_the_transform_of_the_recorded_derivatives(scattering):
    """Of crossed polarisers, with unit area, in plain NumPy; single precision."""
    stage = scattering.results / "validation/refined"
    interval = TOY.trajectory.sampling_interval
    recorded = load_trajectories(stage / "300K/trajectories_00.npz").series["polarizability_derivative"]
    correlations = []
    for both in recorded.astype(float):
        derivative = in_order_of_time(both)
        mean = np.trace(derivative, axis1=1, axis2=2) / 3.0
        rest = derivative - mean[:, None, None] * np.eye(3)
        correlations.append(autocorrelation(rest.reshape(len(rest), 1, 9), round(WINDOW / interval)))
    lags = interval * np.arange(len(correlations[0]))
    windowed = np.mean(correlations, axis=0) * np.cos(0.5 * np.pi * lags / WINDOW) ** 2
    curves = read_arrays(stage / "curves.npz", "curves").arrays
    wavenumbers = curves["raman_vh/300K/abscissa"]
    spectrum = np.trapezoid(windowed * np.cos(np.outer(WAVENUMBER * wavenumbers, lags)), lags, axis=1)
    inside = (wavenumbers >= BAND[0]) & (wavenumbers <= BAND[1])
    expected = spectrum / (RESOLUTION * spectrum[inside].sum())
    np.testing.assert_allclose(curves["raman_vh/300K/prediction"], expected, atol=1e-4 * expected.max())
