"""The dipole of whole molecules, and the dielectric constant of dipoles that turn freely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import molecule
from systems import (
    CUBIC,
    DIPOLE,
    ELEMENTS,
    TRICLINIC,
    PointCharges,
    all_neighbours,
    box_of,
    random_model,
    rotation,
)

from dynrefine.config.properties.thermodynamics import DielectricConstantSettings
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.whole_dipole import QUANTITY, whole_dipole, within_molecules
from dynrefine.refinement.objective import evaluate
from dynrefine.statistics import Shares
from dynrefine.surfaces.base import Surface

pytestmark = pytest.mark.usefixtures("fast_compilation")

KELVIN, MOLECULES, FRAMES = 300.0, 27, 400
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])
CHARGES = np.array([-2.0, 1.0, 1.0])


def liquid(generator, cell):
    """Molecules on a grid [M, 3, 3], Å, each turned at random, and the dipole of each [M, 3], e Å."""
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    turned = np.stack([WATER @ rotation(generator).T for _ in range(MOLECULES)])
    return grid / 3.0 @ cell + turned, np.einsum("a,mak->mk", CHARGES, turned)


@pytest.fixture(scope="module")
def observed():
    """Dipoles [F, 3] as observed, atoms in any periodic images, and the sums of those of the molecules."""
    generator, cell = np.random.default_rng(2), 2.0 * TRICLINIC
    system = box_of(np.tile([0, 1, 1], MOLECULES), cell, ELEMENTS, jnp.float64)
    frames = [liquid(generator, cell) for _ in range(FRAMES)]
    images = generator.integers(-1, 2, (FRAMES, 3 * MOLECULES, 3)) @ cell
    positions = jnp.asarray(np.stack([frame.reshape(-1, 3) for frame, _ in frames]) + images)
    surfaces = {"dipole": Surface(PointCharges(tuple(CHARGES)), {})}

    @jax.jit
    def dipoles(positions):
        def one(x):
            return whole_dipole(surfaces, system, Point(x, jnp.zeros_like(x), system.cell), None)

        return jax.lax.map(one, positions)

    return np.asarray(dipoles(positions)), np.stack([each.sum(axis=0) for _, each in frames]), system.volume


def dielectric_constant(**settings):
    chosen = {"dielectric_constant": DielectricConstantSettings(**settings)}
    conditions = Conditions(KELVIN, 1.0, 3 * MOLECULES, 1.0)
    return create_observables(chosen, {"dielectric_constant": None}, conditions)["dielectric_constant"]


def test_the_dipole_is_the_sum_over_whole_molecules_in_any_periodic_image(observed):
    found, expected, _ = observed
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize(
    ("name", "charges"),
    [
        ("CH3OH", {"C": -2, "O": -2, "H": 1}),  # of which neither half is neutral
        ("CH3CN", {"C": 0, "N": -3, "H": 1}),
        ("C6H6", {"C": -1, "H": 1}),
    ],
)
def test_molecules_are_followed_along_their_bonds(name, charges):
    generator, cell = np.random.default_rng(9), 3.0 * TRICLINIC
    corners = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) / 3.0 @ cell
    one = molecule(name)
    own = np.array([charges[symbol] for symbol in one.get_chemical_symbols()], float)
    turned = np.stack([one.positions @ rotation(generator).T for _ in corners])
    positions = (corners[:, None] + turned).reshape(-1, 3)
    positions += generator.integers(-2, 3, positions.shape) @ cell
    numbers = jnp.asarray(np.tile(one.numbers, len(corners)), jnp.int32)
    point = Point(jnp.asarray(positions), jnp.zeros_like(positions), jnp.asarray(cell))
    vectors = np.asarray(jax.jit(within_molecules)(numbers, point)).reshape(*turned.shape)
    heaviest = int(np.argmax(one.numbers))
    np.testing.assert_allclose(vectors, turned - turned[:, heaviest, None], atol=1e-10)
    np.testing.assert_allclose(own @ vectors, own @ turned, atol=1e-9)


def test_what_is_learned_is_added_and_no_derivative_is_lost():
    """A step of the positions changes the dipole of whole molecules by that of the surface, which knows no branch."""
    generator, cell = np.random.default_rng(5), 2.0 * CUBIC
    frame, _ = liquid(generator, cell)
    system = box_of(np.tile([0, 1, 1], MOLECULES), cell, ELEMENTS, jnp.float64)
    positions = jnp.asarray(frame.reshape(-1, 3))
    model = random_model(DIPOLE, system, positions)
    along = jnp.asarray(generator.normal(size=positions.shape))
    neighbours = all_neighbours(positions, system.cell, model.architecture.cutoff)
    surface = Surface(model.architecture, model.parameters)

    def whole(positions):
        return whole_dipole({"dipole": surface}, system, Point(positions, along, system.cell), neighbours)

    _, slope = jax.jit(lambda x: jax.jvp(whole, (x,), (along,)))(positions)
    expected = jax.jit(model.architecture.dipole_derivative)(
        model.parameters, system.species, positions, along, system.cell, neighbours
    )
    np.testing.assert_allclose(slope, expected, rtol=1e-9)
    assert QUANTITY.surfaces == ("dipole",)


def test_dipoles_that_turn_freely_have_kirkwoods_factor_one(observed):
    """<M²> = N μ²: ε = ε∞ + N μ²/(3 ε0 V kT), with ε0 = e²/(4π · 14.39964548 eV Å) (CODATA 2018)."""
    dipoles, _, volume = observed
    statistics = {"whole_dipole": jnp.asarray(dipoles), "volume": jnp.full(FRAMES, volume)}
    own = dielectric_constant(target=10.0, eps_infinity=1.7)
    found = evaluate(own, own.statistic(Observed({}, statistics)), Shares(jnp.full(FRAMES, 1.0 / FRAMES)))
    squared = np.sum((CHARGES @ WATER) ** 2)
    thermal = 8.617333262e-5 * KELVIN
    expected = 1.7 + 4.0 * np.pi * 14.39964548 * MOLECULES * squared / (3.0 * volume * thermal)
    (value,), (error,) = found.prediction, found.prediction_error
    assert error < 0.1 * value
    # the fluctuation about the mean of so many frames is smaller by one in so many
    assert abs(value - expected) < 3.0 * error
    assert found.loss == pytest.approx((value / 10.0 - 1.0) ** 2)
    mean = jnp.asarray([3.0, 4.0, 0.0, 100.0, volume])
    assert own.detail(mean)["mean dipole"] == pytest.approx([5.0])
    share = (expected - 1.7) / (MOLECULES * squared)
    assert own.predict(mean) == pytest.approx([1.7 + 75.0 * share], rel=1e-8)
    assert np.isnan(dielectric_constant().loss(mean))
