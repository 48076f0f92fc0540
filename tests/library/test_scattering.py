"""Structure in time: wave vectors, F(q,t) and g(r,t) of an ideal gas and of single configurations."""

from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from systems import CUBIC, TRICLINIC

from dynrefine.config.properties.scattering import IntermediateScatteringSettings, VanHoveSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.properties.intermediate_scattering import shell
from dynrefine.properties.van_hove import origins_of
from dynrefine.units import BOLTZMANN, KINETIC

pytestmark = pytest.mark.usefixtures("fast_compilation")

INTERVAL, KELVIN, MASS = 50.0, 94.4, 39.948
STARTS, FRAMES, ATOMS = 12, 40, 60
CELL = 3.0 * TRICLINIC


def observable(name, settings, measured=None, symbols=("Ar",) * ATOMS, cell=CELL):
    volume = float(np.linalg.det(cell))
    elements = tuple(dict.fromkeys(symbols))
    conditions = Conditions(KELVIN, volume, len(symbols), INTERVAL, symbols, elements=elements, cell=cell)
    classes = {"intermediate_scattering": IntermediateScatteringSettings, "van_hove": VanHoveSettings}
    return create_observables({name: classes[name](**settings)}, {name: measured}, conditions)[name]


def scattering(q, symbols=("Ar",) * ATOMS, measured=None, **settings):
    own = {"momentum_transfer": q, "window": 10 * INTERVAL, **settings}
    return observable("intermediate_scattering", own, measured, symbols)


def van_hove(time, symbols=("Ar",) * ATOMS, measured=None, **settings):
    return observable("van_hove", {"time": time, "longest": 7.0, "bin": 0.5, **settings}, measured, symbols)


def observed(positions, cell=CELL):
    cells = np.broadcast_to(cell, (len(positions), 3, 3))
    return Observed({"positions": jnp.asarray(positions)}, {"cell": jnp.asarray(cells)})


@pytest.fixture(scope="module")
def ideal_gas():
    """Atoms on straight lines [S, frames, N, 3], Å."""
    generator = np.random.default_rng(7)
    starts = generator.uniform(0.0, 1.0, (STARTS, 1, ATOMS, 3)) @ CELL
    spread = np.sqrt(BOLTZMANN * KELVIN / (KINETIC * MASS))
    velocities = generator.normal(0.0, spread, (STARTS, 1, ATOMS, 3))
    return starts + INTERVAL * np.arange(FRAMES)[:, None, None] * velocities


@pytest.mark.parametrize("cell", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])
@pytest.mark.parametrize(("q", "width"), [(3.0, 0.6), (0.1, 0.1)])
def test_the_wave_vectors_of_a_shell_are_those_of_the_cell(cell, q, width):
    vectors, lengths = shell(cell, q, width, most=1000)
    waves = vectors @ (2.0 * np.pi * np.linalg.inv(cell).T)
    np.testing.assert_allclose(np.exp(1j * waves @ cell.T), 1.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(waves, axis=1), lengths)
    every = np.array([n for n in product(range(-8, 9), repeat=3) if any(n)])
    found = np.linalg.norm(every @ (2.0 * np.pi * np.linalg.inv(cell).T), axis=1)
    away = np.round(np.abs(found - q), 9)
    expected = {tuple(n) for n in every[away <= max(width / 2, away.min())].tolist()}
    own = {tuple(n) for n in vectors.tolist()}
    assert own | {tuple(-i for i in n) for n in own} == expected
    assert 2 * len(own) == len(expected)
    assert len(shell(cell, q, width, most=1)[0]) == 1


@pytest.mark.parametrize("part", ["coherent", "self"])
def test_atoms_of_an_ideal_gas_fly_apart_as_a_gaussian(ideal_gas, part):
    """F(q,t) = exp(-q² kT t²/2m), the mean of exp(iqvt) over Maxwell's distribution."""
    own = scattering(1.5, part=part, normalised=False, vectors=40, width=0.2)
    statistics = np.asarray(own.predict(own.statistic(observed(ideal_gas))))
    found, error = statistics.mean(axis=0), statistics.std(axis=0, ddof=1) / np.sqrt(STARTS)
    squared = np.sum((own.vectors @ (2.0 * np.pi * np.linalg.inv(CELL).T)) ** 2, axis=1)
    variance = BOLTZMANN * KELVIN / (KINETIC * MASS) * own.abscissa**2
    expected = np.exp(-0.5 * np.multiply.outer(variance, squared)).mean(axis=1)
    assert expected[-1] < 0.75 and error.max() < (0.01 if part == "self" else 0.1)
    assert np.all(np.abs(found - expected) <= 4.0 * error + 1e-12)
    if part == "self":
        np.testing.assert_allclose(found[0], 1.0)


