"""Sums over blocks of atoms against the same sums in one piece, and against finite differences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from jax.test_util import check_grads
from systems import (
    CUBIC,
    DIPOLE,
    POTENTIAL,
    TRICLINIC,
    all_neighbours,
    cast,
    field_of,
    random_model,
    water_box,
)

from dynrefine.dynamics.force_field import ForceField
from dynrefine.surfaces.base import energy_forces_stress, labels_of
from dynrefine.surfaces.networks import blocks
from dynrefine.surfaces.networks.blocks import block_length, sum_over_blocks

pytestmark = pytest.mark.usefixtures("fast_compilation")

RICH = POTENTIAL.model_copy(update={"mixed_orbitals": 4, "triple_products": 2})
ROUNDING = {"rtol": 1e-11, "atol": 1e-11}  # sums of some hundred terms of order one in double precision


def same(found, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **ROUNDING), found, expected)


def scalar(shared, rows):
    kind, x = rows
    return jnp.sum(jnp.where(kind >= 0, shared["a"] * jnp.sin(shared["b"] * x), 0.0))


def array(shared, rows):
    kind, x = rows
    return shared["a"] * jnp.stack([jnp.sum(jnp.where(kind >= 0, x**3, 0.0)), scalar(shared, rows)])


@pytest.mark.parametrize("length", [1, 3, 7])
@pytest.mark.parametrize("function", [scalar, array])
def test_sums_and_their_first_two_derivatives_are_those_of_one_block(function, length):
    kinds = jnp.arange(7) % 2
    point = {"shared": {"a": jnp.array(0.7), "b": jnp.array(1.3)}, "x": jnp.linspace(0.2, 1.9, 7)}
    along = jax.tree.map(jnp.cos, point)

    def total(point):
        return jnp.sum(
            sum_over_blocks(function, point["shared"], (kinds, point["x"]), (-1, 0.0), length) ** 2
        )

    def plain(point):
        return jnp.sum(function(point["shared"], (kinds, point["x"])) ** 2)

    def everything(total):
        def slope(point):
            return sum(
                jnp.vdot(g, t)
                for g, t in zip(*map(jax.tree.leaves, (jax.grad(total)(point), along)), strict=True)
            )

        return {
            "value": total(point),
            "forwards": jax.jvp(total, (point,), (along,))[1],
            "backwards": jax.grad(total)(point),
            "forwards over backwards": jax.jvp(jax.grad(total), (point,), (along,))[1],
            "backwards over backwards": jax.grad(slope)(point),
            "mapped": jax.vmap(jax.grad(total))(jax.tree.map(lambda a: jnp.stack([a, 2.0 * a]), point)),
        }

    same(jax.jit(lambda: everything(total))(), jax.jit(lambda: everything(plain))())


def test_blocks_are_of_nearly_equal_length_and_all_atoms_make_one_on_an_accelerator(monkeypatch):
    assert block_length(48, 2304) == 48
    assert block_length(192, 6912) == 16
    assert block_length(100, 6912) == 17  # six blocks with room for 102
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert block_length(1536, 6912) == 1536


@pytest.fixture
def box():
    """Water with several images of each atom in an oblique cell, and a row that is no atom."""
    system, positions = water_box(4, TRICLINIC, seed=2)
    padded = replace(
        system,
        species=jnp.concatenate([system.species, -jnp.ones(1, jnp.int32)]),
        masses=jnp.concatenate([system.masses, jnp.ones(1)]),
    )
    return padded, jnp.concatenate([positions, positions[:1] + 0.3]), jnp.asarray(TRICLINIC)


def lists(system, positions, cell, cutoff):
    return all_neighbours(positions, cell, cutoff + 0.5, present=system.species >= 0)


def in_blocks(monkeypatch, function, *arguments):
    """What a function of arrays computes in blocks of six or seven atoms, and in one."""
    results = []
    for cached in (1, 10**9):
        monkeypatch.setattr(blocks, "_CACHED", cached)
        results.append(jax.jit(lambda *arguments: function(*arguments))(*arguments))
    return results


def test_energies_forces_stresses_and_products_in_blocks_are_those_in_one(box, monkeypatch):
    system, positions, cell = box
    model = random_model(POTENTIAL, *water_box(4, CUBIC))
    neighbours = lists(system, positions, cell, model.architecture.cutoff)
    g = jax.random.normal(jax.random.key(3), positions.shape)
    field = field_of(model.architecture, cell)

    def evaluated(parameters, positions, g):
        own = parameters, system.species, positions, cell, neighbours
        products = ForceField.forces_and_products(
            field, parameters, system.species, positions, cell, neighbours, g
        )
        return energy_forces_stress(model.architecture, *own), products

    same(*in_blocks(monkeypatch, evaluated, model.parameters, positions, g))
    ((energy, forces, _), (again, by_positions, _)), _ = in_blocks(
        monkeypatch, evaluated, model.parameters, positions, g
    )
    assert np.all(np.isfinite(forces)) and np.isfinite(energy) and np.any(by_positions)
    same(again, forces)


def test_both_products_are_those_of_the_plain_form_and_of_central_differences(box, monkeypatch):
    """(∂F/∂x)ᵀ g and (∂F/∂θ)ᵀ g against backpropagation through the forces of all atoms at once."""
    system, positions, cell = box
    model = random_model(RICH, *water_box(4, CUBIC))
    neighbours = lists(system, positions, cell, model.architecture.cutoff)
    g = jax.random.normal(jax.random.key(3), positions.shape)
    field = field_of(model.architecture, cell)

    def along_g(positions, trainable):
        parameters = {**model.parameters, "trainable": trainable}
        gradient = jax.grad(model.architecture.energy, argnums=2)
        return -jnp.vdot(g, gradient(parameters, system.species, positions, cell, neighbours))

    monkeypatch.setattr(blocks, "_CACHED", 10**9)
    expected = jax.jit(jax.grad(along_g, argnums=(0, 1)))(positions, model.parameters["trainable"])
    monkeypatch.setattr(blocks, "_CACHED", 1)
    _, *found = jax.jit(
        lambda positions, g: field.forces_and_products(
            model.parameters, system.species, positions, cell, neighbours, g
        )
    )(positions, g)
    same(tuple(found), expected)

    flat, restore = ravel_pytree((positions, model.parameters["trainable"]))
    direction = jax.random.normal(jax.random.key(4), flat.shape)
    value = jax.jit(lambda step: along_g(*restore(flat + step * direction)))
    slope = (value(1e-5) - value(-1e-5)) / 2e-5
    # Third derivatives of some 10⁴ in these units times the squared step, and rounding of 1e-15 / 1e-5.
    np.testing.assert_allclose(ravel_pytree(tuple(found))[0] @ direction, slope, rtol=1e-6, atol=1e-6)


def test_labels_are_differentiated_by_the_parameters_as_the_plain_form(box, monkeypatch):
    """Energy, forces and stress at once, in blocks, against backpropagation through them in one."""
    system, positions, cell = box
    model = random_model(RICH, *water_box(4, CUBIC))
    neighbours = lists(system, positions, cell, model.architecture.cutoff)
    cotangents = (
        0.7,
        jax.random.normal(jax.random.key(3), positions.shape),
        30.0 * jnp.arange(9.0).reshape(3, 3),
    )

    def gradient(function):
        def weighted(trainable):
            parameters = {**model.parameters, "trainable": trainable}
            values = function(model.architecture, parameters, system.species, positions, cell, neighbours)
            return sum(jnp.sum(c * value) for c, value in zip(cotangents, values, strict=True))

        return jax.jit(jax.value_and_grad(weighted))(model.parameters["trainable"])

    monkeypatch.setattr(blocks, "_CACHED", 10**9)
    expected = gradient(energy_forces_stress)
    monkeypatch.setattr(blocks, "_CACHED", 1)
    same(gradient(labels_of), expected)


def test_the_dipole_its_derivative_and_the_way_back_in_blocks_are_those_in_one(box, monkeypatch):
    system, positions, cell = box
    model = random_model(DIPOLE, *water_box(4, CUBIC))
    neighbours = lists(system, positions, cell, model.architecture.cutoff)
    velocities = jax.random.normal(jax.random.key(3), positions.shape)

    def evaluated(parameters, positions, velocities):
        def derivative(*point):
            parameters, positions, velocities = point
            return model.architecture.dipole_derivative(
                parameters, system.species, positions, velocities, cell, neighbours
            )

        value, pull = jax.vjp(derivative, parameters, positions, velocities)
        dipole = model.architecture.dipole(parameters, system.species, positions, cell, neighbours)
        return dipole, value, pull(jnp.array([0.3, -1.2, 0.7]))

    same(*in_blocks(monkeypatch, evaluated, model.parameters, positions, velocities))


def test_stress_in_blocks_is_that_of_finite_strains(monkeypatch):
    monkeypatch.setattr(blocks, "_CACHED", 1)
    system, positions = water_box(4, TRICLINIC)
    model = random_model(POTENTIAL, system, positions)
    cell = jnp.asarray(TRICLINIC)
    neighbours = lists(system, positions, cell, model.architecture.cutoff)

    def energy(strain):
        deformation = jnp.eye(3) + strain
        own = system.species, positions @ deformation, cell @ deformation, neighbours
        return model.architecture.energy(model.parameters, *own)

    check_grads(jax.jit(energy), (jnp.zeros((3, 3)),), order=1, modes=["fwd", "rev"], eps=1e-5, rtol=1e-6)


def test_forces_in_blocks_of_single_precision_are_those_of_double(monkeypatch):
    monkeypatch.setattr(blocks, "_CACHED", 1)
    system, positions = water_box(4, CUBIC)
    model = random_model(POTENTIAL, system, positions)
    field = field_of(model.architecture, CUBIC)

    def forces(dtype):
        own_system, x, parameters = cast((system, positions, model.parameters), dtype)
        neighbours = field.neighbours(x, own_system.cell)
        return jax.jit(field.energy_and_forces)(
            parameters, own_system.species, x, own_system.cell, neighbours
        )[1]

    expected = forces(jnp.float64)
    # Sums of some hundred terms in single precision.
    np.testing.assert_allclose(forces(jnp.float32), expected, atol=3e-5 * np.max(np.abs(expected)))
