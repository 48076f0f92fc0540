"""The ensemble part of the gradient where atoms far apart count as independent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from systems import (
    DIPOLE,
    POTENTIAL,
    TRICLINIC,
    SoftPairs,
    all_neighbours,
    field_of,
    random_model,
    water_box,
)

from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import InfraredSettings
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.errors import CampaignError
from dynrefine.files.models import flat_parameters
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Conditions
from dynrefine.properties.diffusion import SelfDiffusion
from dynrefine.properties.infrared import Infrared
from dynrefine.quantities.base import Observer
from dynrefine.refinement.gradient import Weighing, energy_gradients
from dynrefine.refinement.locality import Surroundings, near_contributions
from dynrefine.refinement.objective import evaluate
from dynrefine.sampling.reweighting import ensemble_coefficients
from dynrefine.statistics import Shares
from dynrefine.surfaces.base import Surface
from dynrefine.surfaces.joined import JoinedSurfaces, joined_parameters
from dynrefine.surfaces.lennard_jones import LennardJones

pytestmark = pytest.mark.usefixtures("fast_compilation")

POINTS, FRAMES, LAGS, MOLECULES = 4, 9, 5, 3
ATOMS, INTERVAL, KELVIN = 3 * MOLECULES, 2.0, 300.0
CELL = 2.0 * TRICLINIC
CONDITIONS = Conditions(KELVIN, float(np.linalg.det(CELL)), ATOMS, INTERVAL, ("O", "H", "H") * MOLECULES)
SPECTRUM = np.stack([np.arange(10.0, 4000.0, 10.0), np.linspace(0.0, 900.0, 399)], axis=1)
OBSERVABLES = {
    "infrared": Infrared.from_settings(
        InfraredSettings(
            target="unused",
            bands=[Band(range=[200.0, 3600.0])],
            resolution=400.0,
            window=LAGS * INTERVAL,
        ),
        SPECTRUM,
        CONDITIONS,
    ),
    "diffusion": SelfDiffusion.from_settings(
        DiffusionSettings(element="O", target=2.3, window=LAGS * INTERVAL), None, CONDITIONS
    ),
}


@pytest.fixture(scope="module")
def observed():
    """What atoms might contribute along trajectories, and their sum."""
    generator = np.random.default_rng(1)
    parts = generator.normal(0.0, 0.02, (POINTS, FRAMES, ATOMS, 3)) + 0.01
    along = {
        "dipole_derivative_of_atoms": parts,
        "dipole_derivative": parts.sum(axis=2),
        "velocities": generator.normal(0.0, 0.01, parts.shape),
    }
    return Observed({name: jnp.asarray(values) for name, values in along.items()}, {})


@pytest.fixture(scope="module")
def positions():
    """Of the starting points, some atoms cells away, Å."""
    generator = np.random.default_rng(2)
    away = generator.integers(-2, 3, (POINTS, ATOMS, 3)).astype(float)
    return (generator.uniform(0.0, 1.0, away.shape) + away) @ CELL


def surroundings(positions, radius):
    return Surroundings(jnp.asarray(positions), jnp.stack([jnp.asarray(CELL)] * POINTS), radius)


def evaluated(observable, observed):
    return evaluate(observable, observable.statistic(observed), Shares(jnp.full(POINTS, 1.0 / POINTS)))


def correlation(first, second, weights):
    """Σ over lags of their weights times the mean of first(t)·second(t + lag), in plain loops."""
    return sum(
        weight * np.mean([first[t] @ second[t + lag] for t in range(FRAMES - lag)])
        for lag, weight in enumerate(weights)
    )


def contributions_of_atoms(name, observed, cotangent):
    """Of the starting points to the linearised loss [S, N], each pair of atoms shared out evenly."""
    if name == "infrared":
        parts, whole = (
            np.asarray(observed.along[f"dipole_derivative{suffix}"]) for suffix in ("_of_atoms", "")
        )
        pairs = [
            [(own, total) for own in np.moveaxis(atoms, 1, 0)]
            for atoms, total in zip(parts, whole, strict=True)
        ]
        return np.array(
            [
                [0.5 * (correlation(a, b, cotangent) + correlation(b, a, cotangent)) for a, b in row]
                for row in pairs
            ]
        )
    velocities = np.asarray(observed.along["velocities"])
    oxygens = np.arange(ATOMS) % 3 == 0
    return np.array(
        [
            [
                is_one * correlation(v, v, cotangent) / MOLECULES
                for v, is_one in zip(np.moveaxis(own, 1, 0), oxygens, strict=True)
            ]
            for own in velocities
        ]
    )


def shares(positions, radius):
    """t(r_ij), by ASE."""
    atoms = [Atoms(positions=own, cell=CELL, pbc=True) for own in positions]
    distances = np.array([each.get_all_distances(mic=True) for each in atoms])
    return np.where(distances < radius, np.cos(0.5 * np.pi * distances / radius) ** 2, 0.0)


@pytest.mark.parametrize("name", OBSERVABLES)
def test_pairs_of_atoms_count_by_their_distance(name, observed, positions):
    evaluation = evaluated(OBSERVABLES[name], observed)
    found = near_contributions(OBSERVABLES[name], evaluation, observed, surroundings(positions, 4.0))
    own = contributions_of_atoms(name, observed, np.ravel(evaluation.cotangent))
    np.testing.assert_allclose(own.sum(axis=1), evaluation.contributions, rtol=1e-10)
    near = shares(positions, 4.0)
    assert 0.1 < np.mean(near > 0.0) < 0.9
    expected = np.einsum("sij,sj->si", near, own)
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name", OBSERVABLES)
def test_all_count_alike_where_no_distance_is_too_far(name, observed, positions):
    evaluation = evaluated(OBSERVABLES[name], observed)
    found = near_contributions(OBSERVABLES[name], evaluation, observed, surroundings(positions, 1e7))
    np.testing.assert_allclose(found, np.stack([evaluation.contributions] * ATOMS, axis=1), rtol=1e-9)


def test_what_atoms_contribute_is_not_needed(observed, positions):
    """Where it was not recorded, or a property is no correlation, all atoms count."""
    without = observed._replace(along={"dipole_derivative": observed.along["dipole_derivative"]})
    evaluation = evaluated(OBSERVABLES["infrared"], without)
    found = near_contributions(OBSERVABLES["infrared"], evaluation, without, surroundings(positions, 4.0))
    np.testing.assert_allclose(found, np.stack([evaluation.contributions] * ATOMS, axis=1), rtol=1e-12)


@pytest.fixture(scope="module")
def network():
    """A random potential, and configurations that it is tame in."""
    system, first = water_box(MOLECULES, CELL)
    moved = first[None] + jnp.asarray(np.random.default_rng(3).normal(0.0, 0.1, (POINTS, ATOMS, 3)))
    cells = jnp.stack([system.cell] * POINTS)
    return system, random_model(POTENTIAL, system, first), Point(moved, jnp.zeros_like(moved), cells)


def gradients_of_atoms(model, system, points):
    """∂u_i/∂θ [S, N, P]."""

    def energies(trainable, positions):
        neighbours = all_neighbours(positions, system.cell, model.architecture.cutoff)
        moved = {**model.parameters, "trainable": trainable}
        return model.architecture.atomic_energies(moved, system.species, positions, system.cell, neighbours)

    jacobian = jax.jit(jax.jacrev(energies))
    trees = [jacobian(model.parameters["trainable"], positions) for positions in points.positions]
    return np.stack([jax.vmap(lambda tree: flat_parameters(tree)[0])(tree) for tree in trees])


def test_the_ensemble_part_weighs_the_energies_of_atoms(network):
    """Row by row, with the mean of an atom of each kind."""
    system, model, points = network
    generator = np.random.default_rng(4)
    weights = jnp.asarray(generator.dirichlet(np.full(POINTS, 5.0)))
    coefficients = ensemble_coefficients(weights, jnp.asarray(generator.normal(size=(POINTS, ATOMS))), KELVIN)
    np.testing.assert_allclose(coefficients.sum(axis=0), 0.0, atol=1e-12 * np.abs(coefficients).max())
    field = field_of(model.architecture, system.cell)
    rows, mean = energy_gradients(
        field, model.parameters, system.species, points, Weighing(weights, coefficients, POINTS)
    )
    slopes = gradients_of_atoms(model, system, points)
    expected = np.einsum("si,sip->sp", coefficients, slopes)
    np.testing.assert_allclose(rows, expected, atol=1e-10 * np.abs(expected).max())
    of_kinds = [slopes[:, np.asarray(system.species) == kind].mean(axis=1) for kind in (0, 1)]
    np.testing.assert_allclose(mean, np.array([weights @ own for own in of_kinds]), rtol=1e-8, atol=1e-10)


def test_the_same_coefficients_for_all_atoms_are_those_of_the_energy(network):
    system, model, points = network
    weights, coefficients = jnp.full(POINTS, 1.0 / POINTS), jnp.arange(POINTS, dtype=float) - 1.5
    field = field_of(model.architecture, system.cell)
    own = field, model.parameters, system.species, points
    expected, whole = energy_gradients(*own, Weighing(weights, coefficients, POINTS))
    of_atoms = jnp.stack([coefficients] * ATOMS, axis=1)
    rows, mean = energy_gradients(*own, Weighing(weights, of_atoms, POINTS))
    np.testing.assert_allclose(rows, expected, atol=1e-10 * np.abs(expected).max())
    of_kind = np.bincount(np.asarray(system.species))
    np.testing.assert_allclose(of_kind @ np.asarray(mean), whole[0], rtol=1e-8, atol=1e-10)


def test_a_potential_that_is_no_sum_over_atoms_is_told_of(network):
    system, _, points = network
    alone, own = SoftPairs(), SoftPairs().initial_parameters()
    weighing = Weighing(jnp.full(POINTS, 0.25), jnp.zeros((POINTS, ATOMS)), POINTS)
    joined = JoinedSurfaces(alone, ()), joined_parameters({"potential": own})
    for potential, parameters in ((alone, own), joined):
        field = field_of(potential, system.cell)
        with pytest.raises(
            CampaignError, match=r"gradient\.locality is set, but the potential has no energies"
        ):
            energy_gradients(field, parameters, system.species, points, weighing)


def test_energies_of_atoms_add_up_to_that_of_the_potential(network):
    system, model, points = network
    dipole = random_model(DIPOLE, system, points.positions[0])
    joined = JoinedSurfaces(model.architecture, (("dipole", dipole.architecture),))
    argon = LennardJones(4.0, "switched", 1.0, True, 3.0, 0.01)
    found = {
        joined: joined_parameters({"potential": model.parameters, "dipole": dipole.parameters}),
        argon: argon.initial_parameters(jax.random.key(0)),
    }
    for potential, parameters in found.items():
        neighbours = all_neighbours(points.positions[0], system.cell, potential.cutoff)
        frame = parameters, system.species, points.positions[0], system.cell, neighbours
        of_atoms = potential.atomic_energies(*frame)
        assert of_atoms.shape == (ATOMS,)
        assert float(of_atoms.sum()) == pytest.approx(float(potential.energy(*frame)), rel=1e-12)


def test_what_atoms_contribute_adds_up_to_the_dipole_derivative(network):
    system, model, points = network
    surfaces = {"dipole": random_model(DIPOLE, system, points.positions[0])}
    velocities = jnp.asarray(np.random.default_rng(5).normal(0.0, 0.02, (ATOMS, 3)))
    point = Point(points.positions[0], velocities, system.cell)
    neighbours = all_neighbours(point.positions, system.cell, surfaces["dipole"].architecture.cutoff)
    observer = Observer.of(["dipole_derivative", "velocities"], surfaces)
    potential = Surface(model.architecture, model.parameters)
    whole, parts = (each(potential, system, point, neighbours) for each in (observer, observer.by_atom()))
    assert sorted(parts) == ["dipole_derivative_of_atoms", "velocities"]
    found = parts["dipole_derivative_of_atoms"]
    assert found.shape == (ATOMS, 3)
    np.testing.assert_allclose(found.sum(axis=0), whole["dipole_derivative"], rtol=1e-10)


def test_an_observable_sees_the_quantities_that_it_needs_alone(observed):
    needed = observed.needed_by([OBSERVABLES["infrared"]])
    assert sorted(needed.along) == ["dipole_derivative"]
