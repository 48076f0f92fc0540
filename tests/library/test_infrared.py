"""The infrared spectrum of systems whose spectrum is known, in absolute units."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import InfraredSettings
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.properties.correlation import hann_window
from dynrefine.properties.infrared import Infrared, absorption_prefactor
from dynrefine.properties.spectra import band_weights, broaden, maxima_of
from dynrefine.statistics import jackknife_error, leave_one_out
from dynrefine.units import ACCELERATION, BOLTZMANN, WAVENUMBER

pytestmark = pytest.mark.usefixtures("fast_compilation")

TARGETS = Path(__file__).parents[2] / "workflow/data/targets"
TARGET = TARGETS / "water_infrared_298K.csv"
CONDITIONS = Conditions(temperature=298.15, volume=1900.0, atoms=192, interval=2.0)
SETTINGS = InfraredSettings(
    target=str(TARGET),
    bands=[Band(range=[100.0, 1000.0], weight=10.0), Band(range=[1000.0, 4000.0])],
    resolution=5.0,
    window=1200.0,
)


def gaussian(centre: float, width: float, height: float, highest: float = 5000.0) -> np.ndarray:
    """A measured spectrum with one Gaussian band (cm⁻¹) [rows, 2]."""
    wavenumbers = np.arange(2.0, highest, 2.0)
    return np.stack([wavenumbers, height * np.exp(-0.5 * ((wavenumbers - centre) / width) ** 2)], axis=1)


@pytest.fixture(scope="module")
def infrared():
    """An observable with a wide window."""
    return Infrared.from_settings(SETTINGS, gaussian(1600.0, 300.0, 500.0), CONDITIONS)


@pytest.fixture(scope="module")
def oscillator(infrared):
    """The dipole derivative of a charge that circles in a harmonic well at 1500 cm⁻¹, with the thermal <v²>.

    On a circle dM/dt · dM/dt is A² cos ωt whatever the origin, so that a single trajectory gives the exact mean
    of all: A² = q² <v²> = 3 q² kT/m for three degrees of freedom.
    """
    charge, mass, wavenumber = 0.8, 12.0, 1500.0
    amplitude = charge * np.sqrt(3 * BOLTZMANN * CONDITIONS.temperature * ACCELERATION / mass)
    phase = WAVENUMBER * wavenumber * CONDITIONS.interval * np.arange(2 * infrared.depth)
    return charge, mass, wavenumber, amplitude * np.stack([np.cos(phase), np.sin(phase), 0 * phase], axis=1)


def test_the_statistic_of_the_oscillator_is_a_cosine(infrared, oscillator):
    *_, wavenumber, series = oscillator
    found = infrared.statistic(Observed({"dipole_derivative": jnp.asarray(series)[None]}, {}))
    lags = CONDITIONS.interval * np.arange(infrared.depth + 1)
    expected = np.sum(series[0] ** 2) * np.cos(WAVENUMBER * wavenumber * lags)
    assert infrared.depth == 600
    np.testing.assert_allclose(found[0], expected, atol=1e-13)


def test_the_oscillator_absorbs_at_its_frequency_and_as_much_as_it_should(infrared, oscillator):
    charge, mass, wavenumber, series = oscillator
    mean = infrared.statistic(Observed({"dipole_derivative": jnp.asarray(series)[None]}, {}))[0]
    spectrum = np.asarray(infrared.predict(mean))
    assert infrared.abscissa[np.argmax(spectrum)] == wavenumber
    # ∫ nα dν̃ = N q² / (4 ε0 c² m V), the classical oscillator strength, here in SI and from 1/m² to 1/cm².
    charge_squared = (charge * 1.602176634e-19) ** 2
    kilogram, cubic_metre = mass * 1.66053906660e-27, CONDITIONS.volume * 1e-30
    expected = charge_squared / (4 * 8.8541878128e-12 * 299792458.0**2 * kilogram * cubic_metre) * 1e-4
    # The sum over a grid of 5 cm⁻¹ is exact for a window of 1200 fs, 28 cm⁻¹ wide; its tails fall with the third
    # power and leave 1e-5 beyond the ends of the range.
    assert np.sum(spectrum) * SETTINGS.resolution == pytest.approx(expected, rel=1e-4)


def test_a_combination_band_absorbs_as_much_less_as_the_page_says(infrared):
    """Two vibrations (cm⁻¹) of the mass of hydrogen, of a dipole along x that is bilinear in both, e/Å."""
    places, slope, hydrogen = np.array([500.0, 1600.0]), 0.3, 1.0
    kelvin, frequencies = CONDITIONS.temperature, WAVENUMBER * places
    # <M(0) M(t)> is the product of both correlation functions; minus its second derivative is what is observed.
    variances = BOLTZMANN * kelvin * ACCELERATION / (hydrogen * frequencies**2)
    lags = CONDITIONS.interval * np.arange(infrared.depth + 1)
    ends = np.array([np.sum(frequencies), frequencies[1] - frequencies[0]])
    mean = 0.5 * slope**2 * np.prod(variances) * np.sum(ends[:, None] ** 2 * np.cos(ends[:, None] * lags), 0)
    spectrum = np.asarray(infrared.predict(jnp.asarray(mean)))
    # 2100 cm⁻¹, and not the difference at 1100
    both = (infrared.abscissa > 1600.0) & (infrared.abscissa < 2600.0)
    classical = np.sum(spectrum[both]) * SETTINGS.resolution
    # ∫ nα dν̃ = ν̃ π/(3 ε0 ħ c V) Σ (p_i - p_f) |μ_if|², by the matrices of the oscillators, in SI, then in 1/cm².
    hbar, light, kilogram = 1.054571817e-34, 299792458.0, hydrogen * 1.66053906660e-27
    omegas = 200.0 * np.pi * light * places
    levels = np.arange(60)
    populations = [np.exp(-hbar * omega * levels / (1.380649e-23 * kelvin)) for omega in omegas]
    populations = [each / each.sum() for each in populations]
    squared = [hbar / (2.0 * kilogram * omega) * levels[1:] for omega in omegas]  # |<n - 1|q|n>|²
    up, down = (np.outer(*(each[part] for each in populations)) for part in (slice(-1), slice(1, None)))
    strength = np.sum((up - down) * np.outer(*squared)) * (slope * 1.602176634e-19 / 1e-10) ** 2
    per_strength = np.pi / (3.0 * 8.8541878128e-12 * hbar * light * CONDITIONS.volume * 1e-30)
    quantum = 100.0 * np.sum(places) * per_strength * strength * 1e-4
    quanta = hbar * omegas / (1.380649e-23 * kelvin)
    told = np.sum(1.0 / quanta) / np.sum(0.5 / np.tanh(0.5 * quanta))
    # The tails of both lines beyond the ends of the sum, of a window 28 cm⁻¹ wide, are of 1e-4.
    assert classical / quantum == pytest.approx(told, rel=1e-3)
    assert told == pytest.approx(0.5, abs=0.02)


def test_the_width_of_a_line_is_that_of_the_window(infrared, oscillator):
    *_, wavenumber, series = oscillator
    mean = infrared.statistic(Observed({"dipole_derivative": jnp.asarray(series)[None]}, {}))[0]
    spectrum = np.asarray(infrared.predict(mean))
    # The transform of a Hann window (1 + cos πt/T)/2 falls to half its height at ω T = π, where it is T/2 of T.
    half = np.pi / (infrared.depth * CONDITIONS.interval) / WAVENUMBER
    found = np.interp([wavenumber - half, wavenumber + half], infrared.abscissa, spectrum)
    np.testing.assert_allclose(found, 0.5 * spectrum.max(), rtol=0.03)  # read off a grid of 5 cm⁻¹


def test_the_prefactor_in_si_units():
    # β / (6 ε0 c V) with k in J/K, ε0 in F/m, c in m/s and V in m³; then (e Å)² / fs, and from 1/m to 1/cm.
    per_square_coulomb_metre_and_second = 1 / (
        6 * 1.380649e-23 * 298.15 * 8.8541878128e-12 * 299792458.0 * 1.9e-27
    )
    internal = (1.602176634e-19 * 1e-10) ** 2 / 1e-15
    expected = 0.01 * per_square_coulomb_metre_and_second * internal
    assert absorption_prefactor(CONDITIONS) == pytest.approx(expected, rel=1e-8)


def test_the_target_is_broadened_exactly_as_a_simulation_of_it_would_be(infrared):
    # A Gaussian band has the correlation function ∫_0^∞ S(ω) cos ωt dω / π, known in closed form.
    centre, width, height = 1600.0, 40.0, 500.0
    sigma = WAVENUMBER * width
    lags = CONDITIONS.interval * np.arange(infrared.depth + 1)
    envelope = height * sigma * np.sqrt(2 / np.pi) * np.exp(-0.5 * (sigma * lags) ** 2)
    correlation = envelope * np.cos(WAVENUMBER * centre * lags)
    simulated = infrared.predict(jnp.asarray(correlation / infrared.prefactor))
    broadened = broaden(
        gaussian(centre, width, height), infrared.abscissa, infrared.depth, CONDITIONS.interval
    )
    assert broadened.max() < 0.99 * height  # the window did something
    # The window inside `broaden` is of single precision, and the band is read by linear interpolation.
    np.testing.assert_allclose(broadened, simulated, atol=1e-4 * height)


def test_broadening_keeps_the_area_and_a_wide_window_the_spectrum():
    measured = gaussian(1500.0, 60.0, 300.0)
    abscissa = np.arange(4.0, 4000.0, 4.0)
    area = 300.0 * 60.0 * np.sqrt(2 * np.pi)
    for depth in (50, 200):  # windows of 100 and 400 fs
        assert np.sum(broaden(measured, abscissa, depth, 2.0)) * 4.0 == pytest.approx(area, rel=2e-3)
    # A window of 10 ps, 3 cm⁻¹ wide, adds little to a band of 60 cm⁻¹.
    fine = broaden(measured, abscissa, 5000, 2.0)
    np.testing.assert_allclose(fine, np.interp(abscissa, *measured.T), atol=0.01 * 300.0)


def test_a_spectrum_does_not_fall_through_the_window_where_its_measurement_ends():
    measured = np.array([[0.0, 300.0], [2000.0, 300.0]])
    abscissa = np.arange(500.0, 2001.0, 20.0)
    for depth in (50, 200):  # windows of 100 and 400 fs
        np.testing.assert_allclose(broaden(measured, abscissa, depth, 2.0), 300.0, rtol=2e-3)


# Vibrations of OH, CO, CH, CN and CH₂ as textbooks have them; of benzene and toluene CH out of the plane.
@pytest.mark.parametrize(
    ("liquid", "strongest"),
    [
        ("water_infrared_298K", 3400.0),
        ("methanol_infrared_299K", 1029.0),
        ("ethanol_infrared_299K", 1050.0),
        ("isopropanol_infrared_299K", 2970.0),
        ("acetonitrile_infrared_299K", 2254.0),
        ("benzene_infrared_299K", 673.0),
        ("toluene_infrared_299K", 728.0),
        ("octane_infrared_299K", 2925.0),
    ],
)
def test_measured_spectra_have_their_strongest_band_where_the_molecule_has_it(liquid, strongest):
    wavenumbers, intensities = read_measured(str(TARGETS / f"{liquid}.csv"), columns=2).T
    assert wavenumbers[np.argmax(intensities)] == pytest.approx(strongest, abs=10.0)
    assert (intensities >= 0.0).all()


@pytest.fixture(scope="module")
def mean_of_the_target(infrared):
    """The correlation function whose spectrum is the target."""
    lags = CONDITIONS.interval * np.arange(infrared.depth + 1)
    grid = np.arange(0.0, 6000.0, 2.0)
    spectrum = 500.0 * np.exp(-0.5 * ((grid - 1600.0) / 300.0) ** 2)
    kernel = np.cos(lags[:, None] * WAVENUMBER * grid)
    mean = np.trapezoid(spectrum * kernel, WAVENUMBER * grid, axis=1) / np.pi / infrared.prefactor
    return jnp.asarray(mean)


def test_the_loss_of_the_target_itself_is_zero_and_counts_bands(infrared, mean_of_the_target):
    # Broadening reads the target up to 5000 cm⁻¹ only, where the band has sunk to 1e-28.
    assert infrared.loss(mean_of_the_target) < 1e-8
    # Without any absorption every band misses its whole target: the loss is the sum of the weights.
    nothing = infrared.loss(jnp.zeros(infrared.depth + 1))
    overlap = infrared.abscissa == 1000.0
    shared = np.sum(infrared.weights[overlap] * infrared.target[overlap] ** 2)
    assert nothing == pytest.approx(11.0, abs=1e-9)
    assert shared > 0.0  # the edge belongs to both bands


def test_intensities_within_the_tolerance_cost_nothing_and_those_beyond_what_exceeds_it(
    infrared, mean_of_the_target
):
    tolerant = replace(infrared, tolerance=0.1)
    for scale, exceeding in ((1.0, 0.0), (1.08, 0.0), (0.9, 0.0), (1.3, 0.2), (0.5, 0.4)):
        found = tolerant.loss(scale * mean_of_the_target)
        assert found == pytest.approx(11.0 * exceeding**2, abs=1e-4)  # the weights add up to 11


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.9])
def test_the_gradient_of_the_loss_knows_the_scale(infrared, mean_of_the_target, tolerance):
    """Where the scale is at its bound, and where it is free."""
    own = replace(infrared, tolerance=tolerance)
    factors = 1.5 + 0.1 * jnp.cos(jnp.arange(infrared.depth + 1))
    check_grads(jax.jit(lambda x: own.loss(x * mean_of_the_target)), (factors,), order=1, modes=["rev"])


def test_bands_weigh_the_mean_squared_relative_difference():
    abscissa, target = np.array([100.0, 200.0, 300.0]), np.array([1.0, 2.0, 4.0])
    bands = [Band(range=[100, 200], weight=5.0), Band(range=[200, 250], weight=2.0)]
    np.testing.assert_allclose(band_weights(abscissa, target, bands), [5 / 5, 5 / 5 + 2 / 4, 0.0])


def test_a_maximum_is_told_where_it_is_as_smoothed_and_as_measured():
    chosen = SETTINGS.model_copy(update={"maxima": {"bend": [1500.0, 1800.0]}, "window": 5000.0})
    band = Infrared.from_settings(chosen, gaussian(1630.0, 60.0, 500.0), CONDITIONS)
    spectrum = jnp.asarray(gaussian(1655.0, 60.0, 400.0)[:, 1])
    own = maxima_of(spectrum, gaussian(1.0, 1.0, 1.0)[:, 0], chosen.maxima)
    # Smoothed by 20 cm⁻¹, a Gaussian of 60 is one of √(60² + 20²). Its centroid lies at its centre to within a
    # hundredth of the grid's 2 and 5 cm⁻¹; the window, 7 cm⁻¹ wide, takes 0.2 % of the height.
    blunted = 60.0 / np.hypot(60.0, 20.0)
    assert own["bend, position"] == pytest.approx([1655.0], abs=0.02)
    assert own["bend, height"] == pytest.approx([400.0 * blunted], rel=1e-3)
    assert band.details["bend, position"].target == pytest.approx([1630.0], abs=0.05)
    assert band.details["bend, height"].target == pytest.approx([500.0 * blunted], rel=3e-3)
    assert [each.quantities[1][1] for each in band.details.values()] == ["cm⁻¹", "cm⁻¹"]
    assert band.detail(jnp.ones(band.depth + 1)).keys() == band.details.keys()
    unmeasured = Infrared.from_settings(chosen, None, CONDITIONS)
    assert np.isnan(unmeasured.details["bend, position"].target)


def test_the_error_of_a_flat_maximum_is_that_which_repetition_shows():
    """A band that is level from 550 to 700 cm⁻¹, by 40 samples at a time, a thousand times."""
    grid, samples, times = np.arange(10.0, 1200.0, 10.0), 40, 1000
    band = 1.0 / (1.0 + np.exp((np.abs(grid - 625.0) - 150.0) / 40.0))
    noise = jax.random.normal(jax.random.key(5), (times, samples, len(grid)))

    @jax.jit
    @jax.vmap
    def position(noise):
        def of(mean):
            return maxima_of(mean, grid, {"libration": [400.0, 900.0]})["libration, position"][0]

        spectra = band[None] + 0.5 * noise  # 8 % of the height in the mean
        left_out = leave_one_out(spectra, jnp.full(samples, 1.0 / samples))
        return of(jnp.mean(spectra, axis=0)), jackknife_error(jax.vmap(of)(left_out))

    positions, errors = map(np.asarray, position(noise))
    scatter = positions.std()
    assert scatter > 5.0  # cm⁻¹: it is flat
    # The scatter of a thousand is known to 1/√2000 = 2.2 %; the square of the jackknife is biased upwards.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(scatter, rel=0.1)


def test_a_series_shorter_than_the_window_gives_the_lags_it_holds(infrared):
    short = jax.random.normal(jax.random.key(1), (2, 11, 3))
    found = infrared.statistic(Observed({"dipole_derivative": short}, {}))
    assert found.shape == (2, infrared.depth + 1)
    np.testing.assert_array_equal(found[:, 11:], 0.0)
    np.testing.assert_allclose(found[:, 10], jnp.sum(short[:, 0] * short[:, 10], axis=-1), atol=1e-12)


def test_the_grid_ends_with_the_highest_band(infrared):
    assert infrared.abscissa[0] == SETTINGS.resolution
    assert infrared.abscissa[-1] == 4000.0
    assert infrared.target.shape == infrared.weights.shape == infrared.abscissa.shape
    assert hann_window(infrared.depth, jnp.float64)[-1] < 1e-15


def test_the_registry_makes_it_from_the_measured_spectrum_of_water():
    measured = read_measured(TARGET)
    made = create_observables({"infrared": SETTINGS}, {"infrared": measured}, CONDITIONS)["infrared"]
    # The OH stretching band is highest: n = 1.32 and k = 0.309 at 3390 cm⁻¹ (Bertie and Lan) make 4πν̃nk = 17400 cm⁻¹,
    # which the window lowers a little.
    assert made.abscissa[np.argmax(made.target)] == pytest.approx(3400.0, abs=50.0)
    assert made.target.max() == pytest.approx(17400.0, rel=0.02)
