"""Self-diffusion of particles whose diffusion coefficient is known, and its finite-size correction."""

import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.properties.transport import DiffusionSettings, EinsteinDiffusionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables, settled
from dynrefine.properties.correlation import velocity_autocorrelation
from dynrefine.properties.diffusion import running_diffusion
from dynrefine.properties.finite_size import finite_size_correction, lattice_constant
from dynrefine.refinement.validation import evaluate_details

pytestmark = pytest.mark.usefixtures("fast_compilation")

INTERVAL = 4.0  # fs


@pytest.fixture(scope="module")
def velocities():
    """Ornstein-Uhlenbeck velocities with <v²> = 3e-5 Å²/fs² and a lifetime of 50 fs [60 replicas, frames, 5, 3]."""
    generator = np.random.default_rng(8)
    retained = np.exp(-INTERVAL / 50.0)
    noise = generator.normal(0.0, np.sqrt(1e-5), (400, 60, 5, 3))
    series = [noise[0]]
    for kick in noise[1:]:
        series.append(retained * series[-1] + np.sqrt(1 - retained**2) * kick)
    return jnp.asarray(np.stack(series, axis=1))


def test_diffusion_of_known_velocities(velocities):
    depth = 60
    correlation = velocity_autocorrelation(velocities, depth)
    assert correlation.shape == (60, depth + 1)
    running = np.asarray(running_diffusion(correlation, INTERVAL))
    # <v(0) v(t)> = <v²> r^k exactly at the lags; the trapezoidal sum of that, in 1e-9 m²/s = 1e-4 Å²/fs.
    powers = np.exp(-INTERVAL / 50.0) ** np.arange(depth + 1)
    expected = 1e4 / 3 * 3e-5 * INTERVAL * (np.sum(powers) - 0.5 * (powers[0] + powers[-1]))
    error = np.std(running[:, -1], ddof=1) / np.sqrt(len(running))
    assert error < 0.05 * expected
    assert abs(np.mean(running[:, -1]) - expected) < 4 * error


def test_the_correlation_is_the_mean_over_atoms_and_origins(velocities):
    found = velocity_autocorrelation(velocities[:2], 3)
    by_hand = np.mean(np.sum(velocities[:2, :-3] * velocities[:2, 3:], axis=-1), axis=(1, 2))
    np.testing.assert_allclose(found[:, 3], by_hand, rtol=1e-9)


def test_the_running_integral_is_that_of_the_trapezoidal_rule():
    correlation = jnp.array([[4.0, 2.0, 1.0], [0.0, 3.0, 3.0]])
    expected = 1e4 / 3 * np.array([[0.0, 6.0, 9.0], [0.0, 3.0, 9.0]])
    np.testing.assert_allclose(running_diffusion(correlation, 2.0), expected)


def einstein(**settings):
    """The property of five atoms of argon."""
    conditions = Conditions(94.4, 1000.0, 5, INTERVAL, ("Ar",) * 5)
    chosen = EinsteinDiffusionSettings(element="Ar", **settings)
    return create_observables({"einstein_diffusion": chosen}, {"einstein_diffusion": None}, conditions)[
        "einstein_diffusion"
    ]


def test_the_slope_of_einstein_is_that_of_plain_loops(velocities):
    """A sixth of the slope of the mean square displacement between 5 and 10 frames, by trapezoidal sums."""
    observable = einstein(window=10 * INTERVAL, viscosity=0.3, target=2.0)
    statistic = observable.statistic(Observed({"velocities": velocities[:2]}, {}))
    places = np.zeros((2, 401, 5, 3))
    for n in range(400):
        places[:, n + 1] = places[:, n] + 0.5 * INTERVAL * (velocities[:2, n] + velocities[:2, n + 1])
    displacements = {
        lag: np.mean(np.sum((places[:, lag:400] - places[:, : 400 - lag]) ** 2, axis=-1), axis=(1, 2))
        for lag in range(11)
    }
    told = observable.details["mean square displacement"]
    np.testing.assert_allclose(told.abscissa, INTERVAL * np.arange(11))
    np.testing.assert_allclose(statistic, np.stack(list(displacements.values()), axis=1), rtol=1e-9)
    np.testing.assert_array_equal(observable.detail(statistic[0])["mean square displacement"], statistic[0])
    slopes = 1e4 * (displacements[10] - displacements[5]) / (5 * INTERVAL) / 6.0
    corrected = slopes + finite_size_correction(94.4, 0.3, 10.0 * np.eye(3))
    np.testing.assert_allclose(observable.predict(statistic)[:, 0], corrected, rtol=1e-9)
    assert observable.loss(statistic[0]) == pytest.approx((corrected[0] / 2.0 - 1.0) ** 2)
    # A series shorter than the window, as the adjoint may see it, holds the lags it has.
    short = observable.statistic(Observed({"velocities": velocities[:2, :9]}, {}))
    assert short.shape == statistic.shape
    assert np.all(short[:, 9:] == 0.0) and np.all(short[:, 1:9] != 0.0)


