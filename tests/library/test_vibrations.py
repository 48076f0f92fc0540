"""The vibrational density of states of a harmonic crystal, whose normal modes are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from systems import box_of, field_of

from dynrefine.config.data import Element
from dynrefine.config.properties.spectra import VibrationsSettings
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.dynamics.replicas import run_legs
from dynrefine.files.trajectories import Observed, join_directions
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.base import Observer
from dynrefine.units import ACCELERATION, BOLTZMANN, KINETIC, WAVENUMBER

pytestmark = pytest.mark.usefixtures("fast_compilation")

ELEMENTS = [Element(symbol="Ne", mass=20.18, charge=0), Element(symbol="Kr", mass=83.798, charge=0)]
SPECIES = np.array([0, 1, 1, 0, 1, 0, 0, 1])
TIMES = ObservationTimes(timestep=1.0, count=201, stride=2, kept=201)
INTERVAL, WINDOW, KELVIN = 2.0, 800.0, 50.0  # fs, fs, K


@dataclass(frozen=True)
class Crystal:
    """U = 1/2 (x - x0)ᵀ K (x - x0); constants K (eV/Å²) and x0 (Å)."""

    cutoff: float = 1.0

    def energy(self, parameters: Mapping[str, Any], species: Any, positions: Any, cell: Any, neighbours: Any):
        """Interface of a potential."""
        away = (positions - parameters["constants"]["sites"]).reshape(-1)
        return 0.5 * parameters["trainable"] * away @ (parameters["constants"]["stiffness"] @ away)


def crystal():
    """Sites [8, 3] of a cube, and the stiffness of springs between all of them and to the sites [24, 24]."""
    generator = np.random.default_rng(3)
    sites = np.stack(np.meshgrid([0.0, 3.0], [0.0, 3.0], [0.0, 3.0], indexing="ij"), axis=-1).reshape(-1, 3)
    stiffness = np.kron(np.eye(8), 0.4 * np.eye(3))
    for i, j in zip(*np.triu_indices(8, 1), strict=True):
        along = (sites[j] - sites[i]) / np.linalg.norm(sites[j] - sites[i])
        difference = np.kron(np.eye(8)[i] - np.eye(8)[j], along)
        stiffness += generator.uniform(0.5, 2.0) * np.outer(difference, difference)
    return sites, stiffness


@pytest.fixture(scope="module")
def normal_modes():
    """Their angular frequencies [24] in rad/fs, and displacements [24, 8, 3] in u^-1/2."""
    masses = np.repeat([ELEMENTS[kind].mass for kind in SPECIES], 3)
    scaled = crystal()[1] / np.sqrt(np.outer(masses, masses))
    squared, vectors = np.linalg.eigh(scaled)
    return np.sqrt(ACCELERATION * squared), (vectors / np.sqrt(masses)[:, None]).T.reshape(-1, 8, 3)


@pytest.fixture(scope="module")
def observed(normal_modes):
    """What the leapfrog makes of each mode, once beginning with its velocity alone, once with its displacement.

    The mean over these is that of the canonical ensemble: cos(ωt) cos(ωt') + sin(ωt) sin(ωt') = cos(ω(t - t')).
    """
    sites, stiffness = crystal()
    frequencies, modes = normal_modes
    fast = np.sqrt(BOLTZMANN * KELVIN / KINETIC) * modes
    away = fast / frequencies[:, None, None]
    nothing = np.zeros_like(modes)
    cell = 6.0 * np.eye(3)
    constants = {"sites": jnp.asarray(sites), "stiffness": jnp.asarray(stiffness)}
    box = box_of(SPECIES, cell, ELEMENTS, jnp.float64)
    simulation = Simulation(
        field_of(Crystal(), cell),
        TIMES,
        Observer.of(["velocities"], {}),
        Observer({}, {}),
        {"trainable": jnp.ones(()), "constants": constants},
        box,
    )
    positions, velocities = np.concatenate([nothing, away]) + sites, np.concatenate([fast, nothing])
    legs = run_legs(simulation, box.points(positions, velocities))
    return Observed({name: join_directions(values) for name, values in legs.series.items()}, {})


def vibrations(measured=None, **settings):
    symbols = tuple(ELEMENTS[kind].symbol for kind in SPECIES)
    conditions = Conditions(KELVIN, 216.0, 8, INTERVAL, symbols)
    chosen = {"vibrations": VibrationsSettings(window=WINDOW, resolution=5.0, range=[0.0, 600.0], **settings)}
    return create_observables(chosen, {"vibrations": measured}, conditions)["vibrations"]


def lines(wavenumbers, frequencies):
    """Each line as broad as the window makes it, of area one in cm⁻¹, by the integral itself [modes, W]."""
    t = np.linspace(0.0, WINDOW, 4001)
    hann = 0.5 * (1.0 + np.cos(np.pi * t / WINDOW))
    waves = np.cos(np.multiply.outer(frequencies, t)) * hann
    integrals = np.trapezoid(
        waves[:, None] * np.cos(np.multiply.outer(WAVENUMBER * wavenumbers, t)), t, axis=-1
    )
    return 2.0 * WAVENUMBER / np.pi * integrals


def test_the_density_of_states_counts_the_normal_modes(observed, normal_modes):
    observable = vibrations()
    found = observable.predict(jnp.mean(observable.statistic(observed), axis=0))
    frequencies, _ = normal_modes
    assert frequencies.min() / WAVENUMBER > 40.0 and frequencies.max() / WAVENUMBER < 500.0  # all in range
    expected = lines(observable.abscissa, frequencies).sum(axis=0) / 8.0
    # The leapfrog makes frequencies higher by (ω dt)²/24, up to 3e-4, and the trapezoidal sum is as good.
    np.testing.assert_allclose(found, expected, atol=2e-3 * expected.max())
    assert np.trapezoid(found, observable.abscissa) == pytest.approx(3.0, rel=1e-3)


@pytest.mark.parametrize("element", ["Ne", "Kr"])
def test_an_element_has_its_share_of_each_mode(observed, normal_modes, element):
    observable = vibrations(element=element)
    found = observable.predict(jnp.mean(observable.statistic(observed), axis=0))
    frequencies, modes = normal_modes
    own = [ELEMENTS[kind].symbol == element for kind in SPECIES]
    mass = next(each.mass for each in ELEMENTS if each.symbol == element)
    shares = mass * np.sum(modes[:, own] ** 2, axis=(1, 2))
    assert shares.sum() == pytest.approx(3 * 4)  # or the modes are not complete
    expected = shares @ lines(observable.abscissa, frequencies) / 4.0
    np.testing.assert_allclose(found, expected, atol=2e-3 * expected.max())


def test_the_correlation_of_each_element_is_told(observed, normal_modes):
    observable = vibrations()
    told = observable.detail(jnp.mean(observable.statistic(observed), axis=0))
    frequencies, modes = normal_modes
    lags = observable.details["velocities of Ne"].abscissa
    shares = np.sum(modes[:, SPECIES == 0] ** 2, axis=(1, 2))
    expected = shares @ np.cos(np.multiply.outer(frequencies, lags)) / shares.sum()
    # a phase of (ω dt)²/24 ωt: up to 0.02 at the longest lag
    np.testing.assert_allclose(told["velocities of Ne"], expected, atol=0.02)


def test_the_loss_is_relative_to_what_was_measured():
    measured = np.array([[0.0, 1.0], [300.0, 4.0], [600.0, 1.0]])
    observable = vibrations(measured, element="Ne")
    mean = jnp.asarray(np.random.default_rng(1).normal(size=(1, 401))).at[0, 0].set(2.0)
    target = np.interp(np.arange(0.0, 601.0, 5.0), *measured.T)
    np.testing.assert_allclose(observable.target, target)
    expected = np.sum((np.asarray(observable.predict(mean)) - target) ** 2) / np.sum(target**2)
    assert observable.loss(mean) == pytest.approx(expected)
    assert np.isnan(vibrations().loss(jnp.ones((2, 401))))
