"""Structure factors of known radial distribution functions, and measured ones through the window."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.properties.structure import StructureFactorSettings
from dynrefine.files.tables import read_measured
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.pair_distributions import BINS, FINEST_BIN

pytestmark = pytest.mark.usefixtures("fast_compilation")

TARGETS = Path(__file__).parents[2] / "workflow/data/targets"
WATER = ("O", "H", "H") * 40
VOLUME = 8000.0  # Å³
WIDTHS = np.array([0.9, 0.5, 0.7])  # Å: of the pairs OO, OH, HH
HEIGHTS = np.array([-1.0, 0.8, 0.5])


def structure_factor(measured=None, symbols=WATER, elements=("O", "H"), volume=VOLUME, **settings):
    conditions = Conditions(300.0, volume, len(symbols), 1.0, symbols, elements=elements)
    chosen = {"structure_factor": StructureFactorSettings(**settings)}
    return create_observables(chosen, {"structure_factor": measured}, conditions)["structure_factor"]


def predicted(observable, distributions):
    fine = jnp.asarray(distributions)[None]
    return np.asarray(observable.predict(observable.statistic(Observed({}, {"pair_distributions": fine}))))[0]


@pytest.fixture(scope="module")
def gaussians():
    """1 + h exp(-(r/s)²) of each pair in the bins of the quantity."""
    r = FINEST_BIN * (np.arange(BINS) + 0.5)
    return 1.0 + HEIGHTS[:, None] * np.exp(-((r / WIDTHS[:, None]) ** 2))


def partials(q):
    """Their transforms A(Q) - 1: ρ h (π s²)^(3/2) exp(-Q²s²/4) [pairs, W]."""
    strength = 120 / VOLUME * HEIGHTS * (np.pi * WIDTHS**2) ** 1.5
    return strength[:, None] * np.exp(-(np.multiply.outer(WIDTHS, q) ** 2) / 4.0)


def test_neutrons_see_the_pairs_by_their_scattering_lengths(gaussians):
    """Bins of 0.01 Å, compared with widths of 0.5 Å, make errors of some 1e-4."""
    observable = structure_factor(normalised=False, modification="none", range=[0.5, 8.0])
    q = observable.abscissa
    # Sears, Neutron News 3, 26 (1992): 5.803 fm of oxygen, -3.739 fm of hydrogen; later ones differ by 0.05 %
    oxygen, hydrogen = 5.803 / 3, -3.739 * 2 / 3
    weights = np.array([oxygen**2, 2 * oxygen * hydrogen, hydrogen**2]) / 100.0
    expected = weights @ partials(q)
    np.testing.assert_allclose(predicted(observable, gaussians), expected, atol=2e-3 * np.abs(expected).max())
    assert observable.quantities == (("Q", "1/Å"), ("F(Q)", "barn/sr"))
    heavy = structure_factor(normalised=False, modification="none", lengths={"H": 6.671, "O": 5.803})
    weights = np.array([5.803, 6.671 * 2]) / 3
    pairs = np.array([weights[0] ** 2, 2 * weights[0] * weights[1], weights[1] ** 2]) / 100.0
    expected = pairs @ partials(heavy.abscissa)
    np.testing.assert_allclose(predicted(heavy, gaussians), expected, atol=2e-4 * np.abs(expected).max())


def test_x_rays_see_the_pairs_by_their_form_factors(gaussians):
    """Of free atoms at Q = 4π 0.2 and 4π 0.5 1/Å: International Tables for Crystallography C, table 6.1.1.1."""
    q = 4.0 * np.pi * np.array([0.2, 0.5])
    oxygen, hydrogen = np.array([5.634, 2.338]) / 3, np.array([0.481, 0.071]) * 2 / 3
    expected = np.array([oxygen**2, 2 * oxygen * hydrogen, hydrogen**2])
    expected = 1.0 + np.sum(expected * partials(q), axis=0) / (oxygen + hydrogen) ** 2
    step = float(q[1] - q[0])
    observable = structure_factor(radiation="xray", modification="none", range=list(q), resolution=step)
    np.testing.assert_allclose(observable.abscissa, q)
    np.testing.assert_allclose(predicted(observable, gaussians), expected, atol=2e-4)
    plain = structure_factor(
        radiation="xray", normalised=False, modification="none", range=list(q), resolution=step
    )
    assert plain.quantities[1] == ("F(Q)", "e²")
    expected = (expected - 1.0) * (oxygen + hydrogen) ** 2
    np.testing.assert_allclose(predicted(plain, gaussians), expected, atol=5e-3)


def test_one_element_is_seen_alike_by_all_radiation(gaussians):
    argon = {"symbols": ("Ar",) * 120, "elements": ("Ar",), "modification": "none"}
    neutrons, x_rays = (structure_factor(radiation=kind, **argon) for kind in ("neutron", "xray"))
    expected = 1.0 + partials(neutrons.abscissa)[0]
    for observable in (neutrons, x_rays):
        np.testing.assert_allclose(predicted(observable, gaussians[:1]), expected, atol=1e-5)


@pytest.mark.parametrize("modification", ["none", "lorch"])
def test_the_measured_function_goes_through_the_window_of_the_simulated_one(gaussians, modification):
    """As if measured without a window: what is compared is the same in both ways."""
    argon = {"symbols": ("Ar",) * 120, "elements": ("Ar",), "longest": 2.0, "modification": modification}
    grid = np.arange(0.0, 30.0, 0.05)
    measured = np.stack(
        [grid, 1.0 + 120 / VOLUME * -((np.pi * 0.81) ** 1.5) * np.exp(-((0.9 * grid) ** 2) / 4)], 1
    )
    observable = structure_factor(measured, **argon)
    found = predicted(observable, gaussians[:1])
    np.testing.assert_allclose(observable.target, found, atol=1e-5)
    free = structure_factor(measured, **(argon | {"longest": 12.0, "modification": "none"}))
    assert np.max(np.abs(free.target - found)) > (1e-3 if modification == "lorch" else 1e-4)
    assert observable.loss(jnp.asarray(found - 1.0)) < 1e-4
    assert observable.loss(jnp.zeros_like(observable.abscissa)) == pytest.approx(1.0)


def test_the_measured_structure_of_argon_survives_a_wide_window_and_is_blunted_by_lorchs():
    measured = read_measured(TARGETS / "argon_structure_factor_85K.csv")
    argon = {"symbols": ("Ar",) * 864, "elements": ("Ar",), "volume": 864 / 0.021248}
    q = np.arange(1.5, 10.05, 0.1)
    wide = structure_factor(measured, modification="none", longest=15.0, **argon).target
    table = np.interp(q, *measured.T)
    # 15 Å hold all but the last oscillations of g(r), which make the first maximum
    assert np.abs(wide - table).max() < 0.15
    assert np.abs(wide - table)[q > 3.0].max() < 0.025
    blunted = structure_factor(measured, longest=15.0, **argon).target
    assert q[np.argmax(blunted)] == pytest.approx(2.0)
    assert 2.0 < blunted.max() < 0.9 * table.max()


def test_where_it_is_cut_off_follows_from_the_cell():
    assert structure_factor().kernel.shape[1] == 1000  # half of 20 Å
    assert structure_factor(volume=64000.0).kernel.shape[1] == BINS
    assert structure_factor(longest=7.0).kernel.shape[1] == 700
