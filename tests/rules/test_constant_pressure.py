"""Liquid argon at constant pressure through the rules: properties that no other small campaign has as targets."""

import numpy as np
import pandas as pd
import pytest
from campaigns import copy_workflow

from dynrefine.config import load_config
from dynrefine.files.ensembles import load_ensemble
from dynrefine.files.objectives import load_objective
from dynrefine.files.tables import read_measured

pytestmark = pytest.mark.slow

WANTED = ("refinement/000/updated_potential.npz", "check_gradient/gradient_check.csv")


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """One iteration of the campaign and the check of its gradient."""
    campaign = copy_workflow(tmp_path_factory.mktemp("isobaric"), name="isobaric")
    campaign.run(*(f"results/isobaric/{path}" for path in WANTED), cores=2)
    return campaign


@pytest.fixture(scope="module")
def fitted(campaign):
    """The settings of what is fitted, by name."""
    return load_config(campaign.folder / campaign.configuration).objective.observables.chosen()


def test_every_gradient_is_that_of_backpropagation_and_of_central_differences(campaign, fitted):
    table = pd.read_csv(campaign.results / "check_gradient/gradient_check.csv")
    errors = table.groupby(["observable", "comparison", "precision"]).relative_error.max()
    assert set(table.observable) == set(fitted)
    for name in fitted:
        assert errors[name, "backpropagation", "float64"] < 1e-9, name
        # a loss that is known to 1e-15 of it has differences over 6e-7 that are known to 1e-8
        assert errors[name, "central difference", "float64"] < 1e-5, name


def test_targets_are_what_the_teacher_has_with_its_errors(campaign, fitted):
    state = load_objective(campaign.results / "refinement/000/objective.npz").states["94K"]
    judged = pd.read_csv(campaign.results / "validation/teacher/properties.csv").set_index("property")
    for name in fitted:
        measured = read_measured(campaign.results / f"targets/{name}_94K.csv", columns=3, rows=1)
        np.testing.assert_allclose(state.targets[name], measured[:, 1], rtol=1e-5, err_msg=name)
        if len(measured) == 1:
            row = judged.loc[name]
            assert tuple(measured[0, 1:]) == pytest.approx((row.value, row.standard_error), rel=1e-5), name


def test_the_density_and_its_error_are_those_of_the_chains(campaign):
    chains = load_ensemble(campaign.results / "validation/teacher/94K/ensemble_00.npz")
    volumes = np.linalg.det(chains.recorded_cells.astype(float))
    densities = np.mean(64 * 39.948 * 1.66053907 / volumes, axis=0)  # g/cm³, of each chain
    row = (
        pd.read_csv(campaign.results / "validation/teacher/properties.csv")
        .set_index("property")
        .loc["density"]
    )
    error = densities.std(ddof=1) / np.sqrt(len(densities))
    assert (row.value, row.standard_error) == pytest.approx((densities.mean(), error), rel=1e-5)
    assert np.ptp(volumes) > 0.01 * volumes.mean()  # cells breathe
