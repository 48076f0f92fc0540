"""What a potential is judged by, against the same in plain NumPy."""

from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
import pytest
from systems import CUBIC, ELEMENTS, POTENTIAL, made_up_ensemble, random_model, water_box

from dynrefine.config.data import WATER
from dynrefine.config.dynamics import JudgeSettings, NeighbourSettings, State, TrajectorySettings
from dynrefine.config.objective import TargetsSettings
from dynrefine.config.properties import Observables
from dynrefine.config.properties.structure import RadialDistributionSettings
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.config.steps import SimulationSettings, Validate
from dynrefine.files.trajectories import Trajectories
from dynrefine.properties.base import Detail
from dynrefine.quantities.base import Observer, Quantity
from dynrefine.refinement.gathering import Measured
from dynrefine.refinement.validation import Findings, Judged, add_conditions, add_judged, judged_properties
from dynrefine.sampling.broken_molecules import share_of_broken, with_broken_molecules
from dynrefine.sampling.records import observe_records

pytestmark = pytest.mark.usefixtures("fast_compilation")


@dataclass(frozen=True)
class Number:
    """The root of a mean."""

    target: np.ndarray = field(default_factory=lambda: np.array([2.0]))
    abscissa = np.array([400.0])
    along = ("velocities",)
    at_start = ()
    quantities = (("limit", "fs"), ("root", "Å"))

    def predict(self, mean):
        return jnp.sqrt(mean)[..., None]

    def loss(self, mean):
        return jnp.sum((self.predict(mean) / jnp.asarray(self.target) - 1.0) ** 2)


@dataclass(frozen=True)
class Curve:
    """The square of a mean, measured nowhere, with its maximum and its cumulative sum."""

    target = np.full(3, np.nan)
    abscissa = np.array([1.0, 2.0, 3.0])
    along = ()
    at_start = ("energy",)
    quantities = (("place", "Å"), ("square", "eV"))
    details = {
        "maximum": Detail.number(("largest", "eV"), 5.0, 0.3),
        "sum": Detail.curve(("place", "Å"), ("sum", "eV"), abscissa, 7.0),
    }

    def predict(self, mean):
        return mean**2

    def detail(self, mean):
        return {"maximum": jnp.max(mean)[None], "sum": jnp.cumsum(mean)}

    def loss(self, mean):
        return jnp.sum((self.predict(mean) - jnp.asarray(self.target)) ** 2)


def found_in(findings):
    """Value, error, unit, measured value, its error, and whether it is fitted, by property and state."""
    table = findings.table()
    columns = ["value", "standard_error", "unit", "measured", "measured_error", "fitted"]
    return {
        (row.property, row.state): tuple(getattr(row, name) for name in columns) for row in table.itertuples()
    }


def error_of(function, samples):
    """The standard error of a function of a mean by leaving each of its values out in turn."""
    count = len(samples)
    values = np.array([function(np.delete(samples, i, axis=0).mean(axis=0)) for i in range(count)])
    return np.sqrt((count - 1) / count * np.sum((values - values.mean(axis=0)) ** 2, axis=0))


def test_a_number_has_a_loss_a_value_and_a_measurement():
    samples = np.random.default_rng(1).uniform(2.0, 6.0, 7)
    measured = Measured(DiffusionSettings(element="O", target=2.0, target_error=0.04), None)
    findings = Findings()
    add_judged(findings, "300K", Judged("root", measured, Number(), fitted=True), jnp.asarray(samples))
    found = found_in(findings)
    assert set(found) == {("root loss", "300K"), ("root", "300K")}
    loss, error, unit, *measured, fitted = found["root loss", "300K"]
    assert loss == pytest.approx((np.sqrt(samples.mean()) / 2.0 - 1.0) ** 2)
    assert error == pytest.approx(error_of(lambda mean: (np.sqrt(mean) / 2.0 - 1.0) ** 2, samples))
    assert unit == "1" and np.isnan(measured).all() and fitted
    expected = (
        pytest.approx(np.sqrt(samples.mean())),
        pytest.approx(error_of(np.sqrt, samples)),
        "Å",
        2.0,
        0.04,
        True,
    )
    assert found["root", "300K"] == expected
    assert {row["family"] for row in findings.rows} == {"self-diffusion of O"}
    (curve,) = findings.curves
    assert (curve.name, curve.state, curve.units["abscissa"]) == ("root", "300K", "fs")


def test_what_was_not_measured_has_no_uncertainty():
    measured = Measured(DiffusionSettings(element="O"), None)
    unmeasured = Number(target=np.array([np.nan]))
    findings = Findings()
    add_judged(findings, "340K", Judged("root", measured, unmeasured, fitted=False), jnp.arange(2.0, 6.0))
    value, _, _, *measured, _ = found_in(findings)["root", "340K"]
    assert value == pytest.approx(np.sqrt(3.5)) and np.isnan(measured).all()


def test_a_curve_without_a_measurement_has_no_loss_but_what_is_told_beside_it():
    samples = np.random.default_rng(2).uniform(0.0, 2.0, (6, 3))
    measured = Measured(RadialDistributionSettings(pair=["O", "O"]), None)
    judged = Judged("square", measured, Curve(), fitted=False)
    findings = Findings()
    add_judged(findings, "300K", judged, jnp.asarray(samples))
    assert set(found_in(findings)) == {("square: maximum", "300K")}
    value, error, unit, *measured, fitted = found_in(findings)["square: maximum", "300K"]
    assert value == pytest.approx(samples.mean(axis=0).max())
    assert error == pytest.approx(error_of(np.max, samples))
    assert (unit, measured, fitted) == ("eV", [5.0, 0.3], False)
    curves = {curve.name: curve for curve in findings.curves}
    square, total = curves["square"], curves["square: sum"]
    np.testing.assert_allclose(square.columns["prediction"], samples.mean(axis=0) ** 2)
    np.testing.assert_allclose(total.columns["prediction"], np.cumsum(samples.mean(axis=0)))
    errors = total.columns["prediction_error"]
    np.testing.assert_allclose(errors, error_of(np.cumsum, samples))
    assert np.isnan(square.columns["target"]).all()
    np.testing.assert_array_equal(total.columns["target"], np.full(3, 7.0))
    assert total.units["prediction"] == "eV"
    assert total.axes == ("place (Å)", "sum (eV)")


