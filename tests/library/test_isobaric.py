"""Sampling at constant pressure: the volume's own distribution, and the density of a Lennard-Jones liquid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.data import Element
from dynrefine.config.dynamics import BarostatSettings, EnsembleSettings, State
from dynrefine.config.steps import SampleEnsemble
from dynrefine.config.surfaces import LennardJonesSettings
from dynrefine.dynamics.barostat import Barostat
from dynrefine.dynamics.force_field import force_field
from dynrefine.errors import CampaignError
from dynrefine.files.models import create_model
from dynrefine.geometry.system import Point, system_of
from dynrefine.quantities.density import density
from dynrefine.refinement.gradient import energy_gradients
from dynrefine.sampling.canonical import _require_room
from dynrefine.sampling.initial_configurations import lattice_configurations
from dynrefine.sampling.isobaric import SAMPLER
from dynrefine.sampling.reweighting import ensemble_coefficients
from dynrefine.statistics import standard_error
from dynrefine.units import BAR, BOLTZMANN, GRAM_PER_CUBIC_CENTIMETRE, KILOJOULE_PER_MOLE

KELVIN, ATOMS, REPLICAS = 300.0, 8, 64


def test_the_volume_is_distributed_as_boltzmann_says():
    """Of atoms whose energy is A/V, p(V) ∝ V^N exp(-(A/V + P V)/kT)."""
    pressure, thermal = 2000.0, BOLTZMANN * KELVIN
    repulsion = 0.5 * (ATOMS * thermal / (pressure * BAR)) * thermal * ATOMS  # A, eV Å³
    volumes = np.linspace(1.0, 1500.0, 30000)
    exponent = ATOMS * np.log(volumes) - (repulsion / volumes + pressure * BAR * volumes) / thermal
    density = np.exp(exponent - exponent.max())
    mean = np.sum(density * volumes) / np.sum(density)
    variance = np.sum(density * (volumes - mean) ** 2) / np.sum(density)
    barostat = Barostat(pressure, compressibility=1.0 / (2.0 * pressure), relaxation=100.0)
    edge = mean ** (1.0 / 3.0)
    start = Point(jnp.ones((ATOMS, 3)), jnp.ones((ATOMS, 3)), edge * jnp.eye(3))

    def chain(key):
        def step(point, key):
            virial = repulsion / point.volume**2 / BAR
            point = barostat.rescaled(point, virial, KELVIN, 2.0, key)
            return point, point.volume

        return jax.lax.scan(step, start, jax.random.split(key, 20000))

    last, found = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), REPLICAS))
    found = np.asarray(found)[:, 500:]
    # The step is a hundredth of the relaxation time, by which fraction the variance is off.
    for values, expected in ((found.mean(axis=1), mean), (((found - mean) ** 2).mean(axis=1), variance)):
        assert abs(values.mean() - expected) < 4.0 * standard_error(values) + 0.01 * variance * (
            expected != mean
        )
        assert standard_error(values) < 0.02 * expected
    # Positions follow the cell, velocities do not.
    np.testing.assert_allclose(last.positions[:, 0, 0] * edge, last.cell[:, 0, 0], rtol=1e-9)
    np.testing.assert_array_equal(last.velocities, 1.0)


def test_a_cell_that_shrinks_below_what_lists_allow_is_an_error():
    cells = np.tile(10.0 * np.eye(3), (2, 5, 1, 1))
    _require_room(cells, cells[:, 0])
    cells[1, 3] *= 0.89
    with pytest.raises(CampaignError, match=r"shrank to 0\.89 of its edges, expected 0\.9 at least.*density"):
        _require_room(cells, np.tile(10.0 * np.eye(3), (2, 1, 1)))


ARGON = [Element(symbol="Ar", mass=39.948, charge=0.0)]
SIGMA, EPSILON = 3.4, 120.0 * BOLTZMANN  # Å, eV
DENSITY, PRESSURE, TEMPERATURE = 0.82, 0.82386, 0.9  # in units of σ, ε and the mass
GRAMS = 39.948 / (SIGMA**3 * GRAM_PER_CUBIC_CENTIMETRE)  # g/cm³
CHAINS, SAMPLES = 8, 16
SETTINGS = SampleEnsemble.model_construct(
    elements=ARGON,
    state=State(
        temperature=TEMPERATURE * EPSILON / BOLTZMANN,
        density=DENSITY * GRAMS,
        atoms=108,
        pressure=PRESSURE * EPSILON / SIGMA**3 / BAR,
    ),
    ensemble=EnsembleSettings(
        kind="isobaric",
        replicas=CHAINS,
        samples_per_replica=SAMPLES,
        equilibration=6.0,
        decorrelation=0.8,
        timestep=8.0,
        neighbour_skin=1.2,
        rebuild_interval=10,
        barostat=BarostatSettings(compressibility=1.8e-4, relaxation=0.5),
    ),
)


def sampled(sigma, seed):
    """Potential, starting points and their densities (g/cm³) by chain, of a Lennard-Jones liquid."""
    surface = LennardJonesSettings(
        kind="lennard_jones",
        sigma=sigma,
        epsilon=EPSILON / KILOJOULE_PER_MOLE,
        cutoff=3.0 * SIGMA,
        truncation="truncated",
        tail_correction=True,
    )
    model = create_model(surface, ARGON, jax.random.key(0))
    starts = lattice_configurations(SETTINGS.state, ARGON, CHAINS, seed)
    ensemble = SAMPLER(model, starts, SETTINGS, seed)
    volumes = np.linalg.det(ensemble.cells).reshape(CHAINS, SAMPLES)
    return model, ensemble, 108 * 39.948 / volumes / GRAM_PER_CUBIC_CENTIMETRE


@pytest.mark.slow
def test_the_density_of_the_lennard_jones_liquid_and_its_derivative():
    """The density at a pressure that Monte Carlo found at that density, and how it changes with σ.

    NIST Standard Reference Simulation Website (NIST SRD 173, doi:10.18434/T4M88Q), as in test_lennard_jones.
    """
    model, ensemble, densities = sampled(SIGMA, seed=1)
    points = ensemble.starts(jnp.float64)
    system = system_of(ensemble.species, ARGON, jnp.float64)
    observed = jax.vmap(lambda point: density({}, system, point, None))(points)
    np.testing.assert_allclose(observed, densities.ravel(), rtol=1e-12)
    of_chains = densities.mean(axis=1)
    assert standard_error(of_chains) < 0.004 * of_chains.mean()  # or the test would see nothing
    assert abs(of_chains.mean() - DENSITY * GRAMS) < 3.0 * standard_error(of_chains)

    # The ensemble part of d<ρ>/dσ, by chain, and the difference of two independent ensembles.
    field = force_field(model.architecture, ensemble.cells, 108, SETTINGS.ensemble)
    slopes = energy_gradients(field, model.parameters, system.species, points)
    by_sigma = np.asarray(slopes)[:, 1]  # parameters by the order of their names: epsilon, sigma
    weights = jnp.full(densities.size, 1.0 / densities.size)
    coefficients = ensemble_coefficients(weights, jnp.asarray(densities.ravel()), SETTINGS.state.temperature)
    parts = CHAINS * (coefficients * (by_sigma - by_sigma.mean())).reshape(CHAINS, SAMPLES).sum(axis=1)
    step = 0.01 * SIGMA
    above, below = (sampled(SIGMA + sign * step, seed)[2].mean(axis=1) for sign, seed in ((1, 2), (-1, 3)))
    expected = (above.mean() - below.mean()) / (2.0 * step)
    error = np.hypot(standard_error(above), standard_error(below)) / (2.0 * step)
    assert abs(parts.mean() - expected) < 3.0 * np.hypot(standard_error(parts), error)
    assert abs(parts.mean()) > 4.0 * standard_error(parts)
