"""Weights against their definitions and against other estimators, and the derivatives of weighted means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import OptimizeResult, brentq
from scipy.special import expit

from dynrefine.errors import CampaignError
from dynrefine.sampling.reweighting import (
    boltzmann_weights,
    effective_sample_size,
    ensemble_coefficients,
    mixture_weights,
)

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


def oscillators(generator, stiffnesses, counts):
    """Positions drawn in harmonic wells at 1/β, so many in each, and their energies in every well [K, S] in eV."""
    widths = np.repeat(np.sqrt(1 / (BETA * np.asarray(stiffnesses))), counts)
    positions = widths * generator.normal(size=len(widths))
    return positions, 0.5 * np.multiply.outer(stiffnesses, positions**2)


def test_weights_of_a_mixture_of_one_potential_are_boltzmann_factors():
    _, energies = oscillators(np.random.default_rng(1), [1.0, 1.5, 1.2], [0, 40, 0])
    expected = boltzmann_weights(jnp.asarray(energies[2] - energies[1]), KELVIN)
    np.testing.assert_allclose(mixture_weights(energies, np.array([0, 40, 0]), KELVIN), expected, rtol=1e-9)


def test_weights_of_a_mixture_of_two_potentials_are_those_of_the_acceptance_ratio_of_bennett():
    """Bennett, J. Comput. Phys. 22, 245 (1976): the free energy difference is the root of his equation."""
    counts = np.array([60, 25])
    _, energies = oscillators(np.random.default_rng(2), [1.0, 2.5], counts)
    energies[1] += 3.0  # a common shift of one potential's energies is a shift of its free energy
    ratio, work = np.log(counts[1] / counts[0]), BETA * (energies[1] - energies[0])

    def equation(difference):
        forward = expit(-(work[: counts[0]] - difference - ratio))
        backward = expit(work[counts[0] :] - difference - ratio)
        return forward.sum() - backward.sum()

    difference = brentq(equation, *(BETA * 3.0 + np.array([-20.0, 20.0])), xtol=1e-13)
    factors = 1 / (counts[0] * np.exp(work - difference) + counts[1])
    # Their sum is one where the free energy is the right one.
    assert factors.sum() == pytest.approx(1.0, rel=1e-10)
    np.testing.assert_allclose(mixture_weights(energies, counts, KELVIN), factors, rtol=1e-5)


def test_means_over_a_mixture_of_potentials_are_those_of_the_last():
    """<x²> = 1/(β k), to four standard errors over independent draws, and better than from the last alone."""
    stiffnesses, counts = np.array([1.0, 1.4, 0.8, 1.2]), np.array([200, 100, 0, 50])
    mixed, alone = [], []
    for seed in range(100):
        x, energies = oscillators(np.random.default_rng(seed), stiffnesses, counts)
        mixed.append(mixture_weights(energies, counts, KELVIN) @ x**2)
        alone.append(np.mean(x[-counts[-1] :] ** 2))
    error = np.std(mixed, ddof=1) / np.sqrt(len(mixed))
    assert abs(np.mean(mixed) - 1 / (BETA * 1.2)) < 4.0 * error
    assert np.std(mixed) < 0.6 * np.std(alone)


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


def test_weights_that_did_not_converge_are_an_error_with_a_remedy(monkeypatch):
    counts = np.array([60, 25])
    _, energies = oscillators(np.random.default_rng(2), [1.0, 2.5], counts)

    def stopped(function, start, **_):
        return OptimizeResult(x=start, success=True)

    monkeypatch.setattr("scipy.optimize.minimize", stopped)
    with pytest.raises(CampaignError, match=r"2 potentials did not converge .* Raise ensemble\.reuse"):
        mixture_weights(energies, counts, KELVIN)


def test_an_energy_that_is_no_number_is_no_weight():
    _, energies = oscillators(np.random.default_rng(2), [1.0, 2.5], [6, 2])
    energies[1, 3] = np.nan
    with pytest.raises(CampaignError, match="did not converge"):
        mixture_weights(energies, np.array([6, 2]), KELVIN)


def test_far_potentials_converge_too():
    """Wells so far apart that no configuration of one is ever met in another, and any offset of the energies."""
    generator = np.random.default_rng(5)
    centres, counts = np.array([-300.0, 10.0, 40.0]), np.array([20, 3, 50])
    x = np.repeat(centres, counts) + generator.normal(size=73)
    energies = (0.5 * (x - centres[:, None]) ** 2 + [[0.0], [500.0], [-90.0]]) / BETA
    weights = mixture_weights(energies, counts, KELVIN)
    np.testing.assert_allclose(weights[-50:], 1 / 50, rtol=1e-4)
