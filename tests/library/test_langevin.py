"""Langevin dynamics samples the canonical distribution, tested where that is known: atoms on springs."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, Springs, box_of, field_of

from dynrefine.dynamics.langevin import LangevinDynamics, Thermostat, sample_chain
from dynrefine.errors import CampaignError
from dynrefine.geometry.system import kinetic_energy
from dynrefine.sampling.canonical import sample_chains
from dynrefine.units import ACCELERATION, BOLTZMANN

ATOMS, REPLICAS, KELVIN, STIFFNESS = 4, 300, 320.0, 2.0
# Vibrations with ω = sqrt(k/m) = 0.14 per fs in steps of 6 fs: the middle scheme samples harmonic modes exactly all
# the same, where a scheme of second order would err by (ω dt)² / 12 = 6 % or more.
THERMOSTAT = Thermostat(KELVIN, friction=0.05, timestep=6.0)


@pytest.fixture(scope="module")
def springs():
    """Four hydrogen atoms on springs: system, force field, parameters and centres."""
    cell = np.diag([12.0, 12.0, 12.0])
    system = box_of(np.ones(ATOMS, int), cell, ELEMENTS, jnp.float64)
    centres = jnp.asarray(np.random.default_rng(0).uniform(0.0, 12.0, (ATOMS, 3)))
    parameters = {"trainable": {"stiffness": jnp.array(STIFFNESS)}, "constants": {"centres": centres}}
    return system, field_of(Springs(), cell, skin=4.0, capacity=8, rebuild_interval=10), parameters, centres


def sample(springs, replicas=REPLICAS, duration=6000.0):
    """Chains of all replicas, begun at rest at the centres."""
    system, field, parameters, centres = springs
    start = jnp.broadcast_to(centres, (replicas, ATOMS, 3))
    dynamics = LangevinDynamics(field, THERMOSTAT, duration, parameters, system)
    return sample_chains(dynamics, 600.0, system.points(start, 0.0 * start), jax.random.key(7))


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
    away = chains.positions - springs[3][None, None]
    variance = np.sum(away**2, axis=(2, 3)) / (3 * ATOMS - 3)
    assert within_four_sigma(np.mean(variance, axis=1), BOLTZMANN * KELVIN / STIFFNESS)


def test_positions_are_gaussian(springs, chains):
    # The fourth moment of a single coordinate, less the share of the centre of mass: 3 (kT/k (1 - 1/N))².
    away = np.asarray(chains.positions - springs[3][None, None])
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
    # Records are 20 fs apart, or as long as a list serves: 60 fs.
    dynamics = LangevinDynamics(field, THERMOSTAT, 120.0, parameters, system)
    chain = jax.jit(partial(sample_chain, dynamics, system.points(centres, 0.0 * centres)))
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


def test_a_difference_of_two_chains_goes_the_way_of_the_middle_scheme(springs):
    """On springs the noise cancels in the difference of chains of one key, which follows the scheme without it."""
    _, field, parameters, centres = springs
    system = box_of(np.array([0, 1, 1, 0]), 12.0 * np.eye(3), ELEMENTS, jnp.float64)
    own = replace(field, rebuild_interval=2)  # two lists of 12 fs from record to record
    chain = jax.jit(partial(sample_chain, LangevinDynamics(own, THERMOSTAT, 72.0, parameters, system)))
    generator = np.random.default_rng(5)
    x, v = generator.normal(0.0, 0.05, (ATOMS, 3)), generator.normal(0.0, 2e-3, (ATOMS, 3))
    key, before = jax.random.key(3), jnp.asarray(1)
    (with_it, _), (without, _) = (
        chain(system.points(centres + each, 0.0 * centres + velocity), key, before)
        for each, velocity in ((x, v), (0.0 * x, 0.0 * v))
    )
    masses = np.array([15.999, 1.008, 1.008, 15.999])[:, None]
    dt, retained, records = 6.0, np.exp(-0.05 * 6.0), []
    for step in range(4 * 4):  # an interval before the records and three of them, of two lists of two steps
        v = v - dt * 9.648533215665e-3 * STIFFNESS * x / masses
        x = x + 0.5 * dt * v
        v = retained * v
        v = v - np.sum(masses * v, axis=0) / np.sum(masses)
        x = x + 0.5 * dt * v
        if step % 4 == 3:
            records.append(x)
    assert np.abs(records[-1]).max() > 1e-4
    np.testing.assert_allclose(with_it.positions - without.positions, records[1:], atol=1e-12)
    np.testing.assert_allclose(with_it.velocities - without.velocities, v, atol=1e-13)


def test_free_atoms_at_rest_warm_up_as_fast_as_the_friction_says(springs):
    """After n steps <v²> has come to 1 - exp(-2 n γ dt) of its equilibrium."""
    system, field, parameters, centres = springs
    free = {**parameters, "trainable": {"stiffness": jnp.array(0.0)}}
    thermostat = Thermostat(KELVIN, friction=0.01, timestep=2.0)
    own = replace(field, rebuild_interval=10)  # one list of 20 fs, one record
    step = jax.jit(partial(sample_chain, LangevinDynamics(own, thermostat, 20.0, free, system)))
    keys = jax.random.split(jax.random.key(8), 2000)
    start = system.points(centres, 0.0 * centres)
    chains = jax.lax.map(lambda key: step(start, key, jnp.asarray(0))[0], keys)
    degrees = (3 * ATOMS - 3) * len(keys)
    found = np.sum(chains.velocities**2) / degrees
    expected = BOLTZMANN * KELVIN * ACCELERATION / 1.008 * (1.0 - np.exp(-2 * 10 * 0.01 * 2.0))
    assert found == pytest.approx(expected, rel=4.0 * np.sqrt(2.0 / degrees))


def test_an_energy_that_is_not_finite_is_an_error(springs):
    system, field, parameters, centres = springs
    broken = {**parameters, "trainable": {"stiffness": jnp.array(jnp.nan)}}
    with pytest.raises(CampaignError, match="replica 0 blew up"):
        sample((system, field, broken, centres), replicas=2, duration=60.0)


def test_the_replica_that_blew_up_is_named(springs):
    system, field, parameters, centres = springs
    start = jnp.broadcast_to(centres, (3, ATOMS, 3)).at[1, 2, 0].set(jnp.nan)
    with pytest.raises(CampaignError, match=r"replica 1 blew up.*\(now 6\.0 fs\)"):
        dynamics = LangevinDynamics(field, THERMOSTAT, 60.0, parameters, system)
        sample_chains(dynamics, 0.0, system.points(start, jnp.zeros_like(start)), jax.random.key(1))
