"""Where sampling begins: the right composition, at the right density, repeated as often as asked."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, TRICLINIC

from dynrefine.config.data import Element
from dynrefine.config.dynamics import State
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings
from dynrefine.errors import CampaignError
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.system import system_of
from dynrefine.sampling.initial_configurations import initial_configurations, lattice_configurations
from dynrefine.units import ATOMIC_MASS

pytestmark = pytest.mark.usefixtures("fast_compilation")

WATER = 15.999 + 2 * 1.008  # u


@pytest.fixture(scope="module")
def frames():
    """Five frames in skewed cells of various sizes: three of two molecules, two of one and padding."""
    generator = np.random.default_rng(4)
    cells = TRICLINIC * np.array([1.0, 1.02, 0.9, 1.1, 1.05])[:, None, None]
    species = np.tile([0, 1, 1, 0, 1, 1], (5, 1))
    species[[1, 3], 3:] = -1
    return LabelledFrames.unlabelled(species, generator.uniform(size=(5, 6, 3)) @ cells, cells)


def state(density=0.9, supercell=(1, 1, 1)):
    """Settings of a state."""
    return State(temperature=300.0, density=density, supercell=list(supercell))


def test_cells_have_the_density_of_the_state(frames):
    found = initial_configurations(frames, state(0.9), ELEMENTS, 2, seed=1)
    cell = found.cells[0]
    np.testing.assert_array_equal(found.cells[1], cell)
    np.testing.assert_array_equal(found.species, [0, 1, 1, 0, 1, 1])
    kilogram, cubic_metre = 2 * WATER * ATOMIC_MASS, np.linalg.det(cell) * 1e-30
    assert kilogram / cubic_metre == pytest.approx(900.0, rel=1e-9)
    # The shape is that of the frames.
    np.testing.assert_allclose(cell / cell[0, 0], TRICLINIC / TRICLINIC[0, 0], rtol=1e-12)


def test_configurations_are_frames_of_the_commonest_composition_in_scaled_coordinates(frames):
    found = initial_configurations(frames, state(), ELEMENTS, 3, seed=1)
    fractional = found.positions @ np.linalg.inv(found.cells)
    own = np.einsum("fni,fij->fnj", frames.positions, np.linalg.inv(frames.cells))
    chosen = [int(np.argmin(np.abs(own - one).sum(axis=(1, 2)))) for one in fractional]
    np.testing.assert_allclose(own[chosen], fractional, atol=1e-12)
    assert sorted(chosen) == [0, 2, 4]  # each of them once before any comes again


def test_more_replicas_than_frames_repeat_them(frames):
    positions = initial_configurations(frames, state(), ELEMENTS, 7, seed=1).positions
    assert positions.shape == (7, 6, 3)
    np.testing.assert_array_equal(positions[:3], positions[3:6])


def test_the_choice_depends_on_the_seed_alone(frames):
    first, again = (initial_configurations(frames, state(), ELEMENTS, 2, seed=5).positions for _ in range(2))
    np.testing.assert_array_equal(first, again)
    others = [initial_configurations(frames, state(), ELEMENTS, 2, seed=seed).positions for seed in range(8)]
    assert len(np.unique(np.round(others, 9), axis=0)) > 1


def test_a_supercell_repeats_atoms_and_species(frames):
    found = initial_configurations(frames, state(supercell=(2, 1, 3)), ELEMENTS, 2, seed=1)
    plain = initial_configurations(frames, state(), ELEMENTS, 2, seed=1)
    np.testing.assert_allclose(found.cells, plain.cells * np.array([2, 1, 3])[:, None])
    np.testing.assert_array_equal(found.species, np.tile(plain.species, 6))
    images = found.positions.reshape(2, 6, 6, 3) - plain.positions[:, None]
    shifts = images @ np.linalg.inv(plain.cells[0])
    np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-12)
    np.testing.assert_allclose(shifts, np.broadcast_to(shifts[:1, :, :1], shifts.shape), atol=1e-12)
    assert {tuple(np.round(shift).astype(int)) for shift in shifts[0, :, 0]} == {
        (a, 0, c) for a in range(2) for c in range(3)
    }


def test_nothing_to_begin_from_is_an_error():
    empty = LabelledFrames.unlabelled(np.full(3, -1), np.zeros((2, 3, 3)), np.eye(3))
    with pytest.raises(CampaignError, match=r"holds no atoms to start from.*dataset\.files"):
        initial_configurations(empty, state(), ELEMENTS, 1, seed=1)
    with pytest.raises(CampaignError, match="holds no atoms"):
        initial_configurations(empty[:0], state(), ELEMENTS, 1, seed=1)


def test_a_system_has_the_masses_of_its_elements_in_the_wanted_precision():
    system = system_of(np.array([1, 0]), ELEMENTS, jnp.float32)
    np.testing.assert_allclose(system.masses, [1.008, 15.999], rtol=1e-7)
    assert (system.masses.dtype, system.species.dtype) == (jnp.float32, jnp.int32)


def test_a_lattice_has_the_density_and_no_close_pairs():
    argon = [Element(symbol="Ar", mass=39.948, charge=0)]
    found = lattice_configurations(State(temperature=94.4, density=1.374, atoms=346), argon, 3, seed=1)
    species, cell, positions = found.species, found.cells[0], found.positions
    assert species.shape == (346,) and not species.any()
    # Han & Yu, Nat. Commun. 16, 816 (2025): 346 atoms in 25.56 Å
    np.testing.assert_allclose(cell, 25.56 * np.eye(3), atol=0.01)
    separation = positions[:, :, None] - positions[:, None]
    separation -= cell[0, 0] * np.round(separation / cell[0, 0])
    distance = np.linalg.norm(separation, axis=-1) + 99.0 * np.eye(346)
    # 8 points along each edge, each atom away from its own by 0.03 spacings in every direction
    assert distance.min() > 0.8 * cell[0, 0] / 8
    assert np.abs(positions[0] - positions[1]).max() > 1.0


def test_molecules_are_on_the_lattice_turned_at_random():
    elements, state = ELEMENTS[::-1], State(temperature=298.15, density=0.997, atoms=192)
    molecule = FlexibleWaterSettings(kind="flexible_water").molecule
    found = lattice_configurations(state, elements, 2, seed=1, molecule=molecule)
    np.testing.assert_array_equal(found.species, np.tile([1, 0, 0], 64))
    assert 1e27 * 64 * WATER * ATOMIC_MASS / np.linalg.det(found.cells[0]) == pytest.approx(0.997)
    oxygen, *hydrogens = np.moveaxis(found.positions.reshape(-1, 3, 3), 1, 0)
    bonds = np.stack(hydrogens) - oxygen
    np.testing.assert_allclose(np.linalg.norm(bonds, axis=-1), 1.012)
    angles = np.degrees(np.arccos(np.sum(bonds[0] * bonds[1], axis=-1) / 1.012**2))
    np.testing.assert_allclose(angles, 113.24)
    # the mean of 128 unit vectors is about 1/sqrt(128) long
    assert np.linalg.norm(bonds[0].mean(axis=0)) < 3.0 * 1.012 / np.sqrt(128)
    assert np.std(bonds[0], axis=0).min() > 0.4 * 1.012
