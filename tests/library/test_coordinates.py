"""Coordinates in Å and in multiples of the cell vectors, against NumPy's factorisations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.geometry.coordinates import inverse, to_cartesian, to_fractional
from dynrefine.geometry.neighbours import images_per_axis, neighbour_list

CELLS = np.array(
    [
        np.diag([6.5, 7.0, 8.0]),
        [[6.2, 0.0, 0.0], [2.9, 6.1, 0.0], [-2.0, 2.5, 6.4]],
        [[0.0, 4.1, 0.4], [5.0, 0.3, 0.0], [0.2, 0.0, -7.0]],  # left-handed
    ]
)
VECTORS = np.random.default_rng(5).normal(0.0, 9.0, (3, 4, 7))  # Å


@pytest.mark.parametrize(("dtype", "accuracy"), [("float32", 1e-6), ("float64", 1e-14)])
def test_the_inverse_of_several_cells_is_that_of_a_factorisation(dtype, accuracy):
    """Products and sums of a few rounded numbers, in cells whose vectors are far from parallel."""
    found = inverse(jnp.asarray(CELLS, dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.linalg.inv(CELLS), atol=accuracy)


@pytest.mark.parametrize("cell", CELLS)
def test_fractional_coordinates_are_those_of_a_linear_solver_and_lead_back(cell):
    found = to_fractional(jnp.asarray(VECTORS), jnp.asarray(cell))
    flat = VECTORS.reshape(3, -1)
    np.testing.assert_allclose(found.reshape(3, -1), np.linalg.solve(cell.T, flat), atol=1e-13)
    np.testing.assert_allclose(to_cartesian(found, jnp.asarray(cell)), VECTORS, atol=1e-13)


def test_neighbour_lists_call_no_library_that_jobs_would_wait_for():
    """JAX imports SciPy before the first factorisation, for most of a second."""
    images = images_per_axis(CELLS[1], 3.0)
    program = jax.jit(lambda positions, cell: neighbour_list(positions, cell, 3.0, 64, images).indices)
    assert "lapack" not in program.lower(jnp.zeros((8, 3)), jnp.asarray(CELLS[1])).as_text()
    factorised = jax.jit(jnp.linalg.inv).lower(jnp.asarray(CELLS[1])).as_text()
    assert "lapack" in factorised  # so that the test above can fail
