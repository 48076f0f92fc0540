"""Self-diffusion of particles whose diffusion coefficient is known, and its finite-size correction."""

import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.properties import DiffusionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.properties.diffusion import (
    einstein_diffusion,
    finite_size_correction,
    running_diffusion,
    velocity_autocorrelation,
)

INTERVAL = 4.0  # fs


@pytest.fixture(scope="module")
def velocities():
    """Ornstein-Uhlenbeck velocities with <v²> = 3e-5 Å²/fs² and a lifetime of 50 fs [60 replicas, frames, 5, 3]."""
    generator = np.random.default_rng(8)
    retained = np.exp(-INTERVAL / 50.0)
    noise = generator.normal(0.0, np.sqrt(1e-5), (400, 60, 5, 3))
    series = [noise[0]]
    for kick in noise[1:]:
        series.append(retained * series[-1] + np.sqrt(1 - retained**2) * kick)
    return jnp.asarray(np.stack(series, axis=1))


def test_diffusion_of_known_velocities(velocities):
    depth = 60
    correlation = velocity_autocorrelation(velocities, depth)
    assert correlation.shape == (60, depth + 1)
    running = np.asarray(running_diffusion(correlation, INTERVAL))
    # <v(0) v(t)> = <v²> r^k exactly at the lags; the trapezoidal sum of that, in 1e-9 m²/s = 1e-4 Å²/fs.
    powers = np.exp(-INTERVAL / 50.0) ** np.arange(depth + 1)
    expected = 1e4 / 3 * 3e-5 * INTERVAL * (np.sum(powers) - 0.5 * (powers[0] + powers[-1]))
    error = np.std(running[:, -1], ddof=1) / np.sqrt(len(running))
    assert error < 0.05 * expected
    assert abs(np.mean(running[:, -1]) - expected) < 4 * error


def test_the_correlation_is_the_mean_over_atoms_and_origins(velocities):
    found = velocity_autocorrelation(velocities[:2], 3)
    by_hand = np.mean(np.sum(velocities[:2, :-3] * velocities[:2, 3:], axis=-1), axis=(1, 2))
    np.testing.assert_allclose(found[:, 3], by_hand, rtol=1e-9)


def test_the_running_integral_is_that_of_the_trapezoidal_rule():
    correlation = jnp.array([[4.0, 2.0, 1.0], [0.0, 3.0, 3.0]])
    expected = 1e4 / 3 * np.array([[0.0, 6.0, 9.0], [0.0, 3.0, 9.0]])
    np.testing.assert_allclose(running_diffusion(correlation, 2.0), expected)


def test_the_estimate_of_einstein_is_the_same_coefficient(velocities):
    # The lifetime of 50 fs is short beside the half of the lags the slope is taken over: 60 frames of 4 fs.
    estimates = np.asarray(einstein_diffusion(velocities, INTERVAL, 120))
    retained = np.exp(-INTERVAL / 50.0)
    expected = (
        1e4 / 3 * 3e-5 * INTERVAL * (1.0 / (1.0 - retained) - 0.5)
    )  # of the trapezoidal sum to infinity
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert error < 0.05 * expected
    # What the slope still lacks after 240 fs is of order exp(-240 / 50) = 0.8 %, far less than the error.
    assert abs(np.mean(estimates) - expected) < 4 * error


def test_the_observable_is_the_integral_for_its_element(velocities):
    symbols = ("Ar", "Ne", "Ar", "Ar", "Ne")
    conditions = Conditions(94.4, 1000.0, 5, INTERVAL, symbols)
    settings = DiffusionSettings(element="Ar", target=3.0, target_error=0.1, window=200.0)
    observable = create_observables({"diffusion": settings}, {"diffusion": None}, conditions)["diffusion"]
    statistic = observable.statistic(Observed({"velocities": velocities}, {}))
    mean = statistic.mean(axis=0)
    argon = velocity_autocorrelation(velocities[:, :, np.array([0, 2, 3])], 50).mean(axis=0)
    expected = float(running_diffusion(argon, INTERVAL)[-1])
    assert observable.predict(mean)[0] == pytest.approx(expected, rel=1e-12)
    assert observable.loss(mean) == pytest.approx((expected / 3.0 - 1.0) ** 2, rel=1e-9)
    assert observable.abscissa == [200.0]
    # In an infinite cell of a liquid of this viscosity it is faster, at the same statistics.
    settings = settings.model_copy(update={"viscosity": 0.3})
    observable = create_observables({"diffusion": settings}, {"diffusion": None}, conditions)["diffusion"]
    corrected = expected + finite_size_correction(94.4, 0.3, 1000.0)
    assert observable.predict(mean)[0] == pytest.approx(corrected, rel=1e-12)
    assert observable.loss(mean) == pytest.approx((corrected / 3.0 - 1.0) ** 2, rel=1e-9)
    # A series shorter than the window, as the adjoint may see it, holds the lags it has.
    short = observable.statistic(Observed({"velocities": velocities[:, :31]}, {}))
    assert short.shape == statistic.shape
    assert np.all(short[:, 31:] == 0.0) and np.all(short[:, 30] != 0.0)


def test_ballistic_particles_diffuse_with_time():
    # Constant velocities: D(t) = <v²> t / 3.
    steady = jnp.broadcast_to(jnp.array([3e-3, 0.0, 4e-3]), (1, 50, 2, 3))
    running = running_diffusion(velocity_autocorrelation(steady, 10), INTERVAL)[0]
    np.testing.assert_allclose(running, 1e4 * 25e-6 * INTERVAL * np.arange(11) / 3, rtol=1e-9)


def test_the_finite_size_correction_of_water():
    # ξ kT / (6 π η L) at 298.15 K, 0.89 mPa s and 12.42 Å:
    # 2.837297 · 4.11640e-21 J / (6π · 8.9e-4 Pa s · 1.242e-9 m) = 5.6054e-10 m²/s.
    assert finite_size_correction(298.15, 0.89, 12.42**3) == pytest.approx(0.56054, rel=1e-4)


def test_the_finite_size_correction_falls_with_edge_and_viscosity():
    reference = finite_size_correction(300.0, 1.0, 1000.0)
    assert finite_size_correction(300.0, 1.0, 8000.0) == pytest.approx(reference / 2)
    assert finite_size_correction(300.0, 2.0, 1000.0) == pytest.approx(reference / 2)
    assert finite_size_correction(600.0, 1.0, 1000.0) == pytest.approx(2 * reference)
