"""What a potential is judged by, against the same in plain NumPy loops."""

from itertools import product

import numpy as np
import pytest
from systems import made_up_ensemble

from dynrefine.config.dynamics import DiffusionJudgeSettings, StructureSettings
from dynrefine.config.properties import DiffusionSettings, InfraredSettings
from dynrefine.files.objectives import Evaluation, Objective, StateObjective
from dynrefine.files.trajectories import Trajectories
from dynrefine.refinement.validation import (
    Findings,
    add_conditions,
    add_diffusion,
    add_evaluated,
    add_structure,
)

pytestmark = pytest.mark.usefixtures("fast_compilation")

INTERVAL, FRAMES, ATOMS, DEPTH = 2.0, 31, 4, 10  # fs, and numbers
KELVIN, VOLUME = 310.0, 2744.0  # K, Å³: an edge of 14 Å
DIFFUSION = DiffusionJudgeSettings(element="O", window=20.0, measured=2.3, measured_error=0.05)


def found_in(findings):
    """Value, error, unit, measured value, its error, and whether it is fitted, by property and state."""
    table = findings.table()
    columns = ["value", "standard_error", "unit", "measured", "measured_error", "fitted"]
    return {
        (row.property, row.state): tuple(getattr(row, name) for name in columns) for row in table.itertuples()
    }


@pytest.fixture(scope="module")
def velocities():
    """Two chunks of five and three trajectories whose velocities remember a few frames [S, frames, N, 3], Å/fs."""
    noise = np.random.default_rng(1).normal(0.0, 4e-3, (8, FRAMES + 5, ATOMS, 3))
    smooth = sum(noise[:, lag : lag + FRAMES] for lag in range(6))
    return [smooth[:5], smooth[5:]]


def correlation_of(trajectory):
    """<v(0) · v(t)> over atoms and origins [depth + 1]."""
    return np.array(
        [
            np.mean(
                [trajectory[n, i] @ trajectory[n + lag, i] for n in range(FRAMES - lag) for i in range(ATOMS)]
            )
            for lag in range(DEPTH + 1)
        ]
    )


def integral_of(correlation):
    """A third of the integral until each lag by trapezoids, in 1e-9 m²/s, which is 1e-4 Å²/fs."""
    steps = [0.5 * INTERVAL * (a + b) for a, b in zip(correlation, correlation[1:], strict=False)]
    return 1e4 / 3.0 * np.array([sum(steps[:count]) for count in range(len(steps) + 1)])


def error_of(estimates):
    """The standard error of a mean by leaving each of its values out in turn."""
    estimates = np.array(estimates)
    count = len(estimates)
    means = np.array([np.mean(np.delete(estimates, i, axis=0), axis=0) for i in range(count)])
    return np.sqrt((count - 1) / count * np.sum((means - means.mean(axis=0)) ** 2, axis=0))


def test_diffusion_is_that_of_plain_loops(velocities):
    findings = Findings()
    add_diffusion(findings, "310K", velocities, INTERVAL, DIFFUSION, KELVIN, VOLUME)
    correlations = [correlation_of(each) for chunk in velocities for each in chunk]
    integrals = [integral_of(each) for each in correlations]
    integral, correlation = findings.curves
    assert (integral.role, correlation.role) == ("running integral", "correlation")
    assert (integral.state, correlation.state) == ("310K", "310K")
    for curve in (integral, correlation):
        np.testing.assert_allclose(curve.columns["lag"], INTERVAL * np.arange(DEPTH + 1))
    for found, values in (
        (correlation.columns["value"], np.mean(correlations, axis=0)),
        (correlation.columns["error"], error_of(correlations)),
        (integral.columns["running_integral"], np.mean(integrals, axis=0)),
        (integral.columns["running_integral_error"], error_of(integrals)),
    ):
        np.testing.assert_allclose(found, values, rtol=1e-9, atol=1e-15)
    assert integral.units["running_integral"] == "1e-9 m²/s"
    assert correlation.units["error"] == "Å²/fs²"
    value, error, unit, *measured, fitted = found_in(findings)["self-diffusion", "310K"]
    assert value == pytest.approx(np.mean(integrals, axis=0)[-1], rel=1e-9)
    assert error == pytest.approx(error_of(integrals)[-1], rel=1e-9)
    assert (unit, measured, fitted) == ("1e-9 m²/s", [2.3, 0.05], False)
    assert ("self-diffusion, finite-size corrected", "310K") not in found_in(findings)


