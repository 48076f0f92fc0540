"""The depth to which the gradient is followed: its signal, its noise and the choice."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from systems import TRICLINIC, SoftPairs, field_of, water_box

from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.errors import CampaignError
from dynrefine.geometry.system import thermal_velocities
from dynrefine.properties.correlation import autocorrelation
from dynrefine.quantities.base import Observer
from dynrefine.refinement.depth_pilot import Pilot, ladder, longest_resolved, measure, statistics
from dynrefine.sampling.trajectories import adjoint_depth
from dynrefine.statistics import shortened

pytestmark = pytest.mark.usefixtures("fast_compilation")

STARTS, TIMESTEP, INTERVAL = 3, 0.5, 1.0


class VelocityCorrelation:
    """A loss of the velocity autocorrelation up to ten frames, fewer in shorter series."""

    def statistic(self, observed):
        velocities = observed.along["velocities"]
        flat = velocities.reshape(*velocities.shape[:-2], -1)
        return autocorrelation(flat, 10)

    def loss(self, mean):
        return jnp.sum((1e3 * mean - 0.25) ** 2)


@pytest.fixture(scope="module")
def pilot():
    system, positions = water_box(2, TRICLINIC)
    shifts = np.random.default_rng(3).normal(0.0, 0.05, (STARTS, *positions.shape))
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, 300.0))
    architecture = SoftPairs()
    return Pilot(
        simulation=Simulation(
            field_of(architecture, system.cell),
            ObservationTimes.spanning(6.0, INTERVAL, TIMESTEP),
            Observer.of(["velocities"], {}),
            Observer({}, {}),
            architecture.initial_parameters(),
            system,
        ),
        observables={"velocities": VelocityCorrelation()},
        weights={"velocities": 2.0},
        starts=system.points(positions[None] + shifts, draw(jax.random.split(jax.random.key(4), STARTS))),
        tolerance=1e-6,
        chains=STARTS,
    )


def test_the_gradient_at_the_full_depth_is_that_of_the_loss(pilot):
    observed, ends = pilot.trajectories(6.0)
    rows, reversal = pilot.gradient(6.0, observed, ends, pilot.cotangents(observed))
    step = 1e-5

    def loss(shift):
        parameters = pilot.simulation.parameters
        trainable = dict(parameters["trainable"])
        first = min(trainable)
        trainable[first] = trainable[first] + shift
        moved = replace(pilot.simulation, parameters={**parameters, "trainable": trainable})
        shifted, _ = replace(pilot, simulation=moved).trajectories(6.0)
        mean = jnp.mean(VelocityCorrelation().statistic(shifted), axis=0)
        return 2.0 * VelocityCorrelation().loss(mean)

    difference = float(loss(step) - loss(-step)) / (2.0 * step)
    # Central differences in double precision: their error is of the order of step² times a third derivative.
    np.testing.assert_allclose(rows.sum(axis=0)[0], difference, rtol=1e-6, atol=1e-8)
    assert reversal < 1e-9


def test_the_table_has_a_row_for_each_depth_and_one_choice(pilot):
    table = measure(pilot, [2.0, 4.0, 6.0], 1e-9, np.ones(1), 5.0)
    assert table.depth_fs.tolist() == [2.0, 4.0, 6.0]
    assert table.chosen.tolist() == [False, False, True]
    slope = np.diff(np.log(table.spread)) / 2.0
    np.testing.assert_allclose(table.growth_rate_per_fs.iloc[[0, -1]], slope)


def test_parameters_are_counted_in_their_units_and_wild_gradients_shortened(pilot):
    observed, ends = pilot.trajectories(6.0)
    rows, _ = pilot.gradient(6.0, observed, ends, pilot.cotangents(observed))
    shares = pilot.shares_of_rows
    expected, plain = statistics(shortened(3.0 * rows, shares, 1.0), shares), statistics(3.0 * rows, shares)
    found = measure(pilot, [6.0], 1e-9, np.full(1, 3.0), outlier_limit=1.0)
    for column in ("gradient_norm", "gradient_norm_error", "spread", "signal_to_noise"):
        np.testing.assert_allclose(found[column], expected[column], rtol=1e-12)
    assert expected["spread"] < plain["spread"]


def test_a_pilot_that_cannot_be_reversed_at_all_says_so(pilot):
    strict = replace(pilot, tolerance=0.0)
    with pytest.raises(CampaignError, match="missed its starting point"):
        measure(strict, [2.0, 4.0], 1.0, np.ones(1), 5.0)


def test_a_pilot_of_a_single_chain_says_that_it_cannot_tell(pilot):
    single = replace(pilot, chains=1)
    with pytest.raises(
        CampaignError, match=r"3 starting points of 1 chains.*ensemble\.replicas.*gradient\.depth"
    ):
        measure(single, [2.0], 1.0, np.ones(1), 5.0)


def test_without_an_error_there_is_no_signal_to_noise():
    rows = np.ones((4, 2))
    assert np.isnan(statistics(rows, np.full(4, 0.25), np.zeros(4, int))["signal_to_noise"])
    assert np.isnan(statistics(0 * rows, np.full(4, 0.25))["signal_to_noise"])


def test_signal_and_noise_of_random_rows():
    """Rows of known mean and scatter: the sum has norm |m| S, and error σ sqrt(S P)."""
    count, parameters, scatter = 400, 50, 0.3
    rng = np.random.default_rng(1)
    rows = 0.1 + scatter * rng.normal(size=(count, parameters))
    found = statistics(rows, np.full(count, 1.0 / count))
    error = scatter * np.sqrt(count * parameters)
    signal = 0.1 * count * np.sqrt(parameters)
    # The error comes from 20,000 numbers, good to 1/sqrt(40,000); along the signal the noise is error/sqrt(50),
    # 2 % of it. Three standard errors of each.
    np.testing.assert_allclose(found["gradient_norm_error"], error, rtol=0.015)
    np.testing.assert_allclose(found["spread"], error * np.sqrt(count), rtol=0.015)
    np.testing.assert_allclose(found["gradient_norm"], np.hypot(signal, error), rtol=0.065)
    np.testing.assert_allclose(found["signal_to_noise"], signal / error, rtol=0.08)


def test_the_longest_depth_above_the_threshold_is_chosen():
    table = pd.DataFrame({"depth_fs": [10.0, 20.0, 40.0, 80.0], "signal_to_noise": [0.5, 3.0, 1.2, 0.9]})
    assert longest_resolved(table, 1.0) == 40.0
    assert longest_resolved(table, 5.0) == 20.0  # nothing reaches it: the best


def test_the_ladder_is_even_in_ratio_and_on_the_frames():
    assert ladder(20.0, 160.0, 4, 2.0) == [20.0, 40.0, 80.0, 160.0]
    assert ladder(2.0, 8.0, 6, 2.0) == [4.0, 6.0, 8.0]


def test_a_depth_that_is_set_is_taken_and_auto_is_read(tmp_path):
    path = tmp_path / "horizon.csv"
    pd.DataFrame({"depth_fs": [10.0, 20.0], "chosen": [True, False]}).to_csv(path, index=False)
    assert adjoint_depth(150.0, None) == 150.0
    assert adjoint_depth("auto", str(path)) == 10.0
