"""Time correlations against their definition, and their transforms against analytic ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.properties.correlation import autocorrelation, cosine_transform, hann_window

pytestmark = pytest.mark.usefixtures("fast_compilation")


def by_definition(series: np.ndarray, depth: int) -> np.ndarray:
    """Mean over all origins of a_n · a_(n+k), by two loops."""
    frames = len(series)
    return np.array(
        [np.mean([series[n] @ series[n + k] for n in range(frames - k)]) for k in range(depth + 1)]
    )


@pytest.mark.parametrize(("frames", "depth"), [(40, 15), (41, 40), (7, 0), (2, 1)])
def test_the_autocorrelation_is_its_definition(frames, depth):
    series = np.random.default_rng(frames).normal(1.0, 1.0, (frames, 3))  # with a mean that must stay
    found = autocorrelation(jnp.asarray(series), depth)
    np.testing.assert_allclose(found, by_definition(series, depth), atol=1e-12)


def test_leading_axes_are_independent_series():
    series = np.random.default_rng(1).normal(size=(2, 3, 20, 4))
    found = autocorrelation(jnp.asarray(series), 6)
    assert found.shape == (2, 3, 7)
    np.testing.assert_allclose(found[1, 2], by_definition(series[1, 2], 6), atol=1e-12)


def test_the_autocorrelation_in_single_precision():
    series = np.random.default_rng(2).normal(size=(200, 3)).astype(np.float32)
    found = autocorrelation(jnp.asarray(series), 50)
    assert found.dtype == jnp.float32
    # Sums of 600 products of size one, by transforms of rounding 6e-8 each.
    np.testing.assert_allclose(found, by_definition(series.astype(float), 50), atol=1e-5)


def test_the_autocorrelation_is_zero_at_lags_that_the_series_does_not_hold():
    series = np.random.default_rng(3).normal(size=(5, 20, 3))
    found = np.asarray(autocorrelation(jnp.asarray(series), 24))
    np.testing.assert_allclose(found[2, :20], by_definition(series[2], 19), atol=1e-12)
    assert found.shape == (5, 25) and not found[:, 20:].any()


def test_the_window_falls_from_one_to_zero_with_zero_slope():
    window = np.asarray(hann_window(10, jnp.float64))
    lags = np.arange(11)
    np.testing.assert_allclose(window, np.cos(0.5 * np.pi * lags / 10) ** 2, atol=1e-15)
    assert (window[0], window[-1]) == (1.0, pytest.approx(0.0, abs=1e-15))


def test_the_transform_of_an_exponential_is_a_lorentzian():
    # ∫ exp(-|t|/τ) cos ωt dt = 2τ / (1 + (ωτ)²). The trapezoidal rule on a kink at zero errs by
    # interval²/12 times the jump of the slope, 2/τ; the tail beyond 30 τ is 1e-13.
    lifetime, interval = 10.0, 0.25
    lags = interval * np.arange(round(30 * lifetime / interval) + 1)
    frequencies = jnp.array([0.0, 0.05, 0.1, 0.5])
    found = cosine_transform(jnp.exp(-lags / lifetime), interval, frequencies)
    lorentzian = 2 * lifetime / (1 + (frequencies * lifetime) ** 2)
    error = interval**2 / 12 * 2 / lifetime
    np.testing.assert_allclose(found, lorentzian, atol=1.1 * error)
    np.testing.assert_allclose(found, lorentzian + error, atol=0.02 * error)


def test_the_transform_of_a_gaussian_is_a_gaussian():
    # Smooth, so that the trapezoidal rule is exact as long as the spectrum ends below the sampling frequency.
    width, interval = 5.0, 2.0
    lags = interval * np.arange(40)
    frequencies = jnp.linspace(0.0, 1.0, 7)
    found = cosine_transform(jnp.exp(-0.5 * (lags / width) ** 2), interval, frequencies)
    expected = width * np.sqrt(2 * np.pi) * np.exp(-0.5 * (width * frequencies) ** 2)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_leading_axes_are_transformed_each():
    correlations = np.random.default_rng(3).normal(size=(4, 2, 9))
    frequencies = jnp.array([0.1, 0.2])
    found = cosine_transform(jnp.asarray(correlations), 0.5, frequencies)
    assert found.shape == (4, 2, 2)
    np.testing.assert_allclose(
        found[3, 1], cosine_transform(jnp.asarray(correlations[3, 1]), 0.5, frequencies)
    )