def test_the_slope_of_einstein_is_that_of_plain_loops(velocities):
    """A sixth of the slope of the mean square displacement between 5 and 10 frames, by trapezoidal sums."""
    findings = Findings()
    add_diffusion(findings, "310K", velocities, INTERVAL, DIFFUSION, KELVIN, VOLUME)
    slopes = []
    for trajectory in (each for chunk in velocities for each in chunk):
        places = [np.zeros((ATOMS, 3))]
        for n in range(FRAMES - 1):
            places.append(places[-1] + 0.5 * INTERVAL * (trajectory[n] + trajectory[n + 1]))
        squares = [
            np.mean(
                [
                    np.sum((places[n + lag][i] - places[n][i]) ** 2)
                    for n in range(FRAMES - lag)
                    for i in range(ATOMS)
                ]
            )
            for lag in (5, 10)
        ]
        slopes.append(1e4 * (squares[1] - squares[0]) / (5 * INTERVAL) / 6.0)
    value, error, _, measured, _, _ = found_in(findings)["self-diffusion, Einstein", "310K"]
    assert value == pytest.approx(np.mean(slopes), rel=1e-9)
    assert error == pytest.approx(np.std(slopes, ddof=1) / np.sqrt(8), rel=1e-9)
    assert np.isnan(measured)


def test_the_finite_size_correction_makes_diffusion_faster(velocities):
    """By ξ kT / (6 π η L): 2.837297 · 4.28001e-21 J / (6π · 8e-4 Pa s · 14e-10 m) is 0.5752e-9 m²/s."""
    findings = Findings()
    add_diffusion(
        findings,
        "310K",
        velocities,
        INTERVAL,
        DIFFUSION.model_copy(update={"viscosity": 0.8}),
        KELVIN,
        VOLUME,
    )
    found = found_in(findings)
    plain, corrected = (
        found[name, "310K"] for name in ("self-diffusion", "self-diffusion, finite-size corrected")
    )
    expected = 2.837297 * 1.380649e-23 * 310.0 / (6 * np.pi * 8e-4 * 14e-10) * 1e9
    assert corrected[0] - plain[0] == pytest.approx(expected, rel=1e-6)
    assert corrected[1:] == plain[1:]


def test_a_window_longer_than_the_trajectories_ends_with_them(velocities):
    """Two frames hold a single lag, which has no slope."""
    findings = Findings()
    short = [chunk[:, :2] for chunk in velocities]
    add_diffusion(
        findings, "310K", short, INTERVAL, DIFFUSION.model_copy(update={"window": 1e3}), KELVIN, VOLUME
    )
    np.testing.assert_array_equal(findings.curves[0].columns["lag"], [0.0, INTERVAL])
    assert set(found_in(findings)) == {("self-diffusion", "310K")}


CELL = np.array([[7.0, 0.0, 0.0], [1.0, 6.5, 0.0], [0.0, -0.7, 6.8]])
STRUCTURE = StructureSettings(pair=["O", "H"], longest=3.0, bin=0.5)
SPECIES = np.array([0, 1, 1, 0, 1])


@pytest.fixture(scope="module")
def chains():
    """Two chunks of two and three chains with four records each."""
    positions = np.random.default_rng(2).uniform(0.0, 1.0, (4, 5, 5, 3)) @ CELL
    return [
        made_up_ensemble(SPECIES, CELL, part[0], recorded_positions=part)
        for part in (positions[:, :2], positions[:, 2:])
    ]


def distribution_of(chains, first, second):
    """g(r) of each chain from the distances of all pairs and images [R, 6]."""
    images = np.array(list(product((-1, 0, 1), repeat=3))) @ CELL
    pairs = [
        (i, j) for i in range(5) for j in range(5) if (SPECIES[i], SPECIES[j]) == (first, second) and i != j
    ]
    found = []
    for records in (chunk.recorded_positions[:, r] for chunk in chains for r in range(len(chunk.positions))):
        counts = np.zeros(6)
        for x in records:
            for i, j in pairs:
                for distance in np.linalg.norm(x[j] + images - x[i], axis=1):
                    if distance < 3.0:
                        counts[int(distance / 0.5)] += 1
        shells = [4 / 3 * np.pi * ((0.5 * k + 0.5) ** 3 - (0.5 * k) ** 3) for k in range(6)]
        found.append(counts / len(records) / len(pairs) / shells * np.linalg.det(CELL))
    return np.array(found)


