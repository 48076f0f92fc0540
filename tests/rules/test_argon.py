"""A campaign without a data set, as small as it can be: its first iteration, and ensembles beside it."""

import shutil

import numpy as np
import pandas as pd
import pytest
from campaigns import ROOT, copy_workflow


@pytest.mark.slow
def test_the_gradient_is_compared_with_independent_ensembles_on_both_sides(tmp_path):
    """The numbers of such a small campaign agree within their large errors."""
    argon = copy_workflow(tmp_path)
    shutil.copy(ROOT / "tests/config/argon.yaml", tmp_path)
    ran = argon.run("results/toy/check_gradient/total_derivative.csv", configuration="argon.yaml")
    assert ran["displace_potential"] == ran["evaluate_displaced"] == 2
    folder = argon.results / "check_gradient"
    row = pd.read_csv(folder / "total_derivative.csv").iloc[0]
    history = pd.read_csv(argon.results / "refinement/000/history.csv").iloc[0]
    assert row.parameter == "epsilon"
    own = history.derivative_epsilon, history.derivative_epsilon_error
    assert (row.gradient, row.gradient_error) == pytest.approx(own)
    below, above = (
        pd.read_csv(folder / f"displaced_{side}_epsilon/objective.csv").iloc[0] for side in ("below", "above")
    )
    width = 2 * 1.4e-3  # eV, as configured
    assert row.difference == pytest.approx((above.loss - below.loss) / width)
    assert row.difference_error == pytest.approx(np.hypot(above.standard_error, below.standard_error) / width)
    apart = (row.gradient - row.difference) / np.hypot(row.gradient_error, row.difference_error)
    assert row.standard_errors == pytest.approx(apart)
    assert abs(apart) < 4.0
