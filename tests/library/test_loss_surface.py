"""The quadratic surface under the path of a refinement."""

import numpy as np

from dynrefine.report.loss_surface import fitted_quadratic

CURVATURE = np.array([[400.0, 90.0], [90.0, 50.0]])
LOWEST = np.array([3.4, 0.01])


def squared_deviation(points):
    away = points - LOWEST
    return 0.2 + 0.5 * np.einsum("...i,ij,...j", away, CURVATURE, away), away @ CURVATURE


def test_a_quadratic_function_is_found_from_three_points_with_gradients():
    points = np.array([[3.38, 0.0093], [3.385, 0.0096], [3.41, 0.0097]])
    losses, gradients = squared_deviation(points)
    found = fitted_quadratic(points, losses, 0.1 + 0 * losses, gradients, 3.0 + 0 * gradients)
    elsewhere = np.array([[[3.37, 0.01], [3.42, 0.012]], [[3.4, 0.01], [3.39, 0.0]]])
    np.testing.assert_allclose(found(elsewhere), squared_deviation(elsewhere)[0], rtol=1e-9)


def test_uncertain_values_give_way_to_certain_ones():
    points = LOWEST + np.random.default_rng(0).normal(0.0, 0.02, (8, 2))
    losses, gradients = squared_deviation(points)
    errors = np.full(8, 1e-6)
    losses[3], errors[3] = 5.0, 1e3
    found = fitted_quadratic(points, losses, errors, gradients, 1e-3 + 0 * gradients)
    np.testing.assert_allclose(found(points), squared_deviation(points)[0], atol=1e-5)


def test_a_straight_path_says_nothing_across_and_is_followed_all_the_same():
    points = LOWEST + np.multiply.outer(np.linspace(-0.02, 0.0, 6), [1.0, 0.0])
    losses, gradients = squared_deviation(points)
    found = fitted_quadratic(points, losses, 1e-3 + 0 * losses, gradients, 1e-3 + 0 * gradients)
    np.testing.assert_allclose(found(points), losses, atol=1e-8)