@pytest.mark.parametrize("pair", [(0, 1), (1, 1)], ids=["unlike", "like"])
def test_structure_is_that_of_plain_loops(chains, pair):
    findings = Findings()
    add_structure(findings, "300K", chains, pair, STRUCTURE, None)
    expected = distribution_of(chains, *pair)
    (curve,) = findings.curves
    assert (curve.role, curve.state) == ("structure", "300K")
    np.testing.assert_allclose(curve.columns["distance"], [0.25, 0.75, 1.25, 1.75, 2.25, 2.75])
    np.testing.assert_allclose(curve.columns["value"], expected.mean(axis=0), rtol=1e-9)
    error = np.std(expected, axis=0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(curve.columns["error"], error, rtol=1e-9)
    assert np.isnan(curve.columns["target"]).all()
    highest = np.argmax(expected.mean(axis=0))
    value, own_error, unit, measured, _, _ = found_in(findings)["first maximum of g_OH", "300K"]
    assert (value, own_error) == pytest.approx((expected.mean(axis=0)[highest], error[highest]), rel=1e-9)
    assert unit == "1" and np.isnan(measured)


def test_the_measured_structure_is_read_between_its_points_and_nowhere_else(chains):
    findings, target = Findings(), np.array([[1.0, 0.2, 0.01], [2.0, 3.4, 0.07], [2.5, 1.4, 0.02]])
    add_structure(findings, "300K", chains, (0, 1), STRUCTURE, target)
    expected = [np.nan, np.nan, 0.2 + 0.25 * 3.2, 0.2 + 0.75 * 3.2, 2.4, np.nan]
    np.testing.assert_allclose(findings.curves[0].columns["target"], expected)
    assert found_in(findings)["first maximum of g_OH", "300K"][3:5] == (3.4, 0.07)


def test_conditions_are_means_over_trajectories_and_drifts_count_without_their_sign():
    nothing = np.zeros(0)
    drifts = [[[0.1, -0.3], [-0.2, 0.2]], [[0.4, 0.0]]]
    kelvins = [[[290.0, 310.0], [310.0, 330.0]], [[280.0, 300.0]]]
    chunks = [
        Trajectories({}, nothing, nothing, np.array(d), np.array(t))
        for d, t in zip(drifts, kelvins, strict=True)
    ]
    findings = Findings()
    add_conditions(findings, "300K", chunks, 305.0)
    found = found_in(findings)
    means = [300.0, 320.0, 290.0]
    expected = (np.mean(means), np.std(means, ddof=1) / np.sqrt(3), "K", 305.0, 0.0, False)
    assert found["temperature", "300K"] == pytest.approx(expected)
    sizes = [0.1, 0.3, 0.2, 0.2, 0.4, 0.0]
    value, error, unit, measured, _, _ = found["energy drift", "300K"]
    assert (value, error) == pytest.approx((0.2, np.std(sizes, ddof=1) / np.sqrt(6)))
    assert unit == "meV/atom" and np.isnan(measured)


def test_fitted_observables_are_told_by_state_with_loss_value_and_measurement():
    def evaluation(loss, prediction):
        prediction = np.array(prediction)
        return Evaluation(loss, 0.1 * loss, prediction, 0.01 * prediction, np.zeros(1), np.zeros(2))

    def state(losses, single, curve):
        return StateObjective(
            np.full(2, 0.5),
            np.zeros(2),
            {"diffusion": np.array([400.0]), "infrared": np.array([20.0, 40.0])},
            {"diffusion": np.array([2.1]), "infrared": np.array([5.0, 6.0])},
            {"diffusion": evaluation(losses[0], [single]), "infrared": evaluation(losses[1], curve)},
        )

    states = {"280K": state((0.5, 0.2), 1.7, [4.0, 7.0]), "300K": state((0.3, 0.1), 1.9, [4.5, 6.5])}
    quantities = {
        "diffusion": [["limit", "fs"], ["D", "1e-9 m²/s"]],
        "infrared": [["ν", "cm⁻¹"], ["nα", "1/cm"]],
    }
    findings = Findings()
    add_evaluated(
        findings,
        Objective(states, {"diffusion": 1.0, "infrared": 2.0}, quantities),
        {
            "diffusion": DiffusionSettings(element="O", target=2.1, target_error=0.04),
            "infrared": InfraredSettings(target="unused"),
        },
        fitted=True,
    )
    found = found_in(findings)
    assert set(found) == set(product(("diffusion loss", "diffusion", "infrared loss"), ("280K", "300K")))
    for (name, label), (loss, error) in {
        ("diffusion loss", "280K"): (0.5, 0.05),
        ("infrared loss", "280K"): (0.2, 0.02),
        ("diffusion loss", "300K"): (0.3, 0.03),
        ("infrared loss", "300K"): (0.1, 0.01),
    }.items():
        value, own_error, unit, measured, _, fitted = found[name, label]
        assert (value, own_error) == pytest.approx((loss, error))
        assert unit == "1" and np.isnan(measured) and fitted
    assert found["diffusion", "280K"] == (1.7, pytest.approx(0.017), "1e-9 m²/s", 2.1, 0.04, True)
    assert found["diffusion", "300K"] == (1.9, pytest.approx(0.019), "1e-9 m²/s", 2.1, 0.04, True)
    curves = {(curve.name, curve.state): curve for curve in findings.curves}
    assert set(curves) == set(product(("diffusion", "infrared"), ("280K", "300K")))
    infrared = curves["infrared", "300K"]
    for name, expected in {
        "abscissa": [20.0, 40.0],
        "target": [5.0, 6.0],
        "prediction": [4.5, 6.5],
        "prediction_error": [0.045, 0.065],
    }.items():
        np.testing.assert_allclose(infrared.columns[name], expected)
        assert infrared.units[name] == ("cm⁻¹" if name == "abscissa" else "1/cm")
