"""Radial distribution functions of an ideal gas and of lattices, whose neighbours can be counted."""

import numpy as np
import pytest

from dynrefine.properties.rdf import radial_distribution


def coordination(g: np.ndarray, edges: np.ndarray, density: float) -> np.ndarray:
    """Neighbours per atom in each shell."""
    return g * density * 4 / 3 * np.pi * np.diff(edges**3)


def of_one_chain(positions, *more) -> np.ndarray:
    """g(r) of the configurations of a single chain [F, N, 3]."""
    return radial_distribution(positions[None], *more)[0]


def test_an_ideal_gas_has_no_structure():
    generator = np.random.default_rng(5)
    atoms, frames, edge = 30, 60, 9.0
    cell = edge * np.eye(3)
    positions = generator.uniform(0.0, edge, (frames, atoms, 3))
    edges = np.array([0.5, 1.5, 2.5, 3.5, 4.4])
    every = np.ones(atoms, bool)
    found = of_one_chain(positions, cell, every, every, edges)
    # Each pair is counted twice; numbers of pairs are Poissonian.
    pairs = frames * atoms * (atoms - 1) / 2 * 4 / 3 * np.pi * np.diff(edges**3) / edge**3
    assert np.all(np.abs(found - 1.0) < 4 / np.sqrt(pairs))
    assert np.all(4 / np.sqrt(pairs) < 0.2)


@pytest.mark.parametrize("repeats", [4, 2, 1], ids=["minimum image", "two images", "many images"])
def test_a_cubic_lattice_has_its_coordination_numbers(repeats):
    # 2 Å apart: 6 neighbours at 2 Å, 12 at 2.83 Å, 8 at 3.46 Å, also where the cell is smaller than that.
    # Two interleaved kinds, so that a cell of one lattice point has another atom to count.
    grid = np.stack(np.meshgrid(*[np.arange(repeats)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 2.0
    positions = np.concatenate([grid, grid + 1.0])
    cell = 2.0 * repeats * np.eye(3)
    corner = np.arange(len(positions)) < len(grid)
    # Corner to centre: 8 at 1.73 Å, 24 at 3.32 Å.
    edges = np.array([0.0, 1.5, 1.9, 3.0, 3.6])
    across = of_one_chain(positions[None], cell, corner, ~corner, edges)
    density = 1 / 8.0
    np.testing.assert_allclose(coordination(across, edges, density), [0, 8, 0, 24], atol=1e-9)
    if repeats > 1:
        edges = np.array([0.0, 1.9, 2.1, 2.7, 2.9, 3.4, 3.6])
        same = of_one_chain(positions[None], cell, corner, corner, edges)
        # The density of the others is smaller by the atom itself.
        own_density = density * (len(grid) - 1) / len(grid)
        np.testing.assert_allclose(coordination(same, edges, own_density), [0, 6, 0, 12, 0, 8], atol=1e-9)


def test_kinds_may_be_exchanged():
    generator = np.random.default_rng(6)
    positions = generator.uniform(0.0, 6.0, (3, 12, 3))
    cell = np.array([[6.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.0, -1.0, 6.0]])
    first = np.arange(12) % 3 == 0
    edges = np.linspace(0.0, 4.0, 6)
    one_way = of_one_chain(positions, cell, first, ~first, edges)
    np.testing.assert_allclose(of_one_chain(positions, cell, ~first, first, edges), one_way, rtol=1e-12)
    wrapped = positions + generator.integers(-2, 3, positions.shape) @ cell
    np.testing.assert_allclose(of_one_chain(wrapped, cell, first, ~first, edges), one_way, rtol=1e-12)


def test_droplets_denser_than_a_liquid_are_counted_in_full():
    # 40 atoms within 1 Å of each other in a large cell: all 780 pairs lie below 2 Å.
    positions = np.random.default_rng(7).uniform(9.5, 10.5, (1, 40, 3))
    every = np.ones(40, bool)
    edges = np.array([0.0, 2.0, 5.0])
    found = of_one_chain(positions, 20.0 * np.eye(3), every, every, edges)
    counted = found * 40 * 39 / 8000.0 * 4 / 3 * np.pi * np.diff(edges**3)
    np.testing.assert_allclose(counted, [2 * 780, 0], atol=1e-9)


def test_chains_are_averaged_one_by_one():
    positions = np.random.default_rng(8).uniform(0.0, 6.0, (3, 2, 12, 3))
    every, edges, cell = np.ones(12, bool), np.linspace(0.0, 3.0, 4), 6.0 * np.eye(3)
    together = radial_distribution(positions, cell, every, every, edges)
    alone = [of_one_chain(chain, cell, every, every, edges) for chain in positions]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
