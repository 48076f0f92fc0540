"""Flexible water: OpenMM's energies and forces, Madelung's constant, derivatives, and what must not change it."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from systems import ELEMENTS, all_neighbours, cast, rotation, water_box

from dynrefine.ase import DynrefineCalculator
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings, waves_per_length
from dynrefine.errors import CampaignError
from dynrefine.files.models import create_model, flat_parameters, save_model
from dynrefine.geometry.system import Point
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.quantities.whole_dipole import whole_dipole
from dynrefine.surfaces.base import Surface, energy_forces_stress, require_no_wider
from dynrefine.surfaces.electrostatics import DampedShiftedForce, Ewald
from dynrefine.surfaces.flexible_water import FlexibleWater
from dynrefine.surfaces.joined import JoinedSurfaces
from dynrefine.units import COULOMB, KILOJOULE_PER_MOLE

pytestmark = pytest.mark.usefixtures("fast_compilation")

TABLE = Path(__file__).with_name("openmm_water.csv")
MODELS, METHODS = ("spc_fw", "q_tip4p_f"), ("damped_shifted_force", "ewald")
BOTH = [("spc_fw", "damped_shifted_force"), ("q_tip4p_f", "ewald")]
CELL = np.array([[6.3, 0.0, 0.0], [0.5, 6.1, 0.0], [-0.4, 0.3, 6.6]])

compute = jax.jit(energy_forces_stress, static_argnums=0)


def potential(model, electrostatics, **others):
    values = {"cutoff": 4.0, "reciprocal_vectors": [6, 6, 6], **others}
    settings = FlexibleWaterSettings(
        kind="flexible_water", model=model, electrostatics=electrostatics, **values
    )
    return FlexibleWater.from_settings(settings, ELEMENTS)


def evaluate(own, species, positions, cell, parameters=None):
    neighbours = all_neighbours(jnp.asarray(positions), jnp.asarray(cell), own.cutoff)
    assert not bool(neighbours.overflow)
    parameters = parameters or own.initial_parameters(None)
    return compute(own, parameters, species, jnp.asarray(positions), jnp.asarray(cell), neighbours)


def small_box():
    system, positions = water_box(8, CELL)
    return system.species, positions


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("electrostatics", METHODS)
def test_energies_and_forces_are_those_of_openmm(model, electrostatics):
    table = pd.read_csv(TABLE, comment="#")
    lines = [line.split() for line in TABLE.read_text(encoding="utf-8").splitlines()]
    (expected,) = [float(words[3]) for words in lines if words[1:3] == [model, electrostatics]]
    forces = table[[f"{model} {electrostatics} {axis}" for axis in "xyz"]].to_numpy()
    options = {
        "damped_shifted_force": {"damping": 0.25},
        # the waves are left out where exp(-k²/4α²) is 1e-7
        "ewald": {"damping": 1.0, "reciprocal_vectors": [11, 11, 12], "truncation": "truncated"},
    }
    own = potential(model, electrostatics, tail_correction=False, **options[electrostatics])
    species = jnp.asarray(table["symbol"] == "H", jnp.int32)
    energy, found, _ = evaluate(own, species, table[["x", "y", "z"]].to_numpy(), np.diag([8.1, 8.4, 8.9]))
    assert energy == pytest.approx(expected * KILOJOULE_PER_MOLE, rel=1e-5)
    np.testing.assert_allclose(
        found, forces * KILOJOULE_PER_MOLE, rtol=1e-5, atol=1e-5 * np.abs(found).mean()
    )


@pytest.mark.parametrize("model", MODELS)
def test_its_charges_give_the_dipole_of_whole_molecules(model):
    """γ q_H times both bonds of each, whichever images of the atoms are given."""
    system, positions = water_box(8, CELL)
    images = np.random.default_rng(3).integers(-1, 2, positions.shape) @ CELL
    point = Point(positions + images, jnp.zeros_like(positions), jnp.asarray(CELL))
    own = potential(model, "damped_shifted_force")
    surfaces = {"potential": Surface(own, own.initial_parameters(None))}
    found = jax.jit(lambda point: whole_dipole(surfaces, system, point, None))(point)
    molecules = np.asarray(positions).reshape(8, 3, 3)
    bonds = molecules[:, 1:] - molecules[:, :1]
    charge = {"spc_fw": 0.41, "q_tip4p_f": 0.73612 * 0.5564}[model]
    np.testing.assert_allclose(found, charge * bonds.sum(axis=(0, 1)), rtol=1e-9)


def test_rock_salt_has_the_constant_of_madelung():
    edge = 5.64
    corners = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)])
    positions, charges = 0.5 * edge * corners, (-1.0) ** corners.sum(axis=1)
    cell = edge * jnp.eye(3)
    neighbours = all_neighbours(jnp.asarray(positions), cell, 5.0)
    own = Ewald(cutoff=5.0, alpha=1.1, waves=(10, 10, 10))
    energy = jax.jit(own.energy)(jnp.asarray(charges), jnp.asarray(positions), cell, neighbours)
    # erfc(5.5) and exp(-(10π/1.1/5.64)²) are below 1e-11
    assert energy / 4 == pytest.approx(-1.747564594633182 * COULOMB / (0.5 * edge), rel=1e-10)


def test_ewald_sum_does_not_depend_on_its_damping():
    species, positions = small_box()
    found = []
    for alpha, waves in ((1.0, 10), (1.2, 12)):
        own = potential("q_tip4p_f", "ewald", damping=alpha, reciprocal_vectors=[waves] * 3)
        neighbours = all_neighbours(positions, jnp.asarray(CELL), own.cutoff)
        frame = species, positions, jnp.asarray(CELL), neighbours
        found.append(jax.jit(own.energy)(own.initial_parameters(None), *frame))
    # erfc(4) is 2e-8, of energies of some eV
    assert found[0] == pytest.approx(float(found[1]), abs=1e-6)


@pytest.mark.parametrize(("model", "electrostatics"), BOTH)
def test_derivatives_follow_from_the_energy(model, electrostatics):
    """To second order in parameters, positions and cell, as forces, stress and the adjoint need them."""
    own = potential(model, electrostatics)
    species, positions = small_box()
    parameters = own.initial_parameters(None)
    neighbours = all_neighbours(positions, jnp.asarray(CELL), own.cutoff + 0.3)

    point = parameters["trainable"], positions, jnp.asarray(CELL)
    flat, restore = flat_parameters(point)

    @jax.jit
    def derivatives(at, along):
        """Energy and gradient, and how both change along a direction."""

        def energy(vector):
            trainable, *geometry = restore(vector)
            return own.energy({**parameters, "trainable": trainable}, species, *geometry, neighbours)

        return jax.jvp(jax.value_and_grad(energy), (at,), (along,))

    generator, step, begun = np.random.default_rng(5), 1e-5, 0
    for part in point:
        size = flat_parameters(part)[0].size
        along = np.zeros(flat.size)
        along[begun : begun + size] = generator.normal(size=size)
        begun += size
        (above, slope_above), (below, slope_below) = (
            derivatives(flat + sign * step * along, along)[0] for sign in (1.0, -1.0)
        )
        (_, gradient), (slope, change) = derivatives(flat, along)
        # central differences lack third derivatives, times 1e-10, and digits: 1e-14 of some 10 eV over 1e-5
        expected = float(above - below) / (2.0 * step)
        for found in (np.dot(gradient, along), slope):
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)
        expected = (slope_above - slope_below) / (2.0 * step)
        np.testing.assert_allclose(change, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("model", "electrostatics"), BOTH)
def test_places_wrapping_and_order_of_the_atoms_do_not_matter(model, electrostatics):
    own = potential(model, electrostatics)
    species, positions = small_box()
    energy, forces, stress = map(np.asarray, evaluate(own, species, positions, CELL))
    generator = np.random.default_rng(4)
    turn, order = rotation(generator), generator.permutation(len(species))
    fractions = np.asarray(positions) @ np.linalg.inv(CELL) + generator.normal(size=3)
    moved = (fractions - np.floor(fractions)) @ CELL @ turn.T
    found = evaluate(own, species[order], moved[order], CELL @ turn.T)
    assert found[0] == pytest.approx(energy, rel=1e-11)
    np.testing.assert_allclose(found[1], (forces @ turn.T)[order], atol=1e-9)
    np.testing.assert_allclose(found[2], turn @ stress @ turn.T, atol=1e-11)


def test_dipole_is_that_of_the_sites():
    own = potential("q_tip4p_f", "ewald")
    species, positions = small_box()
    molecules = np.asarray(positions).reshape(-1, 3, 3)
    sites = 0.73612 * molecules[:, 0] + 0.5 * (1.0 - 0.73612) * molecules[:, 1:].sum(axis=1)
    expected = 0.5564 * (molecules[:, 1:].sum(axis=1) - 2.0 * sites).sum(axis=0)
    arguments = own.initial_parameters(None), species, positions
    np.testing.assert_allclose(own.dipole(*arguments, CELL, None), expected, atol=1e-12)
    moving = jax.random.normal(jax.random.key(1), positions.shape)
    _, slope = jax.jvp(lambda x: own.dipole(*arguments[:2], x, CELL, None), (positions,), (moving,))
    np.testing.assert_allclose(own.dipole_derivative(*arguments, moving, CELL, None), slope, atol=1e-12)


def test_parameters_that_a_model_lacks_stay_as_they_are():
    own = potential("spc_fw", "ewald").initial_parameters(None)
    assert own["constants"].keys() == {"gamma", "bond_anharmonicity"}
    assert not potential("q_tip4p_f", "ewald").initial_parameters(None)["constants"]


def test_atoms_that_are_no_molecules_have_no_energy():
    own = potential("spc_fw", "damped_shifted_force")
    species, positions = small_box()
    stolen = positions.at[1].set(positions[3] + jnp.array([0.0, 0.0, -0.9]))
    for changed in (stolen, positions.at[2].add(3.0)):
        assert np.isnan(evaluate(own, species, changed, CELL)[0])
    assert np.isnan(evaluate(own, 1 - species, positions, CELL)[0])


def test_single_precision_keeps_its_digits():
    own = potential("q_tip4p_f", "ewald")
    species, positions = small_box()
    _, forces, _ = evaluate(own, species, positions, CELL)
    parameters = cast(own.initial_parameters(None), jnp.float32)
    energy, approximate, _ = evaluate(own, species, np.float32(positions), np.float32(CELL), parameters)
    assert energy.dtype == approximate.dtype == jnp.float32
    # positions rounded to 5e-7 Å times the force constant of a bond, 53 eV/Å²
    np.testing.assert_allclose(approximate, forces, atol=1e-4)


def test_a_cell_is_as_wide_as_its_waves_are_slow():
    """In units of that width at which the slowest wave beyond the ellipsoid is 2α² times the cutoff."""
    own = Ewald(4.0, 0.8, (6, 7, 5))
    directions = np.random.default_rng(4).normal(size=(200_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    waves = 2.0 * np.pi * (directions * own.waves) @ np.linalg.inv(CELL).T
    slowest = np.linalg.norm(waves, axis=1).min()
    assert own.relative_width(CELL) == pytest.approx(2.0 * 0.8**2 * 4.0 / slowest, rel=1e-4)
    assert own.relative_width(np.diag([6.0, 7.0, 10.0])) == pytest.approx(2.0 * waves_per_length(0.8, 4.0))


def test_cells_that_the_waves_do_not_suffice_for_are_refused(tmp_path):
    settings = FlexibleWaterSettings(kind="flexible_water", electrostatics="ewald", cutoff=4.0)
    model = create_model(settings, ELEMENTS, jax.random.key(0)).cast(jnp.float64)
    save_model(tmp_path / "water.npz", model)
    species, positions = small_box()
    wide = np.diag([6.0, 6.0, 13.0])  # 10.6 waves are needed, there are 8
    atoms = Atoms("OHH" * 8, np.asarray(positions), cell=wide, pbc=True)
    atoms.calc = DynrefineCalculator(tmp_path / "water.npz")
    with pytest.raises(CampaignError, match=r"a cell is 1\.32 times as wide .*reciprocal_vectors"):
        atoms.get_potential_energy()
    joined = replace(model, architecture=JoinedSurfaces(model.architecture, ()))
    for potential in (model, joined):
        with pytest.raises(CampaignError, match=r"a cell is 1\.32 times as wide"):
            BeadForces(potential, species, NeighbourSettings())(wide[None], np.asarray(positions)[None])
    require_no_wider(model.architecture, np.stack([CELL, np.diag([6.0, 6.0, 10.5])]))
    require_no_wider(DampedShiftedForce(4.0, 0.2), 100.0 * wide)
