"""Sampling at constant pressure: the volume's own distribution, and the density of a Lennard-Jones liquid."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.data import Element
from dynrefine.config.dynamics import BarostatSettings, EnsembleSettings, PathIntegralSettings, State
from dynrefine.config.properties import PROPERTIES
from dynrefine.config.steps import SampleEnsemble
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.dynamics.barostat import Barostat
from dynrefine.dynamics.force_field import force_field
from dynrefine.errors import CampaignError
from dynrefine.files.models import create_model
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.system import Point, system_of
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.ipi.simulation import Start, Surroundings, simulate
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.density import density
from dynrefine.refinement.gradient import Weighing, energy_gradients
from dynrefine.sampling.canonical import _require_room
from dynrefine.sampling.initial_configurations import lattice_configurations
from dynrefine.sampling.isobaric import SAMPLER
from dynrefine.sampling.reweighting import ensemble_coefficients
from dynrefine.statistics import jackknife_error, leave_one_out, standard_error
from dynrefine.units import BAR, BOLTZMANN, GRAM_PER_CUBIC_CENTIMETRE, KILOJOULE_PER_MOLE

IPI = Path(sys.executable).with_name("i-pi")
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
    with pytest.raises(
        CampaignError, match=r"shrank to 0\.89 of its initial edges, expected at least 0\.9.*density"
    ):
        _require_room(cells, np.tile(10.0 * np.eye(3), (2, 1, 1)))


ARGON = [Element(symbol="Ar", mass=39.948, charge=0.0)]
SIGMA, EPSILON = 3.4, 120.0 * BOLTZMANN  # Å, eV
DENSITY, PRESSURE, TEMPERATURE = 0.82, 0.82386, 0.9  # in units of σ, ε and the mass
GRAMS = 39.948 / (SIGMA**3 * GRAM_PER_CUBIC_CENTIMETRE)  # g/cm³
CHAINS, SAMPLES = 16, 20
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
        rebuild_interval=4,  # 32 fs, 6 % of the relaxation time: half of that is what the variances are off
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
    volumes = np.linalg.det(ensemble.cells).reshape(SAMPLES, CHAINS).T
    return model, ensemble, 108 * 39.948 / volumes / GRAM_PER_CUBIC_CENTIMETRE


@pytest.fixture(scope="module")
def liquid():
    """A sample that several tests read."""
    return sampled(SIGMA, seed=1)


def fluctuating(name, conditions, **settings):
    """A property of fluctuations with a target of 2."""
    chosen = {name: PROPERTIES[name](target=2.0, **settings)}
    return create_observables(chosen, {name: None}, conditions)[name]


def test_fluctuations_are_those_of_an_ideal_gas():
    """V is distributed as V^N exp(-PV/kT): κ = 1/P (1 + 1/(N + 1)), and so on, whatever the units."""
    atoms, kelvin, pressure, mass = 50, 300.0, 2000.0, 50 * 4.0
    scale = BOLTZMANN * kelvin / (pressure * BAR)  # kT/P, Å³
    volumes = np.random.default_rng(0).gamma(atoms + 1, scale, 400000)
    observed = Observed({}, {"potential_energy": jnp.zeros(len(volumes)), "volume": jnp.asarray(volumes)})
    conditions = Conditions(kelvin, 1.0, atoms, 1.0, (), mass, pressure)
    found = {}
    for name in ("compressibility", "thermal_expansion", "heat_capacity"):
        observable = fluctuating(name, conditions, scale=0.1)
        mean = observable.statistic(observed).mean(axis=0)
        (found[name],) = observable.predict(mean)
        assert float(observable.loss(mean)) == pytest.approx((float(found[name]) / 2.0 - 1.0) ** 2 / 0.01)
    # V has the mean (N + 1) kT/P and the variance (N + 1) (kT/P)², H = PV; its variance is known to sqrt(2/samples)
    assert found["compressibility"] == pytest.approx(1e6 / pressure, rel=0.01)
    assert found["thermal_expansion"] == pytest.approx(1e3 / kelvin, rel=0.01)
    gas_constant = 8.314462618e-3 / 4.0  # kJ/(g K) per mole of mass 4 g
    assert found["heat_capacity"] == pytest.approx(1e3 * gas_constant * (2.5 + 1.0 / atoms), rel=0.01)
    corrected = fluctuating("heat_capacity", conditions, quantum_correction=-0.5)
    mean = corrected.statistic(observed).mean(axis=0)
    assert corrected.predict(mean)[0] == pytest.approx(found["heat_capacity"] - 0.5)


def test_the_enthalpy_of_vaporisation_is_that_of_atoms_that_part():
    conditions = Conditions(94.4, 1.0, 100, 1.0)
    observable = fluctuating("vaporisation_enthalpy", conditions, gas_energy=0.01)
    observed = Observed({}, {"potential_energy": jnp.array([-6.0, -6.4])})
    expected = (0.01 + 0.062) * 96.48533212 + 8.314462618e-3 * 94.4
    mean = observable.statistic(observed).mean(axis=0)
    assert observable.predict(mean)[0] == pytest.approx(expected, rel=1e-8)
    assert observable.loss(mean) == pytest.approx((expected / 2.0 - 1.0) ** 2)


@pytest.mark.slow
def test_the_density_of_the_lennard_jones_liquid_and_its_derivative(liquid):
    """The density at a pressure that Monte Carlo found at that density, and how it changes with σ.

    NIST Standard Reference Simulation Website (NIST SRD 173, doi:10.18434/T4M88Q), as in test_lennard_jones.
    """
    model, ensemble, densities = liquid
    points = ensemble.starts(jnp.float64)
    system = system_of(ensemble.species, ARGON, jnp.float64)
    observed = jax.vmap(lambda point: density({}, system, point, None))(points)
    np.testing.assert_allclose(observed, densities.T.ravel(), rtol=1e-12)
    of_chains = densities.mean(axis=1)
    assert standard_error(of_chains) < 0.006 * of_chains.mean()  # or the test would see nothing
    assert abs(of_chains.mean() - DENSITY * GRAMS) < 3.0 * standard_error(of_chains)

    # Its derivatives, from the same simulations at neighbouring densities and temperatures.
    by_density = (1.5781 - 0.24056) / (0.86 - 0.776)  # ∂P/∂ρ
    by_temperature, heat = (0.82386 - 0.55355) / 0.05, 1.5 + (5.7947 - 5.7456) / 0.05  # ∂P/∂T, c_V of an atom
    compressibility = 1.0 / (DENSITY * by_density)
    expansion = compressibility * by_temperature
    heat += TEMPERATURE * expansion**2 / (DENSITY * compressibility)
    in_units = {
        "compressibility": compressibility * 1e6 * SIGMA**3 * BAR / EPSILON,
        "thermal_expansion": expansion * 1e3 * BOLTZMANN / EPSILON,
        "heat_capacity": heat * 8.314462618 / 39.948,
        "vaporisation_enthalpy": (5.7456 + TEMPERATURE) * EPSILON / KILOJOULE_PER_MOLE,
    }
    observed = Observed(
        {}, {"volume": points.volume, "potential_energy": jnp.asarray(ensemble.energies_by_potential[0])}
    )
    conditions = Conditions(
        SETTINGS.state.temperature, 1.0, 108, 1.0, (), 108 * 39.948, SETTINGS.state.pressure
    )
    for name, expected in in_units.items():
        observable = fluctuating(name, conditions)
        statistic = observable.statistic(observed)
        each = statistic.reshape(SAMPLES, CHAINS, *statistic.shape[1:]).mean(axis=0)
        left_out = observable.predict(leave_one_out(each, jnp.full(CHAINS, 1.0 / CHAINS)))
        error = float(jackknife_error(left_out)[0])
        assert abs(float(observable.predict(each.mean(axis=0))[0]) - expected) < 3.0 * error, name
        assert error < 0.25 * expected

    # The ensemble part of d<ρ>/dσ, by chain, and the difference of two independent ensembles.
    field = force_field([model.architecture], ensemble.cells, 108, SETTINGS.ensemble)
    weights = jnp.full(densities.size, 1.0 / densities.size)
    coefficients = ensemble_coefficients(
        weights, jnp.asarray(densities.T.ravel()), SETTINGS.state.temperature
    )
    weighing = Weighing(weights, coefficients, CHAINS)
    rows, mean = energy_gradients(field, model.parameters, system.species, points, weighing)
    # parameters by the order of their names: epsilon, sigma
    by_sigma = np.asarray(rows)[:, 1] - np.asarray(coefficients) * float(mean[0, 1])
    parts = CHAINS * by_sigma.reshape(SAMPLES, CHAINS).sum(axis=0)
    step = 0.01 * SIGMA
    above, below = (sampled(SIGMA + sign * step, seed)[2].mean(axis=1) for sign, seed in ((1, 2), (-1, 3)))
    expected = (above.mean() - below.mean()) / (2.0 * step)
    error = np.hypot(standard_error(above), standard_error(below)) / (2.0 * step)
    assert abs(parts.mean() - expected) < 3.0 * np.hypot(standard_error(parts), error)
    assert abs(parts.mean()) > 4.0 * standard_error(parts)


@pytest.mark.skipif(not IPI.is_file(), reason="i-PI is not installed: pip install ipi")
@pytest.mark.slow
def test_ipi_finds_the_same_density_at_the_same_pressure(liquid):
    """A single bead, with a barostat of another kind (Bussi, Zykova-Timan and Parrinello 2009)."""
    model, ensemble, densities = liquid
    state, own = SETTINGS.state, SETTINGS.ensemble
    settings = PathIntegralSettings(
        beads=1,
        thermostat="pile_l",
        relaxation=0.5,
        timestep=own.timestep,
        equilibration=2.0,
        length=20.0,
        sampling_interval=40.0,
    )
    start = Start(ARGON, ensemble.species, ensemble.chain_positions[0], ensemble.chain_cells[0])
    surroundings = Surroundings(state.temperature, state.pressure, relaxation=500.0)
    forces = BeadForces(model, ensemble.species, own)
    found = simulate(start, surroundings, settings, forces, seed=2)
    by_ipi = 108 * 39.948 / np.linalg.det(found.cells) / GRAM_PER_CUBIC_CENTIMETRE
    blocks, of_chains = by_ipi.reshape(10, -1).mean(axis=1), densities.mean(axis=1)
    error = np.hypot(standard_error(blocks), standard_error(of_chains))
    assert error < 0.015 * of_chains.mean()  # or the test would see nothing
    assert abs(blocks.mean() - of_chains.mean()) < 3.0 * error
    assert abs(found.temperatures.mean() - state.temperature) < 0.03 * state.temperature
    assert forces.lists_built < 0.2 * 22e3 / own.timestep
