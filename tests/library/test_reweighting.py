"""Boltzmann weights against their definition, and the derivatives of weighted means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.reweighting import boltzmann_weights, effective_sample_size, ensemble_coefficients

KELVIN = 300.0
BETA = 1 / (8.617333262e-5 * KELVIN)  # 1/eV


def test_weights_are_boltzmann_factors_and_add_up_to_one():
    change = np.array([0.01, -0.02, 0.05, 0.0])
    factors = np.exp(-BETA * change)
    np.testing.assert_allclose(
        boltzmann_weights(jnp.asarray(change), KELVIN), factors / factors.sum(), rtol=1e-12
    )


def test_a_common_change_of_energy_does_not_matter_and_large_ones_do_not_overflow():
    change = jnp.array([0.01, -0.02, 0.05])
    shifted = boltzmann_weights(change + 4000.0, KELVIN)
    np.testing.assert_allclose(shifted, boltzmann_weights(change, KELVIN), rtol=1e-9)
    np.testing.assert_array_equal(boltzmann_weights(jnp.array([0.0, 4000.0]), KELVIN), [1.0, 0.0])


def test_the_effective_sample_size_goes_from_all_to_one():
    assert effective_sample_size(jnp.full(50, 1 / 50)) == pytest.approx(50.0)
    assert effective_sample_size(jnp.array([1.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert effective_sample_size(jnp.array([0.5, 0.5, 0.0])) == pytest.approx(2.0)
    uneven = effective_sample_size(jnp.array([0.7, 0.2, 0.1]))
    assert uneven == pytest.approx(np.exp(-(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1))))


@pytest.mark.parametrize("seed", range(3))
def test_coefficients_are_the_derivative_of_a_weighted_mean(seed):
    generator = np.random.default_rng(seed)
    energies = jnp.asarray(generator.normal(0.0, 0.03, 6))
    values = jnp.asarray(generator.normal(size=6))
    weights = boltzmann_weights(energies, KELVIN)
    expected = jax.grad(lambda energies: boltzmann_weights(energies, KELVIN) @ values)(energies)
    found = ensemble_coefficients(weights, values, KELVIN)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_coefficients_add_up_to_zero_and_ignore_a_constant():
    weights = jnp.array([0.2, 0.5, 0.3])
    values = jnp.array([3.0, -1.0, 2.0])
    found = ensemble_coefficients(weights, values, KELVIN)
    assert float(jnp.sum(found)) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(ensemble_coefficients(weights, values + 7.0, KELVIN), found, rtol=1e-12)
    # By hand for the first: -β w (l - <l>) with <l> = 0.7.
    assert float(found[0]) == pytest.approx(-BETA * 0.2 * 2.3)
