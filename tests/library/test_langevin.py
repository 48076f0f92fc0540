"""Langevin dynamics samples the canonical distribution, tested where that is known: atoms on springs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, Springs, field_of

from dynrefine.dynamics.langevin import Thermostat, sample_chain
from dynrefine.dynamics.replicas import sample_chains
from dynrefine.errors import CampaignError
from dynrefine.initial_configurations import system_of
from dynrefine.system import kinetic_energy
from dynrefine.units import BOLTZMANN

ATOMS, REPLICAS, KELVIN, STIFFNESS = 4, 300, 320.0, 2.0
# Vibrations with ω = sqrt(k/m) = 0.14 per fs in steps of 6 fs: the middle scheme samples harmonic modes exactly all
# the same, where a scheme of second order would err by (ω dt)² / 12 = 6 % or more.
THERMOSTAT = Thermostat(KELVIN, friction=0.05, timestep=6.0)


@pytest.fixture(scope="module")
def springs():
    """Four hydrogen atoms on springs: system, force field, parameters and centres."""
    cell = np.diag([12.0, 12.0, 12.0])
    system = system_of(np.ones(ATOMS, int), cell, ELEMENTS, jnp.float64)
    centres = jnp.asarray(np.random.default_rng(0).uniform(0.0, 12.0, (ATOMS, 3)))
    parameters = {"trainable": {"stiffness": jnp.array(STIFFNESS)}, "constants": {"centres": centres}}
    return system, field_of(Springs(), cell, skin=4.0, capacity=8, rebuild_interval=10), parameters, centres


def sample(springs, replicas=REPLICAS, duration=6000.0):
    """Chains of all replicas, begun at rest at the centres."""
    system, field, parameters, centres = springs
    start = jnp.broadcast_to(centres, (replicas, ATOMS, 3))
    return sample_chains(
        field,
        THERMOSTAT,
        duration,
        600.0,
        parameters,
        system,
        start,
        0.0 * start,
        jax.random.key(7),
    )


@pytest.fixture(scope="module")
def chains(springs):
    """A hundred records of each replica."""
    return sample(springs)


def within_four_sigma(values: np.ndarray, expected: float) -> bool:
    """Whether the mean over independent replicas agrees with the expected one."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert error < 0.01 * expected  # or the test would see nothing
    return abs(np.mean(values) - expected) < 4 * error


def test_the_kinetic_temperature_is_that_of_the_thermostat(chains):
    assert within_four_sigma(np.mean(chains.temperatures, axis=1), KELVIN)


def test_positions_are_distributed_as_boltzmann_says(springs, chains):
    # All atoms weigh the same, so that 3 N - 3 modes have <x²> = kT / k; the centre of mass is at rest.
    away = chains.positions - springs[3]
    variance = np.sum(away**2, axis=(2, 3)) / (3 * ATOMS - 3)
    assert within_four_sigma(np.mean(variance, axis=1), BOLTZMANN * KELVIN / STIFFNESS)


def test_positions_are_gaussian(springs, chains):
    # The fourth moment of a single coordinate, less the share of the centre of mass: 3 (kT/k (1 - 1/N))².
    away = np.asarray(chains.positions - springs[3])
    variance = BOLTZMANN * KELVIN / STIFFNESS * (1 - 1 / ATOMS)
    assert within_four_sigma(np.mean(away**4, axis=(1, 2, 3)), 3 * variance**2)


def test_energies_are_the_means_of_equipartition(chains):
    assert within_four_sigma(np.mean(chains.energies, axis=1), (3 * ATOMS - 3) / 2 * BOLTZMANN * KELVIN)


def test_the_last_velocities_are_thermal_and_without_drift(springs, chains):
    masses = springs[0].masses
    momenta = jnp.einsum("n,snx->sx", masses, chains.velocities)
    np.testing.assert_allclose(momenta, 0.0, atol=1e-13)
    kelvin = 2 * kinetic_energy(masses, chains.velocities) / ((3 * ATOMS - 3) * BOLTZMANN)
    # One record of 9 degrees of freedom in each replica: relative standard deviation sqrt(2 / 9 / replicas).
    assert np.mean(kelvin) == pytest.approx(KELVIN, rel=4 * np.sqrt(2 / 9 / REPLICAS))


def test_the_shape_of_the_records(chains):
    # 6000 fs in lists of 10 steps of 6 fs.
    assert chains.positions.shape == (REPLICAS, 100, ATOMS, 3)
    assert chains.energies.shape == chains.temperatures.shape == (REPLICAS, 100)


def test_the_same_key_gives_the_same_chain_and_another_another(springs):
    system, field, parameters, centres = springs
    chain = jax.jit(
        partial(sample_chain, field, THERMOSTAT, 2, 3, parameters, system, centres, 0.0 * centres)
    )
    first, again, other = (chain(key=jax.random.key(key), equilibration=0)[0].positions for key in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert jnp.max(jnp.abs(first - other)) > 0.01
    # Equilibration is time before the first record, of the same chain.
    later, _ = chain(key=jax.random.key(1), equilibration=1)
    np.testing.assert_array_equal(later.positions[0], first[1])


def test_replicas_are_independent(chains):
    found = chains.positions[:, 0].reshape(REPLICAS, -1)
    assert len(np.unique(np.asarray(found), axis=0)) == REPLICAS
    # Correlation coefficients of different replicas over 100 records: 0.1 at random, none of 12 beyond five sigma.
    series = np.asarray(chains.positions).reshape(REPLICAS, 100, -1)[:2]
    for first, second in zip(*np.moveaxis(series, 2, 1), strict=True):
        assert abs(np.corrcoef(first, second)[0, 1]) < 0.5


def test_an_energy_that_is_not_finite_is_an_error(springs):
    system, field, parameters, centres = springs
    broken = {**parameters, "trainable": {"stiffness": jnp.array(jnp.nan)}}
    with pytest.raises(CampaignError, match="replica 0 blew up"):
        sample((system, field, broken, centres), replicas=2, duration=60.0)
