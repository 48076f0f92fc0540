"""The shear stress: against strained cells, ASE and plain differentiation, and what it costs."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones as Reference
from systems import POTENTIAL, TRICLINIC, all_neighbours, random_model, water_box

from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point
from dynrefine.quantities.stress import stress
from dynrefine.quantities.virial_pressure import virial_pressure
from dynrefine.surfaces.base import Surface, energy_forces_stress, strain_derivative
from dynrefine.surfaces.lennard_jones import LennardJones
from dynrefine.units import BAR, KINETIC

pytestmark = pytest.mark.usefixtures("fast_compilation")

SYSTEM, POSITIONS = water_box(3, TRICLINIC)
VELOCITIES = jnp.asarray(np.random.default_rng(2).normal(0.0, 0.02, POSITIONS.shape))  # Å/fs
POINT = Point(POSITIONS, VELOCITIES, SYSTEM.cell)
CUTOFF, SIGMA, EPSILON = 3.0, 1.1, 0.02  # Å, Å, eV


@cache
def neighbours() -> NeighbourList:
    """Complete within the cutoff, also in cells strained by 1e-5."""
    with jax.ensure_compile_time_eval():
        return all_neighbours(POSITIONS, np.asarray(SYSTEM.cell), CUTOFF + 0.1)


def pairs(truncation: str, tail_correction: bool) -> Model:
    """A Lennard-Jones potential small enough for the molecules."""
    own = LennardJones(CUTOFF, truncation, 0.8, tail_correction, SIGMA, EPSILON)
    return Model(own, own.initial_parameters(None), {})


MODELS = {
    "networks": lambda: random_model(POTENTIAL, SYSTEM, POSITIONS),
    "truncated pairs": lambda: pairs("truncated", tail_correction=True),
    "switched pairs": lambda: pairs("switched", tail_correction=True),
    "shifted pairs": lambda: pairs("shifted", tail_correction=False),
}


def of_strain(strain: np.ndarray) -> np.ndarray:
    """The five shear components of a symmetric tensor [3, 3]."""
    return np.array(
        [
            strain[0, 1],
            strain[0, 2],
            strain[1, 2],
            0.5 * (strain[0, 0] - strain[1, 1]),
            0.5 * (strain[1, 1] - strain[2, 2]),
        ]
    )


def observed(model: Model, trainable: object, point: Point = POINT) -> jax.Array:
    """The quantity of a model with some parameters."""
    potential = Surface(model.architecture, {**model.parameters, "trainable": trainable})
    return stress({"potential": potential}, SYSTEM, point, neighbours())


@pytest.fixture(scope="module", params=list(MODELS))
def model(request):
    """Each potential in turn."""
    return MODELS[request.param]()


def test_the_stress_is_how_the_energy_changes_with_the_strain(model):
    @jax.jit
    def energy(strain):
        deformed = [each @ (jnp.eye(3) + strain) for each in (POSITIONS, SYSTEM.cell)]
        return model.architecture.energy(model.parameters, SYSTEM.species, *deformed, neighbours())

    derivative = np.zeros((3, 3))
    for one, other in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]:
        strain = np.zeros((3, 3))
        strain[one, other] += 0.5e-5
        strain[other, one] += 0.5e-5
        derivative[one, other] = derivative[other, one] = (energy(strain) - energy(-strain)) / 2e-5
    momenta = np.asarray(SYSTEM.masses)[:, None] * np.asarray(VELOCITIES)
    kinetic = KINETIC * momenta.T @ np.asarray(VELOCITIES)
    volume = np.linalg.det(np.asarray(SYSTEM.cell))
    expected = of_strain(kinetic - derivative) / (BAR * volume)
    assert np.all(np.abs(of_strain(derivative)) > 1e-3 * np.abs(of_strain(kinetic)))
    # of an energy of some eV to 1e-15 of it, by a strain of 1e-5
    scale = np.abs(expected).max()
    np.testing.assert_allclose(observed(model, model.parameters["trainable"]), expected, atol=1e-7 * scale)


@pytest.mark.parametrize("truncation", ["shifted", "switched"])
def test_the_stress_is_that_of_ase_with_the_kinetic_part(truncation):
    model = pairs(truncation, tail_correction=False)
    masses = np.asarray(SYSTEM.masses)
    atoms = Atoms("OHH" * 3, positions=np.asarray(POSITIONS), cell=np.asarray(SYSTEM.cell), pbc=True)
    atoms.set_masses(masses)
    atoms.set_velocities(np.asarray(VELOCITIES) / units.fs)
    # ASE shifts the energy unless it switches; its switch begins at `ro`.
    options = {"smooth": True, "ro": CUTOFF - 0.8} if truncation == "switched" else {}
    atoms.calc = Reference(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF, **options)
    expected = of_strain(-atoms.get_stress(voigt=False, include_ideal_gas=True)) / (1e5 * units.Pascal)
    # constants of CODATA 2018 here, of 2014 there
    found = observed(model, model.parameters["trainable"])
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


def test_what_is_pulled_back_is_what_plain_differentiation_gives(model):
    seeds = jnp.asarray(np.random.default_rng(3).normal(size=5))
    masses = SYSTEM.masses[:, None]

    @jax.jit
    def plain(trainable, x, v):
        own = {**model.parameters, "trainable": trainable}
        tensor = -energy_forces_stress(model.architecture, own, SYSTEM.species, x, SYSTEM.cell, neighbours())[
            2
        ]
        tensor += KINETIC * (masses * v).T @ v / jnp.linalg.det(SYSTEM.cell)
        shear = [tensor[0, 1], tensor[0, 2], tensor[1, 2]]
        normal = jnp.diag(tensor)
        return seeds @ jnp.stack([*shear, *(0.5 * (normal[:2] - normal[1:]))]) / BAR

    @jax.jit
    def own(trainable, x, v):
        return seeds @ observed(model, trainable, Point(x, v, SYSTEM.cell))

    arguments = model.parameters["trainable"], POSITIONS, VELOCITIES
    value = observed(model, model.parameters["trainable"])
    found, expected = (jax.grad(each, argnums=(0, 1, 2))(*arguments) for each in (own, plain))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        # of sums that cancel in part; the last biases move no force
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11 * float(jnp.abs(seeds @ value)))


def test_its_trace_is_the_virial_pressure(model):
    potential = Surface(model.architecture, model.parameters)
    frame = SYSTEM.species, POSITIONS, SYSTEM.cell, neighbours()
    derivative = strain_derivative(*potential, *frame)
    expected = -jnp.trace(derivative) / (3.0 * BAR * SYSTEM.volume)
    found = virial_pressure({"potential": potential}, SYSTEM, POINT, neighbours())
    assert float(found) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize("name", ["networks", "truncated pairs"])
def test_it_costs_two_forces_and_its_seeds_four(full_compilation, name):
    """Counted by the compiler, in operations."""
    model = MODELS[name]()

    def energy(trainable, x):
        own = {**model.parameters, "trainable": trainable}
        return model.architecture.energy(own, SYSTEM.species, x, SYSTEM.cell, neighbours())

    def value(trainable, x):
        return observed(model, trainable, Point(x, VELOCITIES, SYSTEM.cell))

    def seeded(trainable, x):
        return jax.vjp(value, trainable, x)[1](jnp.ones(5))

    def operations(function):
        compiled = jax.jit(function).lower(model.parameters["trainable"], POSITIONS).compile()
        return compiled.cost_analysis()["flops"]

    force = operations(jax.value_and_grad(energy, argnums=1))
    assert operations(value) < 2.0 * force
    assert operations(seeded) < 4.0 * force
