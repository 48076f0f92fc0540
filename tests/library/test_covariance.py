"""What measurements determine of parameters, and what the report says of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from finished_campaign import FinishedCampaign

from dynrefine.files.sensitivities import Sensitivities, load_sensitivities, save_sensitivities
from dynrefine.refinement.covariance import Determination, Property
from dynrefine.refinement.sensitivities import Derivatives
from dynrefine.report.determination import determination_chapter, directions
from dynrefine.report.figures import covariance_figure

STARTS, VALUES, UNITS = 6, np.array([0.0103, 3.4]), ["eV", "Å"]
QUANTITIES = (("temperature", "K"), ("property", "bar"))


def measurement(name, slopes, error, fitted=True, state="300K"):
    """A number with these derivatives by two parameters, known to an error; no two starting points agree on them."""
    scatter = 1.0 + 0.02 * np.random.default_rng(len(name)).normal(size=(STARTS, 1, 1))
    jacobian = np.array([slopes])
    return Property(
        name,
        state,
        QUANTITIES,
        np.array([300.0]),
        np.array([1.0]),
        np.array([0.8 * error]),
        fitted,
        Derivatives(np.array([1.1]), np.array([0.6 * error]), jacobian, scatter * jacobian),
    )


def determined(*properties):
    """What they tell of both parameters."""
    return Determination(["epsilon", "sigma"], VALUES, properties)


DIFFUSION = measurement("diffusion", [-200.0, -3.0], 0.01)
PRESSURE = measurement("pressure", [-9000.0, 6000.0], 1.5)
JUDGE = measurement("viscosity", [40.0, 0.5], 1e9, fitted=False)


def test_as_many_measurements_as_parameters_determine_them_to_their_own_errors():
    """J δ = σ: the covariance is J⁻¹ σ² J⁻ᵀ but for what is held beforehand, 1e-6 of it here."""
    jacobian, errors = np.array([[-200.0, -3.0], [-9000.0, 6000.0]]), np.diag([0.01, 1.5])
    inverse = np.linalg.inv(jacobian)
    expected = inverse @ errors**2 @ inverse.T
    np.testing.assert_allclose(determined(DIFFUSION, PRESSURE, JUDGE).covariance, expected, rtol=1e-3)


def test_the_covariance_is_that_of_fits_to_measurements_with_noise():
    """Least squares fits of the linear model to 4000 drawn measurements of three properties."""
    third = measurement("density", [5.0, -2.0], 0.02)
    properties = DIFFUSION, PRESSURE, third
    jacobian = np.concatenate([each.derivatives.jacobian for each in properties])
    errors = np.concatenate([each.error for each in properties])
    noise = np.random.default_rng(1).normal(size=(4000, 3)) * errors
    fits = np.linalg.lstsq(jacobian / errors[:, None], (noise / errors).T, rcond=None)[0]
    expected = np.cov(fits)
    found = determined(*properties).covariance
    # the relative standard error of a variance of 4000 is sqrt(2/4000), 2.2 %
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=0.09)
    assert found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]) == pytest.approx(
        np.corrcoef(fits)[0, 1], abs=0.02
    )


def test_what_one_measurement_of_two_parameters_leaves_open_stays_as_it_was():
    table = determined(DIFFUSION).pairs(UNITS)
    uncertainties, rows = directions(table)
    sizes = DIFFUSION.derivatives.jacobian[0] * VALUES
    # along the level line of the property nothing is known but what was beforehand
    assert abs(rows[-1] @ sizes) < 1e-3 * np.linalg.norm(sizes)
    assert uncertainties[-1] == pytest.approx(1.0, abs=1e-6)
    assert uncertainties[0] == pytest.approx(0.01 / np.linalg.norm(sizes), rel=1e-3)


def test_properties_that_were_not_fitted_have_the_errors_of_the_parameters():
    found = determined(DIFFUSION, PRESSURE, JUDGE)
    table = found.sensitivities()
    own = table[table.property == "viscosity"]
    slopes = np.array([40.0, 0.5])
    np.testing.assert_allclose(own.parameter_error, np.sqrt(slopes @ found.covariance @ slopes))
    np.testing.assert_array_equal(own.derivative, slopes)
    np.testing.assert_allclose(own.derivative_error, JUDGE.derivatives.jacobian_error[0])
    assert not own.fitted.any() and set(table.parameter) == {"epsilon", "sigma"}
    # a fitted number is known as well as it was measured
    first = table[table.property == "diffusion"]
    np.testing.assert_allclose(first.parameter_error, 0.01, rtol=1e-3)


def test_uncertainties_have_the_errors_that_their_derivatives_have():
    """All derivatives of a state scaled alike, by 1 + 0.02 x: the uncertainties scale by the inverse."""
    both = [
        replace(each, derivatives=replace(each.derivatives, left_out=None)) for each in (DIFFUSION, PRESSURE)
    ]
    scatter = 1.0 + 0.02 * np.random.default_rng(8).normal(size=(STARTS, 1, 1))
    both = [
        replace(each, derivatives=replace(each.derivatives, left_out=scatter * each.derivatives.jacobian))
        for each in both
    ]
    found = determined(*both)
    relative = np.sqrt((STARTS - 1) * np.var(1.0 / scatter))
    expected = relative * np.sqrt(np.diag(found.covariance))
    np.testing.assert_allclose(found.uncertainty_error, expected, rtol=1e-3)
    apart = determined(both[0], replace(both[1], state="350K"))
    assert np.all(apart.uncertainty_error > 0.0)


def test_files_come_back_and_chunks_are_joined(tmp_path):
    generator = np.random.default_rng(1)

    def chunk(count):
        shape = (count, 2)
        statistics = {"rdf": generator.normal(size=(count, 5)), "pressure": generator.normal(size=count)}
        changes = {"rdf": generator.normal(size=(count, 2, 5)), "pressure": generator.normal(size=shape)}
        return Sensitivities(("epsilon", "sigma"), generator.normal(size=shape), statistics, changes)

    chunks = [chunk(2), chunk(3)]
    for number, each in enumerate(chunks):
        save_sensitivities(tmp_path / f"{number}.npz", each)
    joined = Sensitivities.joined([load_sensitivities(tmp_path / f"{number}.npz") for number in range(2)])
    assert joined.parameters == ("epsilon", "sigma")
    np.testing.assert_array_equal(joined.energy_slopes[2:], chunks[1].energy_slopes)
    np.testing.assert_array_equal(joined.changes["rdf"][:2], chunks[0].changes["rdf"])
    assert joined.statistics["pressure"].shape == (5,)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of a finished campaign."""
    return FinishedCampaign(tmp_path_factory.mktemp("determined")).read()


