"""Potential and dipole surface against sums over pairs and triples in plain Python, straight from the equations."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import DIPOLE, ELEMENTS, POTENTIAL, TRICLINIC, all_neighbours, water_box

from dynrefine.config.surfaces.base import SurfaceSettings
from dynrefine.files.models import Model, create_model
from dynrefine.surfaces.base import energy_forces_stress

pytestmark = pytest.mark.usefixtures("fast_compilation")

CELL = 0.5 * TRICLINIC  # edges of 2.5 to 2.9 Å: within the cutoffs an atom sees images of itself
CHARGES = (-2.0, 1.0)
SPECIES = (0, 1, 1)
IMAGES = np.array(list(itertools.product(range(-3, 4), repeat=3)))
# Some 10² terms of order one in double precision.
ROUNDING = 1e-12


def random_parameters(settings: SurfaceSettings, seed: int) -> Model:
    """A model of which every number is random, so that none stands for another."""
    model = create_model(settings, ELEMENTS, jax.random.key(0)).cast(jnp.float64)
    generator = np.random.default_rng(seed)
    parameters = jax.tree.map(lambda x: jnp.asarray(generator.uniform(0.3, 1.6, x.shape)), model.parameters)
    weights = [
        {name: jnp.asarray(generator.normal(0.0, 0.4, array.shape)) for name, array in layer.items()}
        for layer in parameters["trainable"]["layers"]
    ]
    if "repulsion_radii" in parameters["constants"]:
        parameters["constants"]["repulsion_radii"] = jnp.array([[2.7, 1.4], [1.4, 1.9]])
    return replace(
        model, parameters={**parameters, "trainable": {**parameters["trainable"], "layers": weights}}
    )


@pytest.fixture(scope="module")
def molecule():
    """One molecule in a cell that is smaller than itself and its neighbours' reach."""
    return water_box(1, CELL)


@pytest.fixture(scope="module")
def potential():
    """An embedded atom network up to l = 3."""
    return random_parameters(
        POTENTIAL.model_copy(update={"angular_momentum": 3, "hidden_layers": [5, 4]}), seed=1
    )


@pytest.fixture(scope="module")
def rich_potential():
    """One of mixed orbitals, with products of vectors and tensors."""
    options = {"mixed_orbitals": 4, "triple_products": 2}
    return random_parameters(POTENTIAL.model_copy(update=options), seed=4)


@pytest.fixture(scope="module")
def surface():
    """A dipole surface up to l = 2."""
    return random_parameters(DIPOLE.model_copy(update={"angular_momentum": 2}), seed=2)


def around(positions: np.ndarray, centre: int, cutoff: float) -> list[tuple[int, complex, np.ndarray]]:
    """Neighbour, distance and direction of all atoms and images within the cutoff; positions may be complex."""
    found = []
    for image, other in itertools.product(IMAGES, range(len(SPECIES))):
        vector = positions[other] + image @ CELL - positions[centre]
        distance = np.sqrt(np.sum(vector * vector))
        if 1e-6 < distance.real < cutoff:
            found.append((other, distance, vector / distance))
    return found


def environment(model: Model, positions: np.ndarray, centre: int) -> tuple[np.ndarray, np.ndarray]:
    """Σ_j R_n(r_j) u_j [n, 3] and the outputs of the centre's network.

    The density of l and n is Σ_jk R_n(r_j) R_n(r_k) (u_j · u_k)^l, the sum over all pairs of neighbours, in which
    no monomials occur. Where orbitals are mixed, combinations take the place of R_n.
    """
    basis = model.architecture.network.basis
    orbitals = jax.tree.map(np.asarray, model.parameters["trainable"]["orbitals"])
    neighbours = around(positions, centre, basis.cutoff)
    radial = np.array(
        [
            [
                orbitals["coefficients"][SPECIES[other], n]
                * np.exp(-orbitals["exponents"][n] * (distance - orbitals["centres"][n]) ** 2)
                * (0.5 + 0.5 * np.cos(np.pi * distance / basis.cutoff)) ** 2
                for n in range(basis.radial_functions)
            ]
            for other, distance, _ in neighbours
        ]
    )
    directions = np.array([direction for *_, direction in neighbours])
    element = SPECIES[centre]
    mixing = jax.tree.map(np.asarray, model.parameters["trainable"].get("mixing", {}))
    features = []
    for degree in range(basis.angular_momentum + 1):
        functions = radial @ mixing["densities"][degree, element] if mixing else radial
        angular = (directions @ directions.T) ** degree
        squares = [function @ angular @ function for function in functions.T]
        features += list(functions.sum(axis=0)) if mixing and degree == 0 else squares
    if mixing:
        features += products(radial, directions, mixing["vectors"][:, element], mixing["tensors"][:, element])
    constants = jax.tree.map(np.asarray, model.parameters["constants"])
    values = (np.array(features) - constants["feature_mean"][element]) / constants["feature_scale"][element]
    *hidden, last = model.parameters["trainable"]["layers"]
    for layer in hidden:
        values = values @ np.asarray(layer["weights"][element]) + np.asarray(layer["biases"][element])
        values = values / (1.0 + np.exp(-values))
    return radial.T @ directions, values @ np.asarray(last["weights"][element]) + np.asarray(
        last["biases"][element]
    )