def test_the_estimate_of_einstein_is_the_same_coefficient(velocities):
    # The lifetime of 50 fs is short beside the half of the lags the slope is taken over: 60 frames of 4 fs.
    observable = einstein(window=120 * INTERVAL)
    each = observable.statistic(Observed({"velocities": velocities}, {}))
    estimates = np.asarray(observable.predict(each))[:, 0]
    retained = np.exp(-INTERVAL / 50.0)
    # of the trapezoidal sum to infinity
    expected = 1e4 / 3 * 3e-5 * INTERVAL * (1.0 / (1.0 - retained) - 0.5)
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert error < 0.05 * expected
    # What the slope still lacks after 240 fs is of order exp(-240 / 50) = 0.8 %, far less than the error.
    assert abs(np.mean(estimates) - expected) < 4 * error


def test_the_observable_is_the_integral_for_its_element(velocities):
    symbols = ("Ar", "Ne", "Ar", "Ar", "Ne")
    conditions = Conditions(94.4, 1000.0, 5, INTERVAL, symbols)
    settings = DiffusionSettings(element="Ar", target=3.0, target_error=0.1, window=200.0)
    observable = create_observables({"diffusion": settings}, {"diffusion": None}, conditions)["diffusion"]
    statistic = observable.statistic(Observed({"velocities": velocities}, {}))
    mean = statistic.mean(axis=0)
    argon = velocity_autocorrelation(velocities[:, :, np.array([0, 2, 3])], 50).mean(axis=0)
    expected = float(running_diffusion(argon, INTERVAL)[-1])
    assert observable.predict(mean)[0] == pytest.approx(expected, rel=1e-12)
    assert observable.loss(mean) == pytest.approx((expected / 3.0 - 1.0) ** 2, rel=1e-9)
    assert observable.abscissa == [200.0]
    # In an infinite cell of a liquid of this viscosity it is faster, at the same statistics.
    settings = settings.model_copy(update={"viscosity": 0.3})
    observable = create_observables({"diffusion": settings}, {"diffusion": None}, conditions)["diffusion"]
    corrected = expected + finite_size_correction(94.4, 0.3, 10.0 * np.eye(3))
    assert observable.predict(mean)[0] == pytest.approx(corrected, rel=1e-12)
    assert observable.loss(mean) == pytest.approx((corrected / 3.0 - 1.0) ** 2, rel=1e-9)
    told = {name: np.asarray(values) for name, values in observable.detail(mean).items()}
    np.testing.assert_allclose(told["running integral"], running_diffusion(argon, INTERVAL), rtol=1e-9)
    np.testing.assert_allclose(told["velocity autocorrelation"], argon / argon[0], rtol=1e-9)
    assert told["in the finite cell"] == pytest.approx([expected])
    # What is measured is that of an infinite cell: less the correction, in the figure of the integral.
    integral = observable.details["running integral"]
    np.testing.assert_allclose(integral.target, 3.0 - corrected + expected)
    assert integral.quantities[1] == ("self-diffusion in the finite cell", "1e-9 m²/s")
    # A series shorter than the window, as the adjoint may see it, holds the lags it has.
    short = observable.statistic(Observed({"velocities": velocities[:, :31]}, {}))
    assert short.shape == statistic.shape
    assert np.all(short[:, 31:] == 0.0) and np.all(short[:, 30] != 0.0)


