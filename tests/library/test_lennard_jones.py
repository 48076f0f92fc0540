"""The Lennard-Jones potential: ASE's, derivatives, tail corrections, and the liquid of the literature."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones as Reference
from jax.test_util import check_grads
from systems import TRICLINIC, all_neighbours, box_of, field_of

from dynrefine.config.data import Element
from dynrefine.dynamics.langevin import LangevinDynamics, Thermostat
from dynrefine.geometry.system import thermal_velocities
from dynrefine.sampling.canonical import sample_chains
from dynrefine.surfaces.base import energy_forces_stress
from dynrefine.surfaces.lennard_jones import LennardJones
from dynrefine.units import BOLTZMANN

pytestmark = pytest.mark.usefixtures("fast_compilation")

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
SIGMA, EPSILON = 3.4, 120.0 * BOLTZMANN  # Å, eV
TRUNCATIONS = ("truncated", "shifted", "force_shifted", "switched")

compute = jax.jit(energy_forces_stress, static_argnums=0)


def potential(truncation="truncated", cutoff=7.0, tail_correction=False):
    return LennardJones(cutoff, truncation, 1.5, tail_correction, SIGMA, EPSILON)


def skewed_liquid(seed=0):
    """Twelve atoms on a shaken grid in a skewed cell, narrower than two cutoffs."""
    cell = TRICLINIC * np.array([2.0, 2.0, 1.4])[:, None]
    grid = np.stack(np.meshgrid(range(3), range(2), range(2), indexing="ij"), axis=-1).reshape(-1, 3)
    positions = (grid / [3.0, 2.0, 2.0]) @ cell
    return cell, positions + np.random.default_rng(seed).normal(0.0, 0.15, positions.shape)


def evaluate(own, cell, positions, parameters=None):
    species = jnp.zeros(len(positions), jnp.int32)
    neighbours = all_neighbours(jnp.asarray(positions), jnp.asarray(cell), own.cutoff)
    assert not bool(neighbours.overflow)
    parameters = parameters or own.initial_parameters(jax.random.key(0))
    return compute(own, parameters, species, jnp.asarray(positions), jnp.asarray(cell), neighbours)


@pytest.mark.parametrize("truncation", ["shifted", "switched"])
def test_energy_forces_and_stress_are_those_of_ase(truncation):
    cell, positions = skewed_liquid()
    atoms = Atoms("Ar12", positions=positions, cell=cell, pbc=True)
    # ASE shifts unless it switches; its switch begins at `ro`.
    options = {"smooth": True, "ro": 5.5} if truncation == "switched" else {}
    atoms.calc = Reference(sigma=SIGMA, epsilon=EPSILON, rc=7.0, **options)
    energy, forces, stress = evaluate(potential(truncation), cell, positions)
    # sums of about a thousand terms of at most some eV in double precision
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-11)
    np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-11)
    np.testing.assert_allclose(stress, atoms.get_stress(voigt=False), atol=1e-12)


def test_truncation_without_shift_differs_by_the_number_of_pairs():
    cell, positions = skewed_liquid()
    truncated, shifted = (evaluate(potential(kind), cell, positions)[0] for kind in TRUNCATIONS[:2])
    pairs = int(jnp.sum(all_neighbours(jnp.asarray(positions), jnp.asarray(cell), 7.0).filled)) // 2
    sixth = (SIGMA / 7.0) ** 6
    assert truncated - shifted == pytest.approx(pairs * 4.0 * EPSILON * (sixth**2 - sixth), abs=1e-12)


@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_derivatives_follow_from_the_energy(truncation):
    """To second order in positions, cell and parameters: the rule of the energy's derivative is written by hand."""
    own = potential(truncation, tail_correction=truncation == "switched")
    cell, positions = skewed_liquid(1)
    neighbours = all_neighbours(jnp.asarray(positions), jnp.asarray(cell), own.cutoff)

    def energy(trainable, positions, cell):
        parameters = {"trainable": {"sigma": trainable[0], "epsilon": trainable[1]}, "constants": {}}
        return own.energy(parameters, jnp.zeros(12, jnp.int32), positions, cell, neighbours)

    arguments = jnp.array([SIGMA, EPSILON]), jnp.asarray(positions), jnp.asarray(cell)
    # Central differences with a step of 1e-4 of terms whose third derivatives are some hundred times the first.
    check_grads(jax.jit(energy), arguments, order=1, modes=["fwd", "rev"], eps=1e-5, atol=1e-6, rtol=1e-6)
    gradient = jax.jit(jax.grad(energy, argnums=(0, 1, 2)))
    check_grads(gradient, arguments, order=1, modes=["fwd"], eps=1e-5, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_forces_and_products_are_those_of_automatic_differentiation(truncation):
    own = potential(truncation, tail_correction=truncation == "shifted")
    cell, positions = (jnp.asarray(array) for array in skewed_liquid(2))
    species, parameters = jnp.zeros(len(positions), jnp.int32), own.initial_parameters(None)
    neighbours = all_neighbours(positions, cell, own.cutoff + 0.5)  # some beyond the cutoff
    g = jax.random.normal(jax.random.key(5), positions.shape)

    @jax.jit
    def by_hand(positions, g):
        forces, pullback = own.forces_and_pullback(parameters, species, positions, cell, neighbours)
        return forces, *pullback(g)

    @jax.jit
    def automatic(positions, g):
        def forces(positions, trainable):
            own_parameters = {**parameters, "trainable": trainable}
            return -jax.grad(own.energy, argnums=2)(own_parameters, species, positions, cell, neighbours)

        value, pullback = jax.vjp(forces, positions, parameters["trainable"])
        return value, *pullback(g)

    # sums of some hundred terms of up to some eV/Å² in double precision
    compare = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-11)
    jax.tree.map(compare, by_hand(positions, g), automatic(positions, g))


