"""Neighbour lists against an independent implementation, that of ASE, in cells of all shapes and sizes."""

import ase.neighborlist
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neighbour_pairs import CUTOFF, pairs, pairs_of_ase

from dynrefine.geometry.neighbours import (
    displacements,
    expected_capacity,
    images_per_axis,
    neighbour_list,
    with_nearest,
)

pytestmark = pytest.mark.usefixtures("fast_compilation")

ROOM = 320  # for the neighbours of any atom below
CELLS = {
    "wide": np.diag([6.5, 7.0, 8.0]),  # beyond two cutoffs: the minimum image
    "narrow": np.diag([3.3, 4.0, 5.5]),  # between one and two cutoffs: two images
    "tiny": np.diag([1.9, 2.4, 1.0]),  # below the cutoff: many images, an atom sees itself
    "mixed": np.diag([2.0, 4.0, 9.0]),
    "skewed": np.array([[6.2, 0.0, 0.0], [2.9, 6.1, 0.0], [-2.0, 2.5, 6.4]]),
    "skewed narrow": np.array([[4.0, 0.0, 0.0], [1.9, 3.6, 0.0], [1.5, -1.6, 3.9]]),
    "rotated": np.array([[0.0, 4.1, 0.4], [5.0, 0.3, 0.0], [0.2, 0.0, -7.0]]),  # left-handed
}


find = jax.jit(neighbour_list, static_argnames=("cutoff", "capacity", "images"))


def found_in(positions, cell, capacity=ROOM, **options):
    """The list of these positions."""
    return find(positions, cell, CUTOFF, capacity, images_per_axis(cell, CUTOFF), **options)


def random_positions(cell: np.ndarray, spread: float, atoms: int = 8, seed: int = 3) -> np.ndarray:
    """Positions up to so many cells away from the origin."""
    generator = np.random.default_rng(seed)
    return generator.uniform(-spread, spread, (atoms, 3)) @ cell


@pytest.mark.parametrize("spread", [0.5, 3.0], ids=["wrapped", "unwrapped"])
@pytest.mark.parametrize("name", CELLS)
def test_lists_hold_the_same_pairs_and_images_as_those_of_ase(name, spread):
    cell = CELLS[name]
    positions = random_positions(cell, spread)
    expected = pairs_of_ase(positions, cell)
    found = found_in(positions, cell)
    assert pairs(found) == expected
    assert not found.overflow


@pytest.mark.parametrize("name", ["wide", "tiny"])
def test_overflow_is_raised_exactly_when_an_atom_has_too_many_neighbours(name):
    cell = CELLS[name]
    positions = random_positions(cell, 0.5)
    longest = max(np.bincount([pair[0] for pair in pairs_of_ase(positions, cell)]))
    assert not found_in(positions, cell, longest).overflow
    assert found_in(positions, cell, longest - 1).overflow


def test_displacements_are_those_of_the_pairs_and_padding_is_beyond_the_cutoff():
    cell = CELLS["skewed narrow"]
    positions = random_positions(cell, 2.0)
    found = found_in(positions, cell)
    distance = np.linalg.norm(displacements(jnp.asarray(positions), jnp.asarray(cell), found), axis=0)
    padding = np.asarray(found.shifts)[0] == 64
    expected = ase.neighborlist.primitive_neighbor_list("d", [True] * 3, cell, positions, CUTOFF)
    # Distances of some Å from sums of a few products: rounding of 1e-15 relative, with room.
    np.testing.assert_allclose(np.sort(distance[~padding]), np.sort(expected), atol=1e-12)
    assert padding.any()
    assert distance[padding].min() > CUTOFF


def test_rows_that_are_not_atoms_have_no_neighbours_and_are_none():
    cell = CELLS["narrow"]
    positions = random_positions(cell, 0.5)
    padded = np.concatenate([positions, np.zeros((3, 3))])  # at the place of atoms within the cutoff
    present = np.arange(len(padded)) < len(positions)
    found = found_in(padded, cell, present=present)
    assert pairs(found) == pairs_of_ase(positions, cell)


def test_single_precision_finds_the_same_pairs():
    cell = CELLS["skewed"].astype(np.float32)
    positions = random_positions(cell, 1.0).astype(np.float32)
    found = found_in(positions, cell)
    assert pairs(found) == pairs_of_ase(positions.astype(float), cell.astype(float))


def test_lists_of_a_batch_are_those_of_its_members():
    cell = CELLS["narrow"]
    batch = np.stack([random_positions(cell, 1.0, seed=seed) for seed in (1, 2)])
    found = jax.vmap(lambda x: found_in(x, cell))(batch)
    for index, positions in enumerate(batch):
        member = jax.tree.map(lambda array, index=index: array[index], found)
        assert pairs(member) == pairs_of_ase(positions, cell)


def test_images_follow_the_distance_between_faces_not_the_length_of_edges():
    # Edges of 6 Å, but faces only 6 sin(30°) = 3 Å apart.
    sheared = np.array([[6.0, 0.0, 0.0], [6.0 * np.cos(np.pi / 6), 3.0, 0.0], [0.0, 0.0, 6.0]])
    assert images_per_axis(sheared, 3.001) == (5, 5, 2)
    assert images_per_axis(sheared, 2.999) == (2, 2, 1)
    assert images_per_axis(sheared, 1.499) == (1, 1, 1)


@pytest.mark.parametrize("clustered", [False, True])
def test_the_nearest_neighbours_are_those_within_the_shorter_cutoff_or_the_whole_list(clustered):
    cell, shorter = np.diag([9.0, 9.0, 9.0]), 1.5
    positions = random_positions(cell, 0.5, atoms=60)
    if clustered:
        positions[:30] = positions[0] + 0.1 * (positions[:30] - positions[0])
    found = found_in(positions, cell, 48)

    @jax.jit
    def nearest(positions):
        def summed(neighbours):
            distance = jnp.sqrt(jnp.sum(displacements(positions, jnp.asarray(cell), neighbours) ** 2, axis=0))
            return jnp.sum(jnp.maximum(shorter - distance, 0.0) ** 2), neighbours.indices.shape[1]

        return with_nearest(summed, positions, cell, found, shorter)

    value, entries = nearest(positions)
    expected = ase.neighborlist.primitive_neighbor_list("d", [True] * 3, cell, positions, shorter)
    np.testing.assert_allclose(value, np.sum((shorter - expected) ** 2), rtol=1e-12)
    assert entries == (48 if clustered else 8)


def test_expected_capacity_holds_the_mean_of_a_liquid_with_its_fluctuations():
    # 0.1 atoms/Å³ within 6 Å: 90.5 on average, and 2 sqrt(90.5) + 2 = 21 to spare, rounded up to a multiple of 8.
    assert expected_capacity(100, 1000.0, 6.0) == 112
