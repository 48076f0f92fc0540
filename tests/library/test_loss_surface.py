"""The quadratic surface under the path of a refinement."""

import numpy as np

from dynrefine.report.loss_surface import fitted_quadratic

CURVATURE = np.array([[400.0, 90.0], [90.0, 50.0]])
LOWEST = np.array([3.4, 0.01])


def squared_deviation(points):
    away = points - LOWEST
    return 0.2 + 0.5 * np.einsum("...i,ij,...j", away, CURVATURE, away), away @ CURVATURE


def test_a_quadratic_function_is_found_from_three_points_with_gradients():
    points = np.array([[3.38, 0.0093], [3.38, 0.0099], [3.41, 0.0097]])
    found = fitted_quadratic(points, *squared_deviation(points))
    elsewhere = np.array([[[3.37, 0.01], [3.42, 0.012]], [[3.4, 0.01], [3.39, 0.0]]])
    np.testing.assert_allclose(found(elsewhere), squared_deviation(elsewhere)[0], rtol=1e-9)


def test_across_a_nearly_straight_path_noise_makes_no_curvature():
    """The objective depends on one direction alone; across it the gradients have noise and the path a width."""
    generator = np.random.default_rng(1)
    along = np.linspace(-1.0, -0.1, 8)
    points = np.stack([along, along], axis=-1) + generator.normal(0.0, 1e-3, (8, 2))
    deviation = points.sum(axis=1) / 2.0
    gradients = np.stack([deviation, deviation], axis=-1) + generator.normal(0.0, 0.01, (8, 2))
    found = fitted_quadratic(points, deviation**2, gradients)
    across = np.array([[-0.7, 0.1], [-0.3, -0.3], [0.1, -0.7]])
    np.testing.assert_allclose(found(across), 0.09, atol=0.03)


def test_a_parameter_that_never_moved_is_no_obstacle():
    points = LOWEST + np.multiply.outer(np.linspace(-0.02, 0.0, 6), [1.0, 0.0])
    values, gradients = squared_deviation(points)
    np.testing.assert_allclose(fitted_quadratic(points, values, gradients)(points), values, rtol=1e-9)
