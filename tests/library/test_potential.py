"""The embedded atom network potential: its symmetries, its derivatives and its smoothness."""

from dataclasses import replace

import ase.calculators.calculator
import ase.calculators.fd
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from systems import (
    ELEMENTS,
    POTENTIAL,
    TRICLINIC,
    all_neighbours,
    cast,
    random_model,
    rotation,
    water_box,
)

from dynrefine.files.models import create_model
from dynrefine.surfaces.base import energy_forces_stress
from dynrefine.surfaces.networks.embedded_density import cosine_cutoff, monomials, radial_functions
from dynrefine.surfaces.networks.repulsion import core_repulsion

pytestmark = pytest.mark.usefixtures("fast_compilation")

# Energies here are some eV, sums of about 10⁴ terms in double precision: rounding stays below 1e-12 eV.
ROUNDING = 1e-12


compute = jax.jit(energy_forces_stress, static_argnums=0)


@pytest.fixture(scope="module")
def box():
    """Two molecules in a skewed cell below two cutoffs, and a random potential."""
    system, positions = water_box(2, TRICLINIC)
    return system, positions, random_model(POTENTIAL, system, positions)


@pytest.fixture(scope="module")
def evaluate(box):
    """(species, positions, cell) -> energy, forces, stress, with a fresh list."""
    model = box[2]

    def run(species, positions, cell, reach=POTENTIAL.cutoff, **options):
        positions, cell = jnp.asarray(positions), jnp.asarray(cell)
        lists = all_neighbours(positions, cell, reach, **options)
        return compute(model.architecture, model.parameters, species, positions, cell, lists)

    return run


def test_a_random_potential_is_a_fair_test_case(box, evaluate):
    system, positions, _ = box
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    assert 0.1 < abs(energy) < 100
    assert 0.1 < jnp.max(jnp.abs(forces)) < 100
    assert jnp.max(jnp.abs(stress)) > 1e-4


def test_energy_forces_and_stress_turn_with_atoms_and_cell(box, evaluate):
    system, positions, _ = box
    turn = rotation(np.random.default_rng(5))
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    turned = evaluate(system.species, positions @ turn.T, system.cell @ turn.T)
    np.testing.assert_allclose(turned[0], energy, atol=ROUNDING)
    np.testing.assert_allclose(turned[1], forces @ turn.T, atol=10 * ROUNDING)
    np.testing.assert_allclose(turned[2], turn @ stress @ turn.T, atol=10 * ROUNDING)


def test_energy_is_the_same_wherever_the_origin_lies(box, evaluate):
    system, positions, _ = box
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    moved = evaluate(system.species, positions + jnp.array([[1.3, -4.1, 0.7]]), system.cell)
    np.testing.assert_allclose(moved[0], energy, atol=ROUNDING)
    np.testing.assert_allclose(moved[1], forces, atol=10 * ROUNDING)
    np.testing.assert_allclose(moved[2], stress, atol=ROUNDING)


def test_atoms_of_an_element_are_alike(box, evaluate):
    system, positions, _ = box
    order = np.array([3, 5, 1, 0, 4, 2])  # O and H change places with their like, and the elements mix
    energy, forces, _ = evaluate(system.species, positions, system.cell)
    permuted = evaluate(system.species[order], positions[order], system.cell)
    np.testing.assert_allclose(permuted[0], energy, atol=ROUNDING)
    np.testing.assert_allclose(permuted[1], forces[order], atol=10 * ROUNDING)


def test_atoms_may_be_wrapped_into_any_cell(box, evaluate):
    system, positions, _ = box
    cells_away = np.random.default_rng(6).integers(-3, 4, positions.shape).astype(float)
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    wrapped = evaluate(system.species, positions + cells_away @ system.cell, system.cell)
    np.testing.assert_allclose(wrapped[0], energy, atol=ROUNDING)
    np.testing.assert_allclose(wrapped[1], forces, atol=10 * ROUNDING)
    np.testing.assert_allclose(wrapped[2], stress, atol=ROUNDING)


def test_a_supercell_has_the_energy_of_its_cells(box, evaluate):
    system, positions, _ = box
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    doubled = evaluate(
        jnp.tile(system.species, 2),
        jnp.concatenate([positions, positions + system.cell[1][None]]),
        system.cell * jnp.array([1.0, 2.0, 1.0])[:, None],
    )
    np.testing.assert_allclose(doubled[0], 2 * energy, atol=2 * ROUNDING)
    np.testing.assert_allclose(doubled[1], jnp.tile(forces, (2, 1)), atol=10 * ROUNDING)
    np.testing.assert_allclose(doubled[2], stress, atol=ROUNDING)


def test_padding_changes_nothing(box, evaluate):
    system, positions, _ = box
    species = jnp.append(system.species, jnp.array([-1, -1], system.species.dtype))
    padded = jnp.concatenate([positions, jnp.zeros((2, 3))])
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    with_padding = evaluate(species, padded, system.cell, present=species >= 0)
    np.testing.assert_allclose(with_padding[0], energy, atol=ROUNDING)
    np.testing.assert_allclose(with_padding[1][:6], forces, atol=10 * ROUNDING)
    np.testing.assert_array_equal(with_padding[1][6:], 0.0)
    np.testing.assert_allclose(with_padding[2], stress, atol=ROUNDING)


