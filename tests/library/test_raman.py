"""The Raman spectrum: orientations, scale and reduction, and its gradient."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import TRICLINIC, SoftPairs, field_of, rotation, water_box

from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import RamanSettings
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.system import drawn_velocities
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.properties.raman import reduction
from dynrefine.quantities.base import Observer, Quantity
from dynrefine.refinement.gradient_check import CheckedLosses, compare_with_finite_differences
from dynrefine.units import WAVENUMBER

pytestmark = pytest.mark.usefixtures("fast_compilation")

MEASURED = Path(__file__).parents[2] / "workflow/data/targets/water_raman_OH_298K.csv"
CONDITIONS = Conditions(temperature=300.0, volume=1900.0, atoms=192, interval=2.0)
BANDS = [Band(range=[1000.0, 2000.0])]
COMPONENTS = ("isotropic", "vv", "vh", "unpolarised")


def raman(measured=None, conditions=CONDITIONS, **settings):
    """The property, of a wide window where nothing else is said."""
    given = {"bands": BANDS, "window": 600.0, "resolution": 10.0} | settings
    return create_observables({"raman": RamanSettings(**given)}, {"raman": measured}, conditions)["raman"]


def swinging(tensor, wavenumber=1500.0, frames=601):
    """Two series of a derivative that swings in quadrature, so that their mean correlation is a cosine."""
    phase = WAVENUMBER * wavenumber * CONDITIONS.interval * np.arange(frames)
    waves = np.stack([np.cos(phase), np.sin(phase)])
    return Observed({"polarizability_derivative": jnp.asarray(waves[..., None, None] * tensor)}, {})


def test_components_are_the_orientational_averages_of_what_polarisers_let_through():
    """<α_zz²> with parallel and <α_zy²> with crossed polarisers, over random orientations."""
    generator = np.random.default_rng(0)
    tensor = np.array([[1.0, 0.3, 0.0], [0.3, -0.4, 0.2], [0.0, 0.2, 0.9]])
    turned = np.array([turn @ tensor @ turn.T for turn in (rotation(generator) for _ in range(20000))])
    vv, vh = turned[:, 2, 2] ** 2, turned[:, 2, 1] ** 2
    statistics = {
        name: float(np.mean(raman(component=name).statistic(swinging(tensor))[:, 0])) for name in COMPONENTS
    }
    # the mean of the squared waves is a half
    for name, samples in (("vv", vv), ("vh", vh), ("unpolarised", vv + vh)):
        error = samples.std() / np.sqrt(len(samples))
        assert abs(2.0 * statistics[name] - samples.mean()) < 4.0 * error
        assert error < 0.02 * samples.mean()
    assert 2.0 * statistics["isotropic"] == pytest.approx((np.trace(tensor) / 3.0) ** 2, rel=1e-3)


def test_a_tensor_without_anisotropy_leaves_crossed_polarisers_dark():
    assert np.max(np.abs(raman(component="vh").statistic(swinging(np.eye(3))))) < 1e-15


@pytest.mark.parametrize(
    ("parallel", "perpendicular", "ratio"),
    [(1.0, 1.0, 0.0), (1.0, 0.0, 1.0 / 3.0), (2.0, -1.0, 3.0 / 4.0), (3.0, 1.0, 12.0 / 141.0)],
)
def test_a_linear_molecule_has_the_depolarisation_ratio_of_its_tensor(parallel, perpendicular, ratio):
    """3γ²/(45ᾱ² + 4γ²) of lines in a gas, γ the difference and ᾱ the mean, however the molecule is turned.

    3/4 is that of all vibrations that are not totally symmetric (Long, The Raman Effect, 2002, ch. 5).
    """
    turn = rotation(np.random.default_rng(1))
    tensor = turn @ np.diag([perpendicular, perpendicular, parallel]) @ turn.T
    crossed, along = (raman(component=name).statistic(swinging(tensor)) for name in ("vh", "vv"))
    np.testing.assert_allclose(crossed, ratio * along, atol=1e-12)
    assert np.all(along[:, 0] > 0.0)


def test_a_vibration_scatters_at_its_wavenumber_and_the_area_is_one():
    observable = raman(component="vv")
    found = np.asarray(
        observable.predict(observable.statistic(swinging(np.diag([1.0, 0.0, 0.5]))).mean(axis=0))
    )
    assert observable.abscissa[np.argmax(found)] == pytest.approx(1500.0, abs=10.0)
    inside = (observable.abscissa >= 1000.0) & (observable.abscissa <= 2000.0)
    assert 10.0 * found[inside].sum() == pytest.approx(1.0)
    assert np.isnan(observable.loss(observable.statistic(swinging(np.diag([1.0, 0.0, 0.5]))).mean(axis=0)))


def test_only_the_shape_counts_where_it_is_measured():
    wavenumbers = np.arange(10.0, 4000.0, 10.0)
    shape = np.exp(-0.5 * ((wavenumbers - 1480.0) / 40.0) ** 2)
    strong, weak = (raman(np.stack([wavenumbers, size * shape], axis=1)) for size in (5.0, 0.1))
    mean = strong.statistic(swinging(np.diag([1.0, 0.0, 0.5]))).mean(axis=0)
    assert float(strong.loss(mean)) == pytest.approx(float(weak.loss(mean)))
    assert float(strong.loss(7.0 * mean)) == pytest.approx(float(strong.loss(mean)))
    # no other scale comes nearer
    predicted, weights = np.asarray(strong.predict(mean)), strong.weights
    for factor in (0.98, 1.02):
        assert np.sum(weights * (factor * predicted - strong.target) ** 2) > float(strong.loss(mean))


def test_counted_intensities_are_reduced():
    """hc/k is 1.438777 cm K; light of 500 nm has 20000 cm⁻¹."""
    counted = RamanSettings(form="stokes", laser=500.0)
    found = reduction(counted, np.array([100.0, 3400.0]), 300.0)
    expected = [n * (1.0 - np.exp(-1.438777 * n / 300.0)) / (2.0 - 1e-4 * n) ** 4 for n in (100.0, 3400.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(reduction(RamanSettings(), np.array([100.0, 3400.0]), 300.0), 1.0)


def test_the_measured_band_of_water_is_the_sum_of_its_published_gaussians():
    """Shares of the area, cm⁻¹ and cm⁻¹ at half the height."""
    gaussians = [(0.41, 3250.0, 210.0), (0.39, 3425.0, 175.0), (0.10, 3530.0, 140.0), (0.10, 3625.0, 140.0)]

    def band(wavenumber):
        return sum(
            share / width * 2.0 ** -((2.0 * (wavenumber - centre) / width) ** 2)
            for share, centre, width in gaussians
        )

    wavenumber, intensity = read_measured(MEASURED).T
    highest = band(np.arange(3400.0, 3430.0, 0.1)).max()
    np.testing.assert_allclose(intensity, band(wavenumber) / highest, atol=0.51e-4)  # four digits
    np.testing.assert_array_equal(np.diff(wavenumber), 10.0)


def changing(surfaces, system, point, neighbours):
    """The time derivative of a made-up polarizability, x xᵀ summed over the atoms."""
    return point.positions.T @ point.velocities + point.velocities.T @ point.positions


@pytest.mark.slow
def test_its_gradient_is_the_central_difference():
    """Of a plain polarizability; the derivatives of the surface are tested with it."""
    system, positions = water_box(2, TRICLINIC)
    shifts = np.random.default_rng(3).normal(0.0, 0.05, (4, *positions.shape))
    wavenumbers = np.arange(10.0, 4000.0, 10.0)
    measured = np.stack([wavenumbers, np.exp(-(((wavenumbers - 1800.0) / 900.0) ** 2))], axis=1)
    conditions = Conditions(300.0, float(system.volume), 6, 2.0)
    settings = {"bands": [Band(range=[200.0, 3600.0])], "window": 16.0, "resolution": 400.0}
    observable = raman(measured, conditions, **settings)
    architecture = SoftPairs()
    loss = CheckedLosses(
        Simulation(
            field_of(architecture, system.cell),
            ObservationTimes(timestep=0.5, count=5, stride=4, kept=5),
            Observer({"polarizability_derivative": Quantity(changing, "Å²/fs")}, {}),
            Observer({}, {}),
            architecture.initial_parameters(),
            system,
        ),
        {"checked": observable},
        300.0,
        system.points(positions[None] + shifts, drawn_velocities(jax.random.key(4), system, 300.0, 4)),
    )
    adjoint, _ = loss.adjoint(tolerance=1e-9)
    for row in compare_with_finite_differences(loss, adjoint, displacement=1e-6, count=2, seed=0):
        assert row["relative_error"] < 1e-6, row