@pytest.mark.parametrize("truncation", ["force_shifted", "switched"])
def test_energy_and_force_are_zero_at_the_cutoff(truncation):
    own = potential(truncation)
    trainable = own.initial_parameters(None)["trainable"]
    value, slope = jax.value_and_grad(own.pair_energy, argnums=1)(trainable, jnp.asarray(49.0 - 1e-9))
    assert abs(value) < 1e-15  # of order (r - c)²
    assert abs(slope) < 1e-12
    assert own.pair_energy(trainable, jnp.asarray(50.0)) == 0.0


@pytest.mark.parametrize(("truncation", "start"), [("truncated", 7.0), ("switched", 5.5)])
def test_tail_correction_is_the_integral_over_what_is_missing(truncation, start):
    """Energy and pressure of a uniform liquid by quadrature; the cell of one atom holds no pair within the cutoff."""
    own, edge = potential(truncation, tail_correction=True), 12.0
    energy, _, stress = evaluate(own, edge * np.eye(3), np.zeros((1, 3)))
    trainable = own.initial_parameters(None)["trainable"]
    nodes, weights = np.polynomial.legendre.leggauss(400)
    inverse = 0.5 * (nodes + 1.0) / start  # from the first distance to infinity, in steps of 1/r
    distance, weights = 1.0 / inverse, 0.5 / start * weights / inverse**2
    full = 4.0 * EPSILON * ((SIGMA / distance) ** 12 - (SIGMA / distance) ** 6)
    force = 24.0 * EPSILON * (2.0 * (SIGMA / distance) ** 12 - (SIGMA / distance) ** 6) / distance
    kept, slope = jax.vmap(jax.value_and_grad(own.pair_energy, argnums=1), (None, 0))(
        trainable, jnp.asarray(distance**2)
    )
    density = edge**-3
    missing = full - np.asarray(kept)
    missing_force = force + 2.0 * distance * np.asarray(slope)
    if truncation == "truncated":
        missing, missing_force = full, force  # the pair energy's jump is not in its slope
    # the switched energy has a jump in its second derivative, whose error is about the squared distance of nodes
    assert energy == pytest.approx(2.0 * np.pi * density * np.sum(weights * distance**2 * missing), rel=1e-3)
    pressure = 2.0 * np.pi / 3.0 * density**2 * np.sum(weights * distance**3 * missing_force)
    assert -np.trace(stress) / 3.0 == pytest.approx(pressure, rel=1e-3)