def test_records_are_observed_in_the_order_of_their_chains_with_drawn_velocities():
    """Three records of two chains, each with two starting points."""
    system, positions = water_box(2, CUBIC)
    model = random_model(POTENTIAL, system, positions)
    recorded = np.arange(6.0).reshape(3, 2, 1, 1) * 1e-3 + np.asarray(positions)
    velocities = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 6, 3))
    ensemble = made_up_ensemble(
        system.species,
        system.cell,
        np.tile(recorded[-1], (2, 1, 1)),
        velocities=velocities,
        recorded_positions=recorded,
    )
    settings = SimulationSettings(
        elements=WATER, potential=POTENTIAL, surfaces={}, ensemble=NeighbourSettings(neighbour_capacity=64)
    )
    observer = Observer(
        {
            "both": Quantity(
                lambda _, __, point, ___: jnp.stack([point.positions[0, 0], point.velocities[0, 0]]), "1"
            )
        },
        {},
    )
    found = observe_records(model, ensemble, settings, observer)["both"]
    np.testing.assert_allclose(
        found[..., 0] - positions[0, 0], 1e-3 * np.array([[0, 2, 4], [1, 3, 5]]), atol=1e-12
    )
    np.testing.assert_allclose(found[..., 1], [[0, 0, 2], [1, 1, 3]])


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


def water_boxes():
    """Four configurations of three molecules: as they are, a hydrogen across the boundary, jumped, and ions."""
    oxygen = np.array([[0.1, 0.1, 0.1], [4.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    arms = np.array([[0.6, 0.75, 0.0], [0.6, -0.75, 0.0]])
    hydrogen = (oxygen[:, None] + arms).reshape(-1, 3)
    across, jumped, ions = (hydrogen.copy() for _ in range(3))
    across[0] = oxygen[0] - [0.9, 0.0, 0.0] + [8.0, 0.0, 0.0]
    jumped[[0, 2]] = jumped[[2, 0]]
    ions[0] = oxygen[1] + [0.0, 0.0, 0.98]
    return np.stack([np.concatenate([oxygen, each]) for each in (hydrogen, across, jumped, ions)])


def test_molecules_are_broken_where_hydrogens_are_shared_out_otherwise_than_in_most():
    positions = water_boxes()
    cells = np.stack([8.0 * np.eye(3)] * len(positions))
    broken = with_broken_molecules([*"OOO", *"HHHHHH"], positions, cells)
    assert broken.tolist() == [False, False, False, True]
    with_water = with_broken_molecules([*"OCO", *"HHHHHH"], positions, cells)
    assert with_water.tolist() == [False, False, False, True]


def test_the_share_of_broken_molecules_is_over_all_chunks():
    positions = water_boxes()
    chunks = [
        made_up_ensemble([0] * 3 + [1] * 6, 8.0 * np.eye(3), positions[chosen])
        for chosen in ([0, 1], [2, 0], [3])
    ]
    # one in five
    for hydrogen in ("H", "D"):
        assert share_of_broken(chunks, ["O", hydrogen]) == pytest.approx((20.0, 20.0))
    for nothing_to_break in ("Ar", "H"):
        alone = made_up_ensemble([0] * 9, 8.0 * np.eye(3), positions)
        assert share_of_broken([alone], [nothing_to_break]) is None


def test_a_molecule_that_stays_broken_counts_once_in_the_error():
    """Of three chains one is broken at both of its starting points."""
    chosen = water_boxes()[[3, 0, 1, 3, 2, 0]]
    chunk = made_up_ensemble([0] * 3 + [1] * 6, 8.0 * np.eye(3), chosen, chain_positions=chosen[:3])
    assert share_of_broken([chunk], ["O", "H"]) == pytest.approx((100.0 / 3.0, 100.0 / 3.0))


def test_measured_curves_have_the_errors_of_the_file_of_their_state(tmp_path):
    for name, errors in (("one", ",error\n1,0,0.1\n5,1,0.5\n"), ("other", "\n1,0\n5,1\n")):
        (tmp_path / f"{name}.csv").write_text(f"r,g{errors}")
    rdf = RadialDistributionSettings(
        pair=["O", "O"],
        target=str(tmp_path / "one.csv"),
        targets={"350K": str(tmp_path / "other.csv")},
        longest=4.0,
    )
    settings = Validate.model_construct(
        elements=ELEMENTS,
        trajectory=TrajectorySettings(),
        objective=TargetsSettings(observables=Observables(rdf=rdf)),
        validation=JudgeSettings(properties=Observables()),
    )
    ensemble = made_up_ensemble(np.array([0, 1, 1]), 12.0 * np.eye(3), np.zeros((2, 3, 3)))
    for kelvin, slope in ((300.0, 0.1), (350.0, 0.0)):
        state = State(temperature=kelvin, density=1.0)
        (judged,) = judged_properties(settings, state, [ensemble], seen=True)
        expected = slope * np.clip(judged.observable.abscissa, 1.0, 5.0)
        np.testing.assert_allclose(judged.target_error, expected, atol=1e-12)
