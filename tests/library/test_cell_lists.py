"""Neighbour lists by cells against those by all pairs and those of ASE."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from neighbour_pairs import CUTOFF, pairs, pairs_of_ase
from systems import SoftPairs

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.sufficient_lists import list_faults, with_sufficient_lists
from dynrefine.geometry.cell_lists import CellGrid, cell_grid, cell_list
from dynrefine.geometry.neighbours import displacements, images_per_axis, neighbour_list

pytestmark = pytest.mark.usefixtures("fast_compilation")

ATOMS = 200
ROOM = 48  # for the neighbours of any atom below
CELLS = {
    "cubic": np.diag([12.3, 12.3, 12.3]),
    "oblong": np.diag([12.1, 15.5, 18.9]),
    "skewed": np.array([[13.5, 0.0, 0.0], [4.2, 13.8, 0.0], [-3.0, 2.5, 16.4]]),
    "left-handed": np.array([[0.0, 13.0, 0.4], [14.0, 0.3, 0.0], [0.2, 0.0, -19.0]]),
}

find_by_cells = jax.jit(cell_list, static_argnames=("cutoff", "capacity", "grid"))
find_by_pairs = jax.jit(neighbour_list, static_argnames=("cutoff", "capacity", "images"))


def random_positions(cell, spread=0.5, seed=3):
    """Positions up to so many boxes away from the origin."""
    return np.random.default_rng(seed).uniform(-spread, spread, (ATOMS, 3)) @ cell


def by_cells(positions, cell, capacity=ROOM, grid=None):
    # twice the usual room in cells, since random points fluctuate more than a liquid
    grid = grid or CellGrid(cell_grid(ATOMS, cell, CUTOFF).counts, 16)
    return find_by_cells(positions, cell, CUTOFF, capacity, grid)


@pytest.mark.parametrize("spread", [0.5, 3.0], ids=["wrapped", "unwrapped"])
@pytest.mark.parametrize("name", CELLS)
def test_the_pairs_and_images_are_those_of_all_pairs_and_of_ase(name, spread):
    cell = CELLS[name]
    positions = random_positions(cell, spread)
    found = by_cells(positions, cell)
    assert not found.overflow
    assert pairs(found) == pairs_of_ase(positions, cell)
    assert pairs(found) == pairs(find_by_pairs(positions, cell, CUTOFF, ROOM, images_per_axis(cell, CUTOFF)))


def test_padding_is_beyond_the_cutoff():
    cell = CELLS["skewed"]
    positions = jnp.asarray(random_positions(cell))
    found = by_cells(positions, cell)
    distance = np.linalg.norm(displacements(positions, jnp.asarray(cell), found), axis=0)
    filled = np.asarray(found.filled)
    assert distance[filled].max() < CUTOFF < distance[~filled].min()


def test_atoms_on_the_faces_of_cells_are_found():
    cell = CELLS["cubic"]
    grid = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:ATOMS]
    positions = grid / 8.0 @ cell  # on the faces of the 4 cells along each edge, one at both ends of the box
    positions[::3] += cell[0]
    assert pairs(by_cells(positions, cell)) == pairs_of_ase(positions, cell)


def test_overflow_is_raised_exactly_when_an_atom_has_too_many_neighbours():
    cell = CELLS["oblong"]
    positions = random_positions(cell)
    longest = max(np.bincount([pair[0] for pair in pairs_of_ase(positions, cell)]))
    assert not by_cells(positions, cell, longest).overflow
    assert by_cells(positions, cell, longest - 1).overflow


def test_overflow_is_raised_exactly_when_a_cell_holds_too_many_atoms():
    cell = CELLS["oblong"]
    positions = random_positions(cell)
    counts = cell_grid(ATOMS, cell, CUTOFF).counts
    fractional = positions @ np.linalg.inv(cell)
    places = tuple(np.floor((fractional % 1.0) * counts).astype(int).T)
    fullest = np.bincount(np.ravel_multi_index(places, counts)).max()
    assert not by_cells(positions, cell, grid=CellGrid(counts, int(fullest))).overflow
    assert by_cells(positions, cell, grid=CellGrid(counts, int(fullest) - 1)).overflow


def test_atoms_that_blew_up_need_no_room():
    cell = CELLS["cubic"]
    assert not by_cells(np.full((ATOMS, 3), np.nan), cell).overflow


def test_single_precision_and_batches_find_the_same_pairs():
    cell = CELLS["skewed"].astype(np.float32)
    batch = np.stack([random_positions(cell, 1.0, seed) for seed in (1, 2)]).astype(np.float32)
    found = jax.vmap(lambda x: by_cells(x, cell))(batch)
    for index, positions in enumerate(batch):
        member = jax.tree.map(lambda array, index=index: array[index], found)
        assert pairs(member) == pairs_of_ase(positions.astype(float), cell.astype(float))


def test_a_box_is_divided_only_where_it_is_at_least_four_cutoffs_wide():
    assert cell_grid(ATOMS, np.diag([12.0, 15.1, 17.9]), CUTOFF).counts == (4, 5, 5)
    assert cell_grid(ATOMS, np.diag([11.9, 15.1, 17.9]), CUTOFF) is None
    # edges of 13 Å, but faces only 13 sin(60°) = 11.3 Å apart
    sheared = np.array([[13.0, 0.0, 0.0], [6.5, 11.258, 0.0], [0.0, 0.0, 13.0]])
    assert cell_grid(ATOMS, sheared, CUTOFF) is None


def test_a_force_field_divides_large_boxes_and_mends_cells_that_are_too_small():
    cell = CELLS["cubic"]
    positions = jnp.asarray(random_positions(cell))
    lists = NeighbourSettings(neighbour_skin=0.5, rebuild_interval=5)
    field = force_field([SoftPairs(cutoff=2.5)], cell[None], ATOMS, lists)
    assert field.grid == cell_grid(ATOMS, cell, CUTOFF)
    wider = lists.model_copy(update={"neighbour_skin": 0.6})
    assert force_field([SoftPairs(cutoff=2.5)], cell[None], ATOMS, wider).grid is None
    tight = replace(field, grid=replace(field.grid, capacity=4))

    def run(field):
        found = jax.jit(lambda x: field.neighbours(x, jnp.asarray(cell)))(positions)
        return found, list_faults(found, positions, positions, lists.neighbour_skin)

    assert run(tight)[0].overflow
    assert pairs(with_sufficient_lists(run, tight)) == pairs_of_ase(positions, cell)
