"""Potentials that fit the ab initio frames as well, and what is left open of their properties."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from finished_campaign import FinishedCampaign

from dynrefine.refinement.covariance import Property
from dynrefine.refinement.drawn_potentials import drawn_changes, spread
from dynrefine.refinement.natural_gradient import Rows
from dynrefine.refinement.sensitivities import Derivatives
from dynrefine.report.determination import determination_chapter

DAMPING, RADIUS = 0.1, 0.02


def changes_of(jacobian, errors, draws, name="diffusion", fitted=True):
    """A property that is linear in some parameters, along draws of these [K, P]."""
    points = len(jacobian)
    along = jacobian @ draws.T
    nothing = np.zeros(points)
    return Property(
        name,
        "300K",
        (("temperature", "K"), (name, "1")),
        np.arange(float(points)),
        np.ones(points),
        np.asarray(errors),
        fitted,
        Derivatives(np.ones(points), nothing, along, np.stack([along, along])),
    )


def test_changes_are_drawn_with_the_inverse_of_the_damped_metric():
    """The covariance of many draws, within four standard errors, and the length that they were asked for."""
    parameters, probes, count = 5, 3, 20_000
    rows = np.random.default_rng(1).normal(size=(probes, parameters))
    metric = rows.T @ rows / probes
    shift = DAMPING * np.trace(metric) / parameters
    drawn = drawn_changes(Rows(rows), DAMPING, RADIUS, (count, parameters), seed=2)
    assert np.sqrt(np.mean((drawn @ rows.T) ** 2)) == pytest.approx(RADIUS, rel=1e-9)
    expected = np.linalg.inv(metric + shift * np.eye(parameters))
    expected *= RADIUS**2 / np.trace(expected @ metric)
    variances = np.diag(expected)
    errors = np.sqrt((expected**2 + np.outer(variances, variances)) / count)
    assert np.all(np.abs(np.cov(drawn.T) - expected) < 4.0 * errors)


@pytest.fixture(scope="module")
def linear():
    """Two properties of three parameters, the first fitted, and the exact errors before and after that."""
    generator = np.random.default_rng(3)
    fitted, judge = generator.normal(size=(2, 3)), generator.normal(size=(4, 3))
    errors = np.array([0.1, 0.5])
    held = np.linalg.inv(np.eye(3) + (fitted / errors[:, None]).T @ (fitted / errors[:, None]))
    return fitted, judge, errors, np.sqrt(np.diag(judge @ held @ judge.T))


@pytest.mark.slow
def test_many_draws_tell_what_bayes_theorem_tells(linear):
    """Root mean squares over K draws are good to (2 K)^-½; four of these."""
    fitted, judge, errors, exact = linear
    draws = np.random.default_rng(4).normal(size=(400, 3))
    table = spread([changes_of(fitted, errors, draws), changes_of(judge, np.ones(4), draws, "rdf", False)])
    own = table[table.property == "rdf"]
    tolerance = 4.0 / np.sqrt(2 * len(draws))
    np.testing.assert_allclose(own.beforehand, np.linalg.norm(judge, axis=1), rtol=tolerance)
    np.testing.assert_allclose(own.left, exact, rtol=tolerance)
    assert np.all(own.left < own.beforehand) and not own.fitted.any()
    # A fitted number is known as well as it was measured.
    assert np.all(table[table.fitted].left < 1.05 * errors)


def test_few_draws_do_not_tell_too_little(linear):
    """On the average over many sets of four, which would tell each other all if one were not left out."""
    fitted, judge, errors, exact = linear
    generator = np.random.default_rng(5)
    found = []
    for _ in range(200):
        draws = generator.normal(size=(4, 3))
        properties = changes_of(fitted, errors, draws), changes_of(judge, np.ones(4), draws, "rdf", False)
        found.append(spread(properties).left[2:] ** 2)
    assert np.all(np.sqrt(np.mean(found, axis=0)) > exact)


def test_a_property_that_nothing_fitted_tells_of_stays_open():
    draws = np.random.default_rng(6).normal(size=(300, 2))
    of_first, of_second = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    table = spread(
        [changes_of(of_first, [0.01], draws), changes_of(of_second, [1.0], draws, "pressure", False)]
    )
    assert table.left[1] == pytest.approx(table.beforehand[1], rel=0.02)
    assert table.left[0] < 0.02


def test_the_report_says_what_is_left_open(tmp_path):
    draws = np.random.default_rng(7).normal(size=(50, 2))
    both = np.array([[1.0, 0.5]])
    table = spread(
        [changes_of(both, [0.01], draws), changes_of(both[:, ::-1], [1.0], draws, "pressure", False)]
    )
    results = FinishedCampaign(tmp_path).read()
    chapter = determination_chapter(replace(results, left_open=pd.DataFrame(table.to_dict("list"))))
    assert "once diffusion must agree with measurement" in chapter.text
    (left,) = chapter.blocks
    assert [row[0] for row in left.rows] == ["diffusion (fitted)", "pressure"]
    assert [float(row[4]) > float(row[5]) for row in left.rows] == [True, True]