@pytest.mark.parametrize("radiation", ["neutron", "xray"])
def test_at_time_zero_it_is_the_structure_factor_of_all_pairs(ideal_gas, radiation):
    """Σ_ij a_i a_j cos q·(x_i - x_j) / Σ a², pair by pair."""
    symbols = ("O", "H", "H") * (ATOMS // 3)
    own = scattering(2.0, symbols, radiation=radiation, normalised=False, vectors=5)
    found = own.statistic(observed(ideal_gas[:2, :11]))[:, 0]
    waves = own.vectors @ (2.0 * np.pi * np.linalg.inv(CELL).T)
    # Sears, Neutron News 3, 26 (1992); International Tables for Crystallography C, table 6.1.1.1, at 2 1/Å
    lengths = {"neutron": {"O": 5.803, "H": -3.739}, "xray": {"O": 6.34, "H": 0.60}}[radiation]
    amplitudes = np.array([lengths[symbol] for symbol in symbols])
    apart = ideal_gas[:2, :11, :, None] - ideal_gas[:2, :11, None]
    pairs = np.cos(apart @ waves.T).mean(axis=(1, 4))
    expected = np.einsum("i,sij,j->s", amplitudes, pairs, amplitudes) / np.sum(amplitudes**2)
    np.testing.assert_allclose(found, expected, rtol=2e-3 if radiation == "neutron" else 2e-2)


def test_periodic_images_do_not_matter(ideal_gas):
    images = np.random.default_rng(1).integers(-2, 3, ideal_gas[:2].shape) @ CELL
    for own in (scattering(1.0), scattering(1.0, part="self"), van_hove(2 * INTERVAL)):
        found = own.statistic(observed(ideal_gas[:2]))
        np.testing.assert_allclose(own.statistic(observed(ideal_gas[:2] + images)), found, atol=1e-10)


def test_single_atoms_are_weighted_by_their_incoherent_scattering():
    symbols = ("O", "H", "H") * 4

    def shares(**settings):
        squared = scattering(2.0, symbols, part="self", **settings).amplitudes ** 2
        return squared[0] / squared[1]

    assert shares() < 1e-4  # 80 barn of hydrogen, next to nothing of oxygen
    assert shares(radiation="xray") == pytest.approx((6.34 / 0.60) ** 2, rel=0.05)
    assert shares(element="H") == 0.0
    assert scattering(2.0, symbols, element="H").amplitudes[0] == 0.0
    assert np.sum(scattering(2.0, symbols).amplitudes ** 2) == pytest.approx(1.0)


def test_a_short_series_leaves_the_last_lags_zero_and_the_loss_is_relative(ideal_gas):
    measured = np.array([[0.0, 1.0], [20 * INTERVAL, 0.2]])
    own = scattering(1.0, measured=measured)
    found = np.asarray(own.statistic(observed(ideal_gas[:2, :6])))
    assert np.all(found[:, 6:] == 0.0) and np.all(found[:, :6] != 0.0)
    mean = jnp.asarray(np.random.default_rng(3).normal(size=11)).at[0].set(2.0)
    target = 1.0 - 0.8 * np.arange(11) / 20
    expected = np.sum((mean / 2.0 - target) ** 2) / np.sum(target**2)
    assert own.loss(mean) == pytest.approx(expected)
    assert np.isnan(scattering(1.0).loss(mean))
    told = own.detail(mean)
    assert told["at 0"] == pytest.approx([2.0]) and told["momentum transfer"] == pytest.approx(own.q)


def test_the_others_of_an_ideal_gas_are_everywhere_at_all_times(ideal_gas):
    for time in (0.0, 10 * INTERVAL):
        own = van_hove(time)
        statistics = np.asarray(own.predict(own.statistic(observed(ideal_gas))))
        error = statistics.std(axis=0, ddof=1) / np.sqrt(STARTS)
        far = own.abscissa > 1.9
        assert np.all(error[far] < 0.15)
        assert np.all(np.abs(statistics.mean(axis=0) - 1.0)[far] < 4.0 * error[far])


def test_each_pair_counts_for_the_two_places_next_to_its_distance():
    """One that moves from 2.2 to 3.4 Å while the other one stays: both orders of the pair, weights of X-rays."""
    series = np.zeros((1, 2, 3, 3))
    series[0, :, 1, 0], series[0, :, 2, 0] = [2.2, 3.4], 7.8
    own = van_hove(INTERVAL, ("O", "H", "H"), radiation="xray", bin=1.0)
    found = own.statistic(observed(series))[0] * own.shells / np.linalg.det(CELL)
    pairs = (8 + 1 + 1) ** 2  # electrons
    # atoms 0 -> 1: 0 at the origin, 1 then at 3.4; 1 -> 0: 1 was at 2.2; 1 -> 2: 5.6; 2 -> 1: 4.4; 0 -> 2 at 7.8
    expected = np.zeros(10)
    for distance, weight in ((3.4, 8), (2.2, 8), (5.6, 1), (4.4, 1), (7.8, 8), (7.8, 8)):
        expected[int(distance)] += weight * (1 - distance % 1) / pairs
        expected[int(distance) + 1] += weight * (distance % 1) / pairs
    np.testing.assert_allclose(found, expected[1:8], rtol=1e-3, atol=1e-12)


def test_what_is_compared_of_a_van_hove_function_and_where_it_begins():
    measured = np.stack([np.arange(2.0, 6.1, 0.5), np.linspace(0.5, 1.5, 9), np.full(9, np.nan)], axis=1)
    own = van_hove(5 * INTERVAL, measured=measured, range=[3.0, 5.0])
    assert own.lag == 5 and np.isfinite(own.target).sum() == 9
    assert own.loss(jnp.asarray(np.nan_to_num(own.target))) == pytest.approx(0.0)
    assert own.loss(jnp.ones(14)) == pytest.approx(1.0)
    assert np.isnan(van_hove(5 * INTERVAL).loss(jnp.ones(14)))
    # Four frames later there is none.
    assert np.all(own.statistic(observed(np.zeros((2, 5, ATOMS, 3)))) == 0.0)
    np.testing.assert_array_equal(origins_of(9, 3), [0, 4, 8])
    np.testing.assert_array_equal(origins_of(2, 20), [0, 1])