def told(results, *properties):
    """The chapter about what these properties determine, from its files."""
    found = determined(*properties)
    covariance, sensitivities = (
        pd.DataFrame(table.to_dict("list")) for table in (found.pairs(UNITS), found.sensitivities())
    )
    return determination_chapter(replace(results, covariance=covariance, sensitivities=sensitivities))


def test_the_report_says_how_well_parameters_are_determined(results):
    chapter = told(results, DIFFUSION, PRESSURE, JUDGE)
    assert "how well the measurements of diffusion and pressure determine the parameters" in chapter.text
    assert ", the best to" in chapter.text and "degenerate" not in chapter.text
    picture, parameters, left = chapter.blocks
    assert "<svg" in picture.svg
    assert [row[0] for row in parameters.rows] == ["epsilon", "sigma"]
    assert parameters.rows[0][-2:] == ("+1.000", f"{parameters.rows[1][-2]}")
    assert [row[0] for row in left.rows] == ["diffusion (fitted)", "pressure (fitted)", "viscosity"]
    assert left.rows[0][4] == "0.010"


def test_the_report_names_a_degenerate_direction(results):
    text = told(results, DIFFUSION, JUDGE).text
    assert "Δsigma/sigma" in text and "Δepsilon/epsilon" in text
    assert "is degenerate: the data determine it only to 100 %" in text


def test_campaigns_without_it_have_no_chapter(results):
    assert not determination_chapter(results).blocks


def test_the_ellipse_is_that_of_the_covariance():
    table = determined(DIFFUSION, PRESSURE).pairs(UNITS)
    axes = covariance_figure(table).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("σ (Å)", "ε (eV)")
    own = determined(DIFFUSION, PRESSURE).covariance[::-1, ::-1]  # sigma first
    for line, errors in zip(axes.get_lines()[1:], (1.0, 2.0), strict=True):
        away = np.stack(line.get_data()) - VALUES[::-1, None]
        distance = np.einsum("in,ij,jn->n", away, np.linalg.inv(own), away)
        np.testing.assert_allclose(distance, errors**2, rtol=1e-6)