def test_neighbours_beyond_the_cutoff_change_nothing(box, evaluate):
    system, positions, _ = box
    energy, forces, _ = evaluate(system.species, positions, system.cell)
    with_skin = evaluate(system.species, positions, system.cell, reach=4.5)
    np.testing.assert_allclose(with_skin[0], energy, atol=ROUNDING)
    np.testing.assert_allclose(with_skin[1], forces, atol=10 * ROUNDING)


def test_forces_and_stress_are_derivatives_of_the_energy_as_ase_takes_them(box, evaluate):
    system, positions, _ = box

    class Potential(ase.calculators.calculator.Calculator):
        implemented_properties = ("energy", "forces", "stress")

        def calculate(self, atoms=None, properties=(), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            energy, forces, stress = evaluate(system.species, atoms.positions, np.array(atoms.cell))
            self.results = {
                "energy": float(energy),
                "forces": np.asarray(forces),
                "stress": np.asarray(stress),
            }

    atoms = ase.Atoms("OHHOHH", positions=positions, cell=system.cell, pbc=True, calculator=Potential())
    _, forces, stress = evaluate(system.species, positions, system.cell)
    # Central differences with step h err by h²/6 times the third derivative, here below 1e3 eV/Å³ or eV,
    # and by rounding, 1e-13 eV / h: 1e-7 or less at h = 1e-5.
    by_force = ase.calculators.fd.calculate_numerical_forces(atoms, eps=1e-5)
    np.testing.assert_allclose(by_force, forces, atol=3e-7)
    by_strain = ase.calculators.fd.calculate_numerical_stress(
        atoms, eps=1e-5, voigt=False, force_consistent=False
    )
    np.testing.assert_allclose(by_strain, stress, atol=3e-7)


def test_forces_add_up_to_nothing_and_exert_no_torque_on_a_cluster(box, evaluate):
    system, positions, _ = box
    _, forces, _ = evaluate(system.species, positions, system.cell)
    np.testing.assert_allclose(forces.sum(axis=0), 0.0, atol=10 * ROUNDING)
    _, forces, _ = evaluate(system.species, positions, 4.0 * system.cell)
    np.testing.assert_allclose(jnp.cross(positions, forces).sum(axis=0), 0.0, atol=100 * ROUNDING)


def test_molecules_far_apart_have_the_sum_of_their_energies(box, evaluate):
    system, positions, _ = box
    wide = jnp.eye(3) * 40.0
    apart = positions.at[3:].add(20.0)
    alone = [evaluate(system.species[part], positions[part], wide)[0] for part in (slice(0, 3), slice(3, 6))]
    np.testing.assert_allclose(evaluate(system.species, apart, wide)[0], sum(alone), atol=ROUNDING)


def test_single_precision_agrees_to_its_rounding(box, evaluate):
    system, positions, model = box
    energy, forces, stress = evaluate(system.species, positions, system.cell)
    system, positions, model = (
        cast(system, jnp.float32),
        positions.astype(jnp.float32),
        model.cast(jnp.float32),
    )
    lists = all_neighbours(positions, system.cell, POTENTIAL.cutoff)
    single = compute(model.architecture, model.parameters, system.species, positions, system.cell, lists)
    assert {array.dtype for array in single} == {np.dtype("float32")}
    # 6e-8 relative for each operation on numbers up to some 10 eV, adding up at random over 10³ of them.
    np.testing.assert_allclose(single[0], energy, atol=3e-5)
    np.testing.assert_allclose(single[1], forces, atol=1e-4)
    np.testing.assert_allclose(single[2], stress, atol=1e-5)


def test_an_atom_crosses_the_cutoff_smoothly(box):
    # Two hydrogen atoms near an oxygen atom, the farther one moves out: the oxygen atom's densities change by
    # the product of both hydrogens' orbitals, of fourth order in the distance to the cutoff.
    model = box[2]
    cell, species = jnp.eye(3) * 20.0, jnp.array([0, 1, 1])
    cutoff = POTENTIAL.cutoff

    def placed(distance):
        return jnp.zeros((3, 3)).at[1, 0].set(-1.0).at[2].set(distance * jnp.array([0.6, 0.8, 0.0]))

    lists = all_neighbours(placed(cutoff), cell, cutoff + 1.0)

    def energy(distance):
        positions = placed(distance)
        return model.architecture.energy(model.parameters, species, positions, cell, lists)

    first = jax.grad(energy)
    derivatives = jax.jit(lambda r: jax.jvp(first, (r,), (1.0,)))
    for derivative in derivatives(cutoff + 1e-4):
        np.testing.assert_allclose(derivative, 0.0, atol=ROUNDING)
    # h = 1e-4 Å inside, the n-th derivative is at most h^(4 - n) times the fourth, some 10² eV/Å⁴.
    for order, derivative in enumerate(derivatives(cutoff - 1e-4), start=1):
        assert abs(derivative) < 1e3 * 1e-4 ** (4 - order)
    assert abs(derivatives(cutoff - 0.5)[0]) > 1e-4


def test_the_cutoff_function_is_the_squared_cosine_and_zero_beyond():
    distance = jnp.array([0.0, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(cosine_cutoff(distance, 3.0)[0], [1.0, 0.25, 0.0, 0.0], atol=1e-15)


def test_the_written_derivatives_of_the_radial_functions_are_those_of_finite_differences():
    """First and second ones, forwards and backwards, by all distances and parameters."""
    distance = jnp.linspace(0.4, 3.6, 12).reshape(3, 4)  # on both sides of the cutoff
    elements = jnp.arange(12).reshape(3, 4) % 2
    parameters = {
        "exponents": jnp.array([1.1, 2.3]),
        "centres": jnp.array([0.8, 1.9]),
        "coefficients": jnp.array([[0.7, -0.4], [1.2, 0.3]]),
    }
    point, restore = ravel_pytree((distance, parameters))
    factors = np.random.default_rng(8).normal(size=(3, 2, 4))

    def total(point):
        distance, parameters = restore(point)
        return jnp.sum(factors * radial_functions(distance, elements, parameters, 3.0))

    first, step = jax.grad(total), 1e-5

    @jax.jit
    def derivatives(point):
        shifts = step * jnp.eye(len(point))
        by_differences = [
            (jax.vmap(function)(point[None] + shifts) - jax.vmap(function)(point[None] - shifts)) / (2 * step)
            for function in (total, first)
        ]
        written = (
            [first(point), jax.jacfwd(total)(point)],
            [jax.jacfwd(first)(point), jax.jacrev(first)(point)],
        )
        return by_differences, written

    # Third and fourth derivatives are some 10², times step² / 6; rounding is some 1e-15 / step.
    for expected, found in zip(*derivatives(point), strict=True):
        assert jnp.max(jnp.abs(expected)) > 0.1
        for each in found:
            np.testing.assert_allclose(each, expected, atol=1e-8)


def test_the_repulsion_has_two_continuous_derivatives():
    radius, strength = 1.2, 7.0
    first = jax.grad(core_repulsion)
    second = jax.grad(first)
    assert core_repulsion(0.0, radius, strength) == strength
    np.testing.assert_allclose(core_repulsion(0.6, radius, strength), strength / 8)
    np.testing.assert_allclose(first(0.6, radius, strength), -3 * strength / radius / 4)
    for derivative in (core_repulsion, first, second):
        assert derivative(radius + 1e-9, radius, strength) == 0.0
        # Just inside, the second derivative is 6 strength / radius² times the relative distance of 1e-9.
        np.testing.assert_allclose(derivative(radius - 1e-9, radius, strength), 0.0, atol=1e-7)


def test_the_repulsion_acts_between_close_atoms_only(box):
    model = box[2]
    cell, species = jnp.eye(3) * 20.0, jnp.array([1, 1])
    radius = float(model.parameters["constants"]["repulsion_radii"][1, 1])
    soft = replace(model.architecture, repulsion_strength=0.0)

    lists = all_neighbours(jnp.zeros((2, 3)).at[1, 0].set(1.0), cell, POTENTIAL.cutoff)

    @jax.jit
    def extra(distance):
        point = (model.parameters, species, jnp.zeros((2, 3)).at[1, 0].set(distance), cell, lists)
        return model.architecture.energy(*point) - soft.energy(*point)

    np.testing.assert_allclose(extra(radius / 2), POTENTIAL.repulsion_strength / 8, atol=ROUNDING)
    assert extra(1.001 * radius) == 0.0


def test_angular_monomials_add_up_to_powers_of_the_cosine():
    # Σ weight² monomial(a) monomial(b) = (a · b)^l: what makes the summed squares invariant under rotation.
    generator = np.random.default_rng(7)
    a, b = generator.normal(size=(2, 3))
    for degree in range(4):
        terms = [
            weight**2 * np.prod(a**powers) * np.prod(b**powers)
            for own, powers, weight in [(d, np.array(p), w) for d, p, w in monomials(3)]
            if own == degree
        ]
        np.testing.assert_allclose(sum(terms), (a @ b) ** degree, rtol=1e-12)


def test_an_untrained_potential_is_defined_for_an_atom_without_neighbours():
    model = create_model(POTENTIAL, ELEMENTS, jax.random.key(0)).cast(jnp.float64)
    positions, cell, species = jnp.zeros((1, 3)), jnp.eye(3) * 20.0, jnp.array([0])
    lists = all_neighbours(positions, cell, POTENTIAL.cutoff)
    energy, forces, stress = compute(model.architecture, model.parameters, species, positions, cell, lists)
    assert np.isfinite(energy)
    np.testing.assert_array_equal(forces, 0.0)
    np.testing.assert_array_equal(stress, 0.0)
