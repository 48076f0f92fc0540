"""Classical water through the rules, fitted to four properties of another: targets, losses and gradients."""

import numpy as np
import pandas as pd
import pytest
from campaigns import copy_workflow

from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.models import read_model
from dynrefine.files.objectives import load_objective
from dynrefine.files.tables import read_measured

pytestmark = pytest.mark.slow

FITTED = ("diffusion", "infrared", "pressure", "viscosity")
WANTED = ("refinement/000/updated_potential.npz", "check_gradient/gradient_check.csv")
PUBLISHED, DISPLACED = 0.1554253 * 4.184, 0.72  # ε of SPC/Fw, and at the start; kJ/mol
KILOJOULES_PER_MOLE = 0.01036427  # eV
CHARGE = 0.41  # of a hydrogen, e


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One iteration of the campaign and the check of its gradient."""
    campaign = copy_workflow(tmp_path_factory.mktemp("classical_water"), name="classical_water")
    campaign.run(*(f"results/classical_water/{path}" for path in WANTED), cores=2)
    return campaign.results


@pytest.mark.parametrize("name", FITTED)
def test_the_gradient_is_that_of_backpropagation_and_of_central_differences(results, name):
    table = pd.read_csv(results / "check_gradient/gradient_check.csv")
    errors = table[table.observable == name].groupby(["comparison", "precision"]).relative_error.max()
    assert errors["backpropagation", "float64"] < 1e-10
    assert errors["backpropagation", "float32"] < 1e-3
    # a loss that is known to 1e-15 of it has differences over 2e-6 that are known to 1e-9
    assert errors["central difference", "float64"] < 1e-5


def test_teacher_and_student_differ_in_the_parameter_that_was_displaced(results):
    teacher, student = (
        read_model(results / f"{role}_potential.npz").parameters["trainable"]
        for role in ("teacher", "initial")
    )
    assert float(teacher["epsilon"]) == pytest.approx(PUBLISHED * KILOJOULES_PER_MOLE, rel=1e-6)
    assert float(student["epsilon"]) == pytest.approx(DISPLACED * KILOJOULES_PER_MOLE, rel=1e-6)
    assert all(student[name] == teacher[name] for name in teacher.keys() - {"epsilon"})


def test_losses_are_differences_from_what_the_teacher_has(results):
    state = load_objective(results / "refinement/000/objective.npz").states["298K"]
    found = pd.read_csv(results / "validation/teacher/properties.csv").set_index("property")
    assert set(state.evaluations) == set(FITTED)
    for name in ("diffusion", "pressure", "viscosity"):
        ((_, target, _),) = read_measured(results / f"targets/{name}_298K.csv", rows=1)
        assert target == pytest.approx(found.value[name], rel=1e-6)
        evaluation = state.evaluations[name]
        scale = 2000.0 if name == "pressure" else target
        assert evaluation.loss == pytest.approx(((evaluation.prediction[0] - target) / scale) ** 2, rel=1e-3)


def test_the_dielectric_constant_is_that_of_kirkwoods_sum(results):
    """ε = 1 + (Σ <μᵢ·μⱼ> - <M>²)/(3 ε0 V kT) of all records, ε0 = e²/(4π · 14.39964548 eV Å) (CODATA 2018)."""
    chains = load_ensemble(results / "validation/teacher/298K/ensemble_00.npz")
    molecules = chains.recorded_positions.reshape(-1, 16, 3, 3)
    assert chains.species.reshape(16, 3).tolist() == 16 * [[0, 1, 1]]
    bonds, edge = molecules[:, :, 1:] - molecules[:, :, :1], chains.cells[0, 0, 0]
    dipoles = CHARGE * np.sum(bonds - edge * np.round(bonds / edge), axis=2)
    pairs = np.einsum("smk,snk->mn", dipoles, dipoles) / len(dipoles)
    correlated = pairs.sum() - np.sum(dipoles.sum(axis=1).mean(axis=0) ** 2)
    thermal = 8.617333262e-5 * 298.15
    expected = 1.0 + 4.0 * np.pi * 14.39964548 * correlated / (3.0 * edge**3 * thermal)
    found = pd.read_csv(results / "validation/teacher/properties.csv").set_index("property").value
    assert found["dielectric_constant"] == pytest.approx(expected, rel=1e-5)
    # Kirkwood's factor, which is not that of free dipoles
    assert abs(pairs.sum() / np.trace(pairs) - 1.0) > 0.1