def test_single_precision_keeps_its_digits():
    cell, positions = skewed_liquid()
    own = potential("switched", tail_correction=True)
    single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), own.initial_parameters(None))
    _, forces, _ = evaluate(own, cell, positions)
    energy, approximate, _ = evaluate(own, np.float32(cell), np.float32(positions), single)
    assert energy.dtype == approximate.dtype == jnp.float32
    # positions of 15 Å rounded to 1e-6 Å times force constants of some eV/Å²
    np.testing.assert_allclose(approximate, forces, atol=3e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("full_compilation")
def test_liquid_has_the_energy_and_pressure_of_the_literature():
    """Energy per atom -5.7456 and pressure 0.82386 at temperature 0.9 and density 0.82, all in reduced units.

    Monte Carlo of the NIST Standard Reference Simulation Website (NIST SRD 173, doi:10.18434/T4M88Q), cut off at
    3 σ and the same tail corrections.
    """
    atoms, chains, density, temperature = 108, 8, 0.82, 0.9
    own = potential(cutoff=3.0 * SIGMA, tail_correction=True)
    edge = (atoms / density) ** (1 / 3) * SIGMA
    cell = np.eye(3) * edge
    unit = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    lattice = jnp.asarray((grid + unit).reshape(-1, 3) / 3.0 * edge)
    system = box_of(np.zeros(atoms, int), cell, ARGON, jnp.float64)
    field = field_of(own, cell, skin=1.2, capacity=152, rebuild_interval=10)
    kelvin = temperature * EPSILON / BOLTZMANN
    parameters = own.initial_parameters(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), chains)
    hot = jax.vmap(lambda key: thermal_velocities(key, system.masses, 4.0 * kelvin))(keys)
    dynamics = LangevinDynamics(
        field, Thermostat(kelvin, friction=2e-3, timestep=8.0), 16e3, parameters, system
    )
    starts = system.points(jnp.broadcast_to(lattice, (chains, atoms, 3)), hot)
    chain = sample_chains(dynamics, 4e3, starts, jax.random.key(2))

    @jax.jit
    def virial_pressures(configurations):
        def one(x):
            stress = energy_forces_stress(
                own, parameters, system.species, x, system.cell, field.neighbours(x, system.cell)
            )[2]
            return -jnp.trace(stress) / 3.0

        return jax.lax.map(one, configurations)

    records = chain.positions[:, ::3]
    virial = np.asarray(virial_pressures(records.reshape(-1, atoms, 3))).reshape(chains, -1).mean(axis=1)
    pressures = virial * SIGMA**3 / EPSILON + density * temperature
    energies = np.asarray(chain.energies).mean(axis=1) / atoms / EPSILON
    for found, expected in ((energies, -5.7456), (pressures, 0.82386)):
        assert abs(found.mean() - expected) < 3.0 * found.std(ddof=1) / np.sqrt(chains)


def test_padding_has_no_part_in_the_tail():
    own = potential("switched", tail_correction=True)
    cell, positions = skewed_liquid()

    @jax.jit
    def found(species, positions, neighbours):
        frame = own.initial_parameters(None), species, positions, jnp.asarray(cell), neighbours
        return own.energy(*frame), own.strain_derivative_and_pullback(*frame)[0], own.atomic_energies(*frame)

    def evaluated(species, positions):
        neighbours = all_neighbours(positions, jnp.asarray(cell), own.cutoff, present=species >= 0)
        return found(species, positions, neighbours)

    species, positions = jnp.zeros(12, jnp.int32), jnp.asarray(positions)
    *expected, shares = evaluated(species, positions)
    padded = jnp.append(species, jnp.full(4, -1, jnp.int32)), jnp.pad(positions, ((0, 4), (0, 0)))
    *values, of_atoms = evaluated(*padded)
    for one, other in zip(values, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_allclose(of_atoms, jnp.append(shares, jnp.zeros(4)), atol=1e-12)
    assert np.sum(shares) == pytest.approx(float(expected[0]), rel=1e-12)
