"""The gradient of each property of a Lennard-Jones liquid against differences of reweighted, re-run ensembles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_pressure import KELVIN, argon_liquid, checked, lennard_jones

from dynrefine.config.properties import PROPERTIES
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.refinement.gradient_check import compare_with_backpropagation, compare_with_finite_differences

pytestmark = pytest.mark.usefixtures("fast_compilation")

INTERVAL = 10.0  # fs
DISTANCES = np.stack([np.arange(2.0, 6.0, 0.25), np.linspace(0.2, 1.4, 16), np.full(16, 0.1)], axis=1)
WAVENUMBERS = np.stack([np.arange(0.0, 401.0, 50.0), np.linspace(0.02, 0.0, 9)], axis=1)
SETTINGS = {
    "einstein_diffusion": ({"element": "Ar", "target": 2.0, "window": 60.0}, None),
    "vibrations": ({"window": 60.0, "range": [0.0, 400.0], "resolution": 50.0}, WAVENUMBERS),
    "rdf": ({"pair": ["Ar", "Ar"], "bin": 0.25, "longest": 6.0}, DISTANCES),
    "structure_factor": ({"range": [1.5, 5.0]}, np.array([[0.5, 0.1], [2.0, 2.0], [6.0, 1.0]])),
}
STATIC = ["rdf", "structure_factor"]


def loss_of(name):
    """The loss of a property of four starting points."""
    system, positions = argon_liquid()
    conditions = Conditions(KELVIN, float(system.volume), 32, INTERVAL, ("Ar",) * 32, ("Ar",))
    own, measured = SETTINGS[name]
    settings = {name: PROPERTIES[name].model_validate(own)}
    observable = create_observables(settings, {name: measured}, conditions)[name]
    model = lennard_jones("switched", tail_correction=False)
    return checked(model, model.initial_parameters(None), system, positions, observable, KELVIN, capacity=96)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_adjoint_agrees_with_backpropagation_and_with_central_differences(name):
    loss = loss_of(name)
    rows, adjoint = compare_with_backpropagation(loss, tolerance=1e-9, precision="float64")
    assert rows[0]["relative_error"] < 1e-10
    assert np.all(np.abs(adjoint) > 0.0)
    # 1e-6 eV is 1e-4 of ε: the error of the difference is of the order of its square.
    for row in compare_with_finite_differences(loss, adjoint, displacement=1e-6, count=2, seed=0):
        assert row["relative_error"] < 1e-6, row


@pytest.mark.parametrize("name", STATIC)
def test_counted_distances_have_the_ensemble_part_alone(name):
    loss = loss_of(name)
    statistics = loss.statistics(loss.vector)

    @jax.jit
    def through_weights(vector):
        return loss.observable.loss(jnp.tensordot(loss.weights(vector), statistics, axes=1))

    adjoint, _ = loss.adjoint(tolerance=1e-9)
    np.testing.assert_allclose(adjoint, jax.grad(through_weights)(loss.vector), rtol=1e-9)