def products(radial: np.ndarray, directions: np.ndarray, vectors: Any, tensors: Any) -> list[complex]:
    """b·S a of every channel, then (S a)·(T b), then tr(S T S), of sums over neighbours of u and u uᵀ - 1/3."""
    quadrupoles = np.array([np.outer(u, u) - np.sum(u * u) * np.eye(3) / 3 for u in directions])
    kinds: list[list[complex]] = [[], [], []]
    for channel in range(vectors.shape[-1]):
        a, b = ((radial @ own[:, channel]) @ directions for own in vectors)
        s, t = (np.einsum("j,jxy->xy", radial @ own[:, channel], quadrupoles) for own in tensors)
        for kind, value in zip(kinds, (b @ s @ a, (s @ a) @ (t @ b), np.trace(s @ t @ s)), strict=True):
            kind.append(value)
    return [value for kind in kinds for value in kind]


def energy_by_loops(model: Model, positions: np.ndarray) -> complex:
    """Energies of the atoms' networks, and half of the repulsion that each atom feels."""
    radii, strength = model.parameters["constants"]["repulsion_radii"], model.architecture.repulsion_strength
    total = 0.0
    for centre in range(len(SPECIES)):
        total += environment(model, positions, centre)[1][0]
        for other, distance, _ in around(positions, centre, 3.0):
            radius = float(radii[SPECIES[centre], SPECIES[other]])
            if distance.real < radius:
                total += 0.5 * strength * (1.0 - distance / radius) ** 3
    return total


def dipole_by_loops(model: Model, positions: np.ndarray) -> np.ndarray:
    """Formal charges times positions, and each atom's vectors times the outputs of its network."""
    total = np.zeros(3, positions.dtype)
    for centre, element in enumerate(SPECIES):
        vectors, outputs = environment(model, positions, centre)
        total = total + CHARGES[element] * positions[centre] + outputs @ vectors
    return total


def along(
    function: Callable[[np.ndarray], complex], positions: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """The derivative of a function along a direction by a complex step, which rounding does not limit."""
    return np.imag(function(positions + 1e-30j * direction)) / 1e-30


@pytest.mark.parametrize("name", ["potential", "rich_potential"])
def test_the_energy_and_its_forces_are_those_of_plain_loops(molecule, name, request):
    system, positions = molecule
    potential = request.getfixturevalue(name)
    lists = all_neighbours(positions, system.cell, potential.architecture.cutoff)
    energy, forces, _ = jax.jit(energy_forces_stress, static_argnums=0)(
        potential.architecture, potential.parameters, system.species, positions, system.cell, lists
    )
    plain = np.asarray(positions, complex)
    np.testing.assert_allclose(energy, energy_by_loops(potential, plain).real, rtol=ROUNDING)
    steps = np.eye(9).reshape(9, 3, 3)
    slopes = [along(lambda x: energy_by_loops(potential, x), plain, step) for step in steps]
    np.testing.assert_allclose(forces.ravel(), np.negative(slopes), atol=100 * ROUNDING)
    # Repulsion and networks are of similar size, or one of them would be lost in the rounding of the other.
    networks = sum(environment(potential, plain, centre)[1][0].real for centre in range(3))
    assert abs(networks) > 0.1
    assert 0.01 < (energy - networks) / abs(networks) < 1e3


def test_the_dipole_and_its_derivative_are_those_of_plain_loops(molecule, surface):
    system, positions = molecule
    lists = all_neighbours(positions, system.cell, surface.architecture.cutoff)
    velocities = np.random.default_rng(3).normal(size=(3, 3))
    point = (surface.parameters, system.species, positions)
    dipole = jax.jit(surface.architecture.dipole)(*point, system.cell, lists)
    derivative = jax.jit(surface.architecture.dipole_derivative)(*point, velocities, system.cell, lists)
    plain = np.asarray(positions, complex)
    np.testing.assert_allclose(dipole, dipole_by_loops(surface, plain).real, atol=10 * ROUNDING)
    expected = along(lambda x: dipole_by_loops(surface, x), plain, velocities)
    np.testing.assert_allclose(derivative, expected, atol=100 * ROUNDING)
    charges = np.array(CHARGES)[list(SPECIES)]
    assert np.linalg.norm(dipole - charges @ positions) > 0.1
    assert np.linalg.norm(derivative - charges @ velocities) > 0.1
