"""The gradient of each property of a Lennard-Jones liquid against differences of reweighted, re-run ensembles."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import PointCharges
from test_pressure import KELVIN, argon_liquid, checked, lennard_jones

from dynrefine.config.properties import PROPERTIES
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.base import Observer
from dynrefine.surfaces.base import Surface

pytestmark = pytest.mark.usefixtures("fast_compilation")

INTERVAL = 10.0  # fs
DISTANCES = np.stack([np.arange(2.0, 6.0, 0.25), np.linspace(0.2, 1.4, 16), np.full(16, 0.1)], axis=1)
WAVENUMBERS = np.stack([np.arange(0.0, 401.0, 50.0), np.linspace(0.02, 0.0, 9)], axis=1)
LAGS = np.array([[0.0, 1.0], [60.0, 0.8]])
SETTINGS = {
    "einstein_diffusion": ({"element": "Ar", "target": 2.0, "window": 60.0}, None),
    "vibrations": ({"window": 60.0, "range": [0.0, 400.0], "resolution": 50.0}, WAVENUMBERS),
    "rdf": ({"pair": ["Ar", "Ar"], "bin": 0.25, "longest": 6.0}, DISTANCES),
    "structure_factor": ({"range": [1.5, 5.0]}, np.array([[0.5, 0.1], [2.0, 2.0], [6.0, 1.0]])),
    "intermediate_scattering": ({"momentum_transfer": 2.0, "window": 60.0, "normalised": False}, LAGS),
    "self_scattering": ({"momentum_transfer": 2.0, "window": 60.0, "part": "self"}, LAGS),
    "conductivity": ({"target": 100.0, "window": 60.0, "limit": 60.0}, None),
    "dielectric_constant": ({"target": 3.0}, None),
    "density": ({"target": 1.2}, None),
    "compressibility": ({"target": 200.0}, None),
    "heat_capacity": ({"target": 1.0}, None),
    "vaporisation_enthalpy": ({"target": 6.5}, None),
    "van_hove": ({"time": 30.0, "bin": 0.25, "longest": 5.5}, DISTANCES),
}


@pytest.fixture(scope="module")
def properties():
    """Of 32 atoms, by name."""
    system, _ = argon_liquid()
    mass, pressure, charges = 32 * 39.948, 500.0, (1, -1) * 16
    conditions = Conditions(
        KELVIN, float(system.volume), 32, INTERVAL, ("Ar",) * 32, mass, pressure, ("Ar",), charges=charges
    )
    kinds = {"self_scattering": "intermediate_scattering"}
    settings = {
        name: PROPERTIES[kinds.get(name, name)].model_validate({"kind": kinds.get(name), **own})
        for name, (own, _) in SETTINGS.items()
    }
    return create_observables(
        settings, {name: measured for name, (_, measured) in SETTINGS.items()}, conditions
    )


@pytest.fixture(scope="module")
def observing():
    """The check of what is observed itself, along trajectories and at the four points where they begin.

    Each of these has a cell of its own, as at constant pressure.
    """
    system, positions = argon_liquid()
    model = lennard_jones("switched", tail_correction=False)
    everything = SimpleNamespace(
        along=("velocities", "positions"),
        at_start=(),
        statistic=lambda observed: observed,
    )
    loss = checked(model, model.initial_parameters(None), system, positions, everything, KELVIN, capacity=96)
    charged = {"dipole": Surface(PointCharges((1.0, -1.0)), {})}
    hydrogen_fluoride = jnp.tile(jnp.array([1, 9], jnp.int32), 16)  # whose bonds have any length
    names = "pair_distributions", "cell", "whole_dipole", "volume", "density", "potential_energy"
    scales, starts = jnp.array([0.99, 1.0, 1.005, 1.02])[:, None, None], loss.starts
    return replace(
        loss,
        simulation=replace(
            loss.simulation,
            at_start=Observer.of(names, charged),
            system=replace(loss.simulation.system, numbers=hydrogen_fluoride),
        ),
        starts=Point(scales * starts.positions, starts.velocities, scales * starts.cell),
    )


@pytest.fixture(scope="module")
def differences(properties, observing):
    """dL/dθ of each property, by name [2]."""

    @jax.jit
    def losses(vector):
        weights, observed = observing.weights(vector), observing.statistics(vector)["checked"]
        each = (
            own.loss(jnp.tensordot(weights, own.statistic(observed), axes=1)) for own in properties.values()
        )
        return jnp.stack(list(each))

    # 3e-6 of each parameter: the error of the difference is its square times ten thousands, of r⁻¹² and of weights
    steps = 3e-6 * np.diag(observing.vector)
    rows = [(losses(observing.vector + d) - losses(observing.vector - d)) / (2.0 * d.sum()) for d in steps]
    return dict(zip(properties, np.array(rows).T, strict=True))


@pytest.fixture(scope="module")
def adjoint(properties, observing):
    """The same by the adjoint."""
    gradients, _ = replace(observing, observables=properties).adjoint(tolerance=1e-9)
    return dict(zip(properties, gradients, strict=True))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_adjoint_is_the_central_difference(adjoint, differences, name):
    np.testing.assert_allclose(adjoint[name], differences[name], rtol=1e-6)
    assert np.all(np.abs(adjoint[name]) > 0.0)