def test_the_limit_of_the_integral_is_taken_from_the_noise_where_that_is_wished(velocities):
    """What the rest of the window would add is then told, and within its error."""
    conditions = Conditions(94.4, 1000.0, 5, INTERVAL, ("Ar",) * 5)

    def observable(**settings):
        own = DiffusionSettings(element="Ar", target=3.0, window=1200.0, **settings)
        return create_observables({"diffusion": own}, {"diffusion": None}, conditions)["diffusion"]

    statistics, weights = (
        observable().statistic(Observed({"velocities": velocities}, {})),
        jnp.full(60, 1 / 60),
    )
    found = settled(observable(limit="auto"), statistics, weights)
    (limit,) = found.abscissa
    assert 100.0 < limit < 1200.0  # it lacks exp(-limit/50 fs)
    running = running_diffusion(statistics.mean(axis=0), INTERVAL)
    at_limit = float(running[round(limit / INTERVAL)])
    assert found.predict(statistics.mean(axis=0)) == pytest.approx([at_limit], rel=1e-9)
    details, errors = evaluate_details(found, statistics)
    assert details["upper limit"] == [limit]
    assert details["beyond the limit"] == pytest.approx([float(running[-1]) - at_limit], rel=1e-9)
    assert abs(details["beyond the limit"][0]) < errors["beyond the limit"][0]
    # One that is set stands, and without any the integral is over the window.
    assert settled(observable(limit=200.0), statistics, weights).abscissa == [200.0]
    whole = settled(observable(), statistics, weights)
    assert whole.abscissa == [1200.0] and "upper limit" not in whole.details


def test_ballistic_particles_diffuse_with_time():
    # Constant velocities: D(t) = <v²> t / 3.
    steady = jnp.broadcast_to(jnp.array([3e-3, 0.0, 4e-3]), (1, 50, 2, 3))
    running = running_diffusion(velocity_autocorrelation(steady, 10), INTERVAL)[0]
    np.testing.assert_allclose(running, 1e4 * 25e-6 * INTERVAL * np.arange(11) / 3, rtol=1e-9)


def test_the_finite_size_correction_of_water():
    # ξ kT / (6 π η L) at 298.15 K, 0.89 mPa s and 12.42 Å:
    # 2.837297 · 4.11640e-21 J / (6π · 8.9e-4 Pa s · 1.242e-9 m) = 5.6054e-10 m²/s.
    assert finite_size_correction(298.15, 0.89, 12.42 * np.eye(3)) == pytest.approx(0.56054, rel=1e-4)


def test_the_finite_size_correction_falls_with_edge_and_viscosity():
    cell = 10.0 * np.eye(3)
    reference = finite_size_correction(300.0, 1.0, cell)
    assert finite_size_correction(300.0, 1.0, 2.0 * cell) == pytest.approx(reference / 2)
    assert finite_size_correction(300.0, 2.0, cell) == pytest.approx(reference / 2)
    assert finite_size_correction(600.0, 1.0, cell) == pytest.approx(2 * reference)


# Energies of Wigner's crystals, -E in e²/(2 a), by Coldwell-Horsfall & Maradudin, J. Math. Phys. 1, 395 (1960); a is
# the radius of the sphere of an electron's volume.
@pytest.mark.parametrize(
    ("cell", "energy"),
    [
        (np.eye(3), 1.760119),
        (1.0 - 2.0 * np.eye(3), 1.791860),
        (1.0 - np.eye(3), 1.791749),
    ],
    ids=["simple", "body-centred", "face-centred"],
)
def test_the_lattice_constant_is_that_of_a_wigner_crystal(cell, energy):
    found = lattice_constant(12.0 * cell)
    assert found == pytest.approx(energy * (4.0 * np.pi / 3.0) ** (1.0 / 3.0), rel=2e-6)


def test_the_lattice_constant_does_not_depend_on_the_choice_of_the_cell():
    long = np.diag([10.0, 10.0, 20.0])
    turned = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    skewed = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ long @ turned
    assert lattice_constant(skewed) == pytest.approx(lattice_constant(long), rel=1e-10)
    # in a long cell images are beside and hardly before it: less is missing
    assert lattice_constant(long) < 0.85 * lattice_constant(np.eye(3))
