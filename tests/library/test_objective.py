"""Losses, their errors and cotangents, the files of measured properties and of the objective."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import autoregressive

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import write_passed_through
from dynrefine.files.objectives import Objective, load_objective, save_objective
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import Observed
from dynrefine.refinement.objective import Sample, evaluate, evaluate_state
from dynrefine.statistics import Shares, jackknife_error, leave_one_out, standard_error
from dynrefine.units import BOLTZMANN

pytestmark = pytest.mark.usefixtures("fast_compilation")


@dataclass(frozen=True)
class Squares:
    """Predicts 3 C² of a statistic C [2, 2]; the loss is the squared distance from the target."""

    abscissa: np.ndarray = field(default_factory=lambda: np.array([100.0, 200.0, 300.0, 400.0]))
    target: np.ndarray = field(default_factory=lambda: np.array([1.0, 2.0, 3.0, 4.0]))

    along, at_start = ("matrices",), ()

    def statistic(self, observed):
        """The mean over frames of a series [S, frames, 2, 2]."""
        return jnp.mean(observed.along["matrices"], axis=1)

    def predict(self, mean):
        """[4]."""
        return 3.0 * mean.reshape(-1) ** 2

    def loss(self, mean):
        """A pure number."""
        return jnp.sum((self.predict(mean) - self.target) ** 2)


@pytest.fixture(scope="module")
def series():
    """Of eight replicas."""
    return Observed({"matrices": jnp.asarray(np.random.default_rng(1).normal(1.0, 0.3, (8, 5, 2, 2)))}, {})


def test_the_jackknife_error_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(2).normal(size=(30, 4))
    left_out = leave_one_out(jnp.asarray(values), jnp.full(30, 1 / 30))
    np.testing.assert_allclose(left_out[3], np.delete(values, 3, axis=0).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(jackknife_error(left_out), standard_error(values), rtol=1e-10)


def test_the_jackknife_error_of_a_square_is_that_of_propagation():
    values = np.random.default_rng(3).normal(5.0, 0.1, 2000)
    left_out = leave_one_out(jnp.asarray(values), jnp.full(2000, 1 / 2000))
    # d(m²) = 2 m dm; the next order is smaller by the relative error of the mean, 4e-4.
    expected = 2 * values.mean() * standard_error(values)
    assert float(jackknife_error(left_out**2)) == pytest.approx(expected, rel=1e-3)


def test_leaving_one_out_of_a_weighted_mean_renormalises_the_others():
    weights, values = np.array([0.1, 0.2, 0.7]), np.array([[3.0], [5.0], [-1.0]])
    found = leave_one_out(jnp.asarray(values), jnp.asarray(weights))
    expected = [np.average(np.delete(values, i), weights=np.delete(weights, i)) for i in range(3)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)


def test_samples_of_one_chain_are_left_out_together():
    generator = np.random.default_rng(5)
    weights, values = generator.uniform(0.1, 1.0, 7), generator.normal(size=(7, 2))
    weights /= weights.sum()
    chains = np.array([0, 2, 1, 0, 2, 2, 0])
    shares = Shares(jnp.asarray(weights), chains)
    found = leave_one_out(*shares.chain_means(jnp.asarray(values)))
    others = [chains != number for number in range(3)]
    expected = [np.average(values[own], axis=0, weights=weights[own]) for own in others]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_errors_of_correlated_samples_are_right_on_average():
    """Means over 20 chains of 4 samples, each of which remembers 0.6 of the one before."""
    generator, repeats = np.random.default_rng(6), 400
    values = np.array([autoregressive(generator, 20, 4, 0.6).ravel() for _ in range(repeats)])

    def mean_variance(chains):
        shares = Shares(jnp.full(80, 1 / 80), chains)
        error = jax.vmap(lambda own: jackknife_error(leave_one_out(*shares.chain_means(own))))
        return float(jnp.mean(error(jnp.asarray(values)) ** 2))

    # The variance of 400 values has a relative standard error of sqrt(2/400) = 7 %.
    true = np.var(values.mean(axis=1))
    assert mean_variance(np.arange(80) // 4) == pytest.approx(true, rel=3 * np.sqrt(2 / repeats))
    assert mean_variance(None) < 0.6 * true


def test_a_single_replica_has_no_error():
    assert np.isnan(jackknife_error(jnp.array([1.0])))


def test_an_evaluation_is_the_prediction_with_its_loss_cotangent_and_contributions(series):
    observable = Squares()
    statistics = observable.statistic(series)
    weights = jnp.arange(1.0, 9.0) / 36.0
    found = evaluate(observable, statistics, Shares(weights))
    mean = np.average(statistics, axis=0, weights=weights)
    assert found.loss == pytest.approx(float(observable.loss(mean)))
    np.testing.assert_allclose(found.prediction, 3 * mean.ravel() ** 2)
    for index in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[index] = 1e-5
        difference = (observable.loss(mean + step) - observable.loss(mean - step)) / 2e-5
        assert found.cotangent[index] == pytest.approx(float(difference), rel=1e-6)
    by_hand = [np.sum(found.cotangent * np.asarray(statistic)) for statistic in statistics]
    np.testing.assert_allclose(found.contributions, by_hand, rtol=1e-12)
    assert found.contributions @ np.asarray(weights) == pytest.approx(np.sum(found.cotangent * mean))


def test_errors_of_an_evaluation_are_about_those_of_propagation(series):
    observable = Squares()
    statistics = observable.statistic(series)
    found = evaluate(observable, statistics, Shares(jnp.full(8, 1 / 8)))
    mean, error = np.mean(statistics, axis=0).ravel(), standard_error(np.asarray(statistics)).ravel()
    # To first order in an error of 5 %.
    np.testing.assert_allclose(found.prediction_error, 6 * mean * error, rtol=0.1)
    assert found.loss_error == pytest.approx(standard_error(found.contributions), rel=0.15)


def test_errors_of_an_evaluation_with_unequal_weights_are_those_of_a_loop(series):
    """Each replica is left out in turn, and the others keep their weights beside each other."""
    observable = Squares()
    statistics = np.asarray(observable.statistic(series))
    weights = np.array([0.01, 0.3, 0.04, 0.05, 0.2, 0.1, 0.12, 0.18])
    found = evaluate(observable, jnp.asarray(statistics), Shares(jnp.asarray(weights)))
    losses, predictions = [], []
    for left_out in range(8):
        others = [replica for replica in range(8) if replica != left_out]
        total = sum(weights[replica] for replica in others)
        mean = sum(weights[replica] / total * statistics[replica] for replica in others)
        losses.append(float(observable.loss(mean)))
        predictions.append(observable.predict(mean))
    for error, estimates in ((found.loss_error, losses), (found.prediction_error, predictions)):
        spread = sum((each - sum(estimates) / 8) ** 2 for each in estimates)
        np.testing.assert_allclose(error, np.sqrt(7 / 8 * spread), rtol=1e-10)


def test_a_state_adds_up_its_observables_with_their_weights(series):
    names = {"first": Squares(), "second": Squares(target=np.zeros(4))}
    weights = {"first": 2.0, "second": 0.5}
    state = evaluate_state(names, weights, Sample.whole(series, Shares(jnp.full(8, 1 / 8))), 300.0)
    np.testing.assert_allclose(state.weights, 1 / 8)
    total = 2.0 * state.evaluations["first"].contributions + 0.5 * state.evaluations["second"].contributions
    expected = -(total - total.mean()) / 8 / (BOLTZMANN * 300.0)
    np.testing.assert_allclose(state.coefficients, expected, rtol=1e-10)
    cotangents = state.weighted_cotangents(weights)
    np.testing.assert_allclose(cotangents["second"], 0.5 * state.evaluations["second"].cotangent)


def test_unequal_weights_of_the_starting_points_enter_means_and_coefficients(series):
    shares = np.arange(1.0, 9.0) / 36.0
    state = evaluate_state(
        {"squares": Squares()}, {"squares": 1.0}, Sample.whole(series, Shares(jnp.asarray(shares))), 300.0
    )
    np.testing.assert_allclose(state.weights, shares, rtol=1e-12)
    found, observable = state.evaluations["squares"], Squares()
    mean = shares @ np.asarray(observable.statistic(series)).reshape(8, -1)
    assert found.loss == pytest.approx(float(observable.loss(mean.reshape(2, 2))), rel=1e-12)
    assert np.sum(state.coefficients) == pytest.approx(0.0, abs=1e-12 * np.abs(state.coefficients).max())


def test_coefficients_are_the_derivative_of_the_objective_as_energies_change(series):
    """With energies x u_s more, the starting points have weights w_s exp(-x u_s / kT), and the objective others."""
    observables, weights = (
        {"first": Squares(), "second": Squares(target=np.ones(4))},
        {"first": 2.0, "second": 0.3},
    )
    shares, energies = np.arange(1.0, 9.0) / 36.0, np.random.default_rng(4).normal(size=8)
    state = evaluate_state(observables, weights, Sample.whole(series, Shares(jnp.asarray(shares))), 250.0)
    statistics = np.asarray(observables["first"].statistic(series))

    def objective(change):
        factors = shares * np.exp(-change * energies / (8.617333262e-5 * 250.0))
        mean = np.average(statistics, axis=0, weights=factors)
        return sum(weights[name] * float(observable.loss(mean)) for name, observable in observables.items())

    # A step of 1e-6 eV is 5e-5 kT: of third order 1e-9, rounding 1e-10.
    expected = (objective(1e-6) - objective(-1e-6)) / 2e-6
    assert state.coefficients @ energies == pytest.approx(expected, rel=1e-7)


@dataclass(frozen=True)
class OfPoints(Squares):
    """The same of what is observed at the starting points alone [S, 2, 2]."""

    along, at_start = (), ("matrix",)

    def statistic(self, observed):
        """What was observed."""
        return observed.at_start["matrix"]


@dataclass(frozen=True)
class OfBoth(Squares):
    """The same of both."""

    along, at_start = ("matrices",), ("matrix",)

    def statistic(self, observed):
        """The mean over frames times what was observed at the start."""
        return jnp.mean(observed.along["matrices"], axis=1) * observed.at_start["matrix"]


def test_what_needs_no_trajectory_is_averaged_over_all_starting_points(series):
    """Where trajectories begin at five of eight, losses, errors and coefficients are those of averages over these."""
    generator = np.random.default_rng(6)
    shares, energies, begun = np.arange(1.0, 9.0) / 36.0, generator.normal(size=8), np.array([0, 1, 4, 5, 6])
    matrix = generator.normal(1.0, 0.3, (8, 2, 2))
    chains, kelvin = np.array([0, 1, 0, 1, 2, 3, 2, 3]), 250.0
    observed = Observed({"matrices": series.along["matrices"][begun]}, {"matrix": jnp.asarray(matrix)})
    observables, weights = {"both": OfBoth(), "points": OfPoints(), "squares": Squares()}, [0.2, 0.7, 1.5]
    importance = dict(zip(observables, weights, strict=True))
    sample = Sample(observed, Shares(jnp.asarray(shares), chains), begun)
    state = evaluate_state(observables, importance, sample, kelvin)
    means = np.asarray(observed.along["matrices"]).mean(axis=1)
    samples = {
        "both": (means * matrix[begun], begun),
        "points": (matrix, range(8)),
        "squares": (means, begun),
    }

    def objective(change):
        factors = shares * np.exp(-change * energies / (BOLTZMANN * kelvin))
        total = 0.0
        for name, (statistics, own) in samples.items():
            mean = np.average(statistics, axis=0, weights=factors[[*own]])
            total += importance[name] * float(observables[name].loss(mean))
        return total

    for name, (statistics, own) in samples.items():
        count = shares[[*own]] / shares[[*own]].sum()
        alone = evaluate(
            observables[name], jnp.asarray(statistics), Shares(jnp.asarray(count), chains[[*own]])
        )
        found = state.evaluations[name]
        assert (found.loss, found.loss_error) == pytest.approx((alone.loss, alone.loss_error), rel=1e-10)
    # As above, a step of 1e-6 eV.
    expected = (objective(1e-6) - objective(-1e-6)) / 2e-6
    assert state.coefficients @ energies == pytest.approx(expected, rel=1e-6)
    assert state.coefficients.sum() == pytest.approx(0.0, abs=1e-12 * np.abs(state.coefficients).max())


@pytest.mark.parametrize("name", ["squares", "weights", "coefficients", "observables"])
def test_the_table_and_the_file_of_an_objective(series, tmp_path, name):
    """Whatever an observable is called, it overwrites nothing."""
    weights = {"280K": {name: 2.0}, "300K": {name: 3.0}}
    states = {
        f"{kelvin}K": evaluate_state(
            {name: Squares()}, weights[f"{kelvin}K"], Sample.whole(series, Shares(jnp.full(8, 1 / 8))), kelvin
        )
        for kelvin in (280, 300)
    }
    objective = Objective(states, weights, {name: [["wavenumber", "cm⁻¹"], ["square", "e²"]]})
    table = objective.table()
    assert list(table.state) == ["280K", "300K"]
    assert table.loss[0] == states["280K"].evaluations[name].loss
    assert list(table.weight) == [2.0, 3.0]
    save_objective(tmp_path / "objective.npz", objective)
    found = load_objective(tmp_path / "objective.npz")
    assert found.weights == weights
    assert found.quantities == objective.quantities
    for label, state in states.items():
        other = found.states[label]
        np.testing.assert_array_equal(other.weights, state.weights)
        np.testing.assert_array_equal(other.coefficients, state.coefficients)
        np.testing.assert_array_equal(other.targets[name], state.targets[name])
        np.testing.assert_array_equal(other.abscissae[name], state.abscissae[name])
        for part, value in vars(state.evaluations[name]).items():
            np.testing.assert_array_equal(getattr(other.evaluations[name], part), value)


def test_an_objective_that_passed_through_is_none(tmp_path):
    write_passed_through(tmp_path / "objective.npz", "objective")
    assert load_objective(tmp_path / "objective.npz") is None


def test_a_target_is_read_past_its_comments(tmp_path):
    path = tmp_path / "target.csv"
    path.write_text(
        "# Measured by hand\n# twice\nwavenumber_cm-1,n_alpha_cm-1\n5,1.5\n10,-2\n", encoding="utf-8"
    )
    np.testing.assert_array_equal(read_measured(path), [[5.0, 1.5], [10.0, -2.0]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as a measured property.*No such file"),
        ("", "cannot be read as a measured property"),
        ("a,b\n1,two\n2,3\n", "cannot be read as a measured property.*could not convert"),
        ("a,b\n1,2\n", "two or more rows"),
        ("a\n1\n2\n", "two or more rows and columns"),
        ("a,b\n1,2\n2,\n", "finite numbers"),
        ("a,b\n1,2\n1,3\n", "first column rising"),
        ("a,b\n2,2\n1,3\n", "first column rising"),
    ],
    ids=["missing", "empty", "words", "one row", "one column", "a gap", "equal abscissae", "falling"],
)
def test_faulty_targets_are_named(tmp_path, content, message):
    path = tmp_path / "target.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CampaignError, match=rf"(?s)target\.csv.*{message}"):
        read_measured(path)
