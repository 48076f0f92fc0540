"""The checks of the gradient report gradients that are wrong, and by how much."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from dynrefine.config.data import Element
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.files.history import Entry
from dynrefine.files.models import create_model, flat_parameters
from dynrefine.refinement.gradient_check import compare_with_backpropagation, compare_with_finite_differences
from dynrefine.refinement.total_derivative import compare_with_ensembles

pytestmark = pytest.mark.usefixtures("fast_compilation")

SIZE, REVERSAL = 30, 3e-13  # parameters; Å


@dataclass(frozen=True, eq=False)
class KnownLoss:
    """L = Σ_i a_i sin(x_i) in place of the losses of dynamics, and an adjoint gradient of any kind."""

    adjoint_gradient: np.ndarray

    observables = ("sines",)
    vector = jnp.linspace(-1.0, 1.0, SIZE)
    slopes = jnp.linspace(1.0, 4.0, SIZE)

    def adjoint(self, tolerance):
        """What is to be checked, and the error of the reversal."""
        return self.adjoint_gradient[None], REVERSAL

    def with_enough_room(self):
        """It needs no lists."""
        return self

    def __call__(self, x):
        """The loss [1]."""
        return jnp.sum(self.slopes * jnp.sin(x), keepdims=True)


TRUE = np.asarray(KnownLoss.slopes * jnp.cos(KnownLoss.vector))
NORM = np.sqrt(np.sum(TRUE**2))
ACROSS = np.concatenate([[TRUE[1], -TRUE[0]], np.zeros(SIZE - 2)])
ACROSS *= NORM / np.sqrt(np.sum(ACROSS**2))  # as long as the gradient and orthogonal to it


@pytest.mark.parametrize(
    ("adjoint", "error", "cosine"),
    [
        (TRUE, 0.0, 1.0),
        (1.01 * TRUE, 0.01, 1.0),
        (0.5 * TRUE, 0.5, 1.0),
        (-TRUE, 2.0, -1.0),
        (TRUE + 0.3 * ACROSS, 0.3, 1.0 / np.hypot(1.0, 0.3)),
        (ACROSS, np.sqrt(2.0), 0.0),
    ],
    ids=["right", "one per cent too long", "a half", "wrong sign", "skew", "orthogonal"],
)
def test_backpropagation_shows_by_how_much_the_adjoint_is_wrong(adjoint, error, cosine):
    (whole, reversal), returned = compare_with_backpropagation(KnownLoss(adjoint), 1e-9, "float64")
    assert (whole["comparison"], whole["precision"]) == ("backpropagation", "float64")
    assert whole["relative_error"] == pytest.approx(error, rel=1e-9, abs=1e-14)
    assert whole["cosine"] == pytest.approx(cosine, rel=1e-9, abs=1e-14)
    assert whole["adjoint"] == pytest.approx(np.sqrt(np.sum(adjoint**2)), rel=1e-12)
    assert whole["reference"] == pytest.approx(NORM, rel=1e-12)
    assert (reversal["comparison"], reversal["relative_error"]) == ("reversal", REVERSAL)
    np.testing.assert_array_equal(returned, [adjoint])


@pytest.mark.parametrize(("factor", "error"), [(1.0, 0.0), (1.01, 0.01), (-1.0, 2.0), (0.0, 1.0)])
def test_central_differences_show_by_how_much_the_adjoint_is_wrong(factor, error):
    rows = compare_with_finite_differences(
        KnownLoss(TRUE), factor * TRUE[None], displacement=1e-4, count=3, seed=5
    )
    assert len(rows) == 4
    # A central difference errs by displacement² / 6 times the third derivative, which here is the first.
    for row in rows:
        assert row["relative_error"] == pytest.approx(error, abs=5e-9)
        assert row["adjoint"] == pytest.approx(factor * row["reference"], rel=5e-9, abs=1e-12)
    for row in rows[:3]:
        index = int(row["parameter"].removeprefix("number "))
        assert row["reference"] == pytest.approx(TRUE[index], rel=5e-9)


def test_a_single_wrong_derivative_is_found_among_the_largest():
    """Of thirty parameters the three with the largest derivatives are all chosen, one of which is wrong."""
    wrong = int(np.argmax(TRUE))
    adjoint = TRUE + 0.25 * TRUE[wrong] * np.eye(SIZE)[wrong]
    rows = compare_with_finite_differences(KnownLoss(TRUE), adjoint[None], displacement=1e-4, count=3, seed=5)
    errors = {row["parameter"]: row["relative_error"] for row in rows}
    assert set(errors) == {f"number {index}" for index in np.argsort(-TRUE)[:3]} | {"random direction"}
    assert errors.pop(f"number {wrong}") == pytest.approx(0.25, rel=1e-6)
    assert errors.pop("random direction") > 1e-3
    assert max(errors.values()) < 1e-8


def test_the_random_direction_is_one_of_length_one():
    """Along it the derivative of a loss cannot be larger than the gradient, and of many it has this mean square."""
    along = [
        compare_with_finite_differences(KnownLoss(TRUE), TRUE[None], displacement=1e-4, count=1, seed=seed)[
            -1
        ]["adjoint"]
        for seed in range(60)
    ]
    # The squared cosine of a random direction has the mean 1/n and a relative standard deviation below sqrt(2).
    assert np.mean(np.square(along)) == pytest.approx(NORM**2 / SIZE, rel=4 * np.sqrt(2 / 60))


def table(rows):
    """Of an objective."""
    return pd.DataFrame(rows, columns=["term", "state", "loss", "standard_error", "weight"])


def test_the_difference_of_two_ensembles_is_the_derivative_of_their_losses():
    above = table([("diffusion", "94K", 0.50, 0.03, 2.0), ("diffusion", "140K", 0.2, 0.04, 1.0)])
    below = table([("diffusion", "94K", 0.30, 0.02, 2.0), ("diffusion", "140K", 0.5, 0.01, 1.0)])
    found = compare_with_ensembles(Entry("derivative", "sigma", 1.5, 0.4, "1/Å"), 0.05, above, below)
    # (1.2 - 1.1) / 0.1, with the errors of 2 · 0.03, 0.04, 2 · 0.02 and 0.01.
    error = np.sqrt(0.06**2 + 0.04**2 + 0.04**2 + 0.01**2) / 0.1
    assert (found.pop("parameter"), found.pop("unit")) == ("sigma", "1/Å")
    assert found == pytest.approx(
        {
            "gradient": 1.5,
            "gradient_error": 0.4,
            "difference": 1.0,
            "difference_error": error,
            "standard_errors": 0.5 / np.sqrt(0.4**2 + error**2),
        }
    )


def test_a_displaced_potential_differs_in_the_parameter_that_is_named():
    settings = LennardJonesSettings(kind="lennard_jones", sigma=3.4, epsilon=1.0, cutoff=8.0)
    argon = create_model(settings, [Element(symbol="Ar", mass=39.948, charge=0)], jax.random.key(0))
    argon = argon.cast(jnp.float64)
    before, _ = flat_parameters(argon.parameters["trainable"])  # epsilon (eV), sigma (Å)
    for shift, expected in (({"sigma": 0.02}, [0.0, 0.02]), ({"epsilon": -1e-4}, [-1e-4, 0.0])):
        after, _ = flat_parameters(argon.displaced(shift).parameters["trainable"])
        np.testing.assert_allclose(after - before, expected, atol=1e-15)
