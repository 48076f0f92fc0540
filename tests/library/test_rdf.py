"""Radial distribution functions of an ideal gas, of lattices, whose neighbours can be counted, and of ASE."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.geometry.analysis import get_rdf
from systems import TRICLINIC, box_of, water_box

from dynrefine.config.data import Element
from dynrefine.config.properties.structure import RadialDistributionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.pair_distributions import BINS, EDGES, SHELLS, pair_distributions

pytestmark = pytest.mark.usefixtures("fast_compilation")

ELEMENTS = [Element(symbol=symbol, mass=20.0, charge=0) for symbol in ("Ar", "Ne")]
OF_ONE, OF_TWO, OF_BOTH = 0, 2, 1  # pairs of two elements in their order
FINE_MIDDLES = 0.5 * (EDGES[1:] + EDGES[:-1])  # Å


@jax.jit
def observed_of(system, positions):
    def one(x):
        return pair_distributions({}, system, Point(x, jnp.zeros_like(x), system.cell), None)

    return jax.lax.map(one, positions)


def distributions(positions, cell, species) -> np.ndarray:
    """g(r) of all pairs of two elements in the bins of the quantity, of configurations [F, N, 3]: [F, 3, BINS]."""
    system = box_of(np.asarray(species), np.asarray(cell), ELEMENTS, jnp.float64)
    return np.asarray(observed_of(system, jnp.asarray(positions)))


def shells_of(g: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mean of g over wider shells [..., edges - 1]."""
    places = np.round(edges / EDGES[1]).astype(int)
    pairs = list(zip(places[:-1], places[1:], strict=True))
    return np.stack([np.sum((g * SHELLS)[..., a:b], axis=-1) / SHELLS[a:b].sum() for a, b in pairs], axis=-1)


def test_an_ideal_gas_lacks_nothing_but_the_atom_itself():
    atoms, frames, edge = 30, 60, 9.0
    positions = np.random.default_rng(5).uniform(0.0, edge, (frames, atoms, 3))
    edges = np.array([0.5, 1.5, 2.5, 3.5, 4.4])
    found = shells_of(distributions(positions, edge * np.eye(3), np.zeros(atoms, int)), edges)[
        :, OF_ONE
    ].mean(0)
    # Each pair is counted twice; numbers of pairs are Poissonian.
    pairs = frames * atoms * (atoms - 1) / 2 * 4 / 3 * np.pi * np.diff(edges**3) / edge**3
    assert np.all(np.abs(found - (1.0 - 1.0 / atoms)) < 4 / np.sqrt(pairs))
    assert np.all(4 / np.sqrt(pairs) < 0.2)


@pytest.mark.parametrize("repeats", [4, 2], ids=["minimum image", "many images"])
def test_a_cubic_lattice_has_its_coordination_numbers(repeats):
    # 2 Å apart: 6 neighbours at 2 Å, 12 at 2.83 Å, 8 at 3.46 Å, also where the cell is smaller than that.
    grid = np.stack(np.meshgrid(*[np.arange(repeats)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * 2.0
    positions = np.concatenate([grid, grid + 1.0])
    species = np.repeat([0, 1], len(grid))
    g = distributions(positions[None], 2.0 * repeats * np.eye(3), species)[0]
    # Corner to centre: 8 at 1.73 Å, 24 at 3.32 Å.
    edges = np.array([0.0, 1.5, 1.9, 3.0, 3.6])
    volumes = 4 / 3 * np.pi * np.diff(edges**3) / 8.0
    np.testing.assert_allclose(shells_of(g[OF_BOTH], edges) * volumes, [0, 8, 0, 24], atol=1e-9)
    edges = np.array([0.0, 1.9, 2.1, 2.7, 2.9, 3.4, 3.6])
    volumes = 4 / 3 * np.pi * np.diff(edges**3) / 8.0
    for pair in (OF_ONE, OF_TWO):
        np.testing.assert_allclose(shells_of(g[pair], edges) * volumes, [0, 6, 0, 12, 0, 8], atol=1e-9)


def test_the_images_of_others_within_one_and_a_half_widths_of_a_skewed_cell_are_counted():
    generator = np.random.default_rng(6)
    cell = np.array([[6.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.0, -1.0, 6.0]])
    positions = generator.uniform(0.0, 6.0, (12, 3))
    species = (np.arange(12) % 3 > 0).astype(int)
    wrapped = positions + generator.integers(-2, 3, positions.shape) @ cell
    found = distributions(np.stack([positions, wrapped]), cell, species)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
    images = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    vectors = positions[:, None, None] + images - positions[None, :, None]
    distance = np.linalg.norm(vectors, axis=-1)  # [N, N, images]
    distance[np.eye(12, dtype=bool)] = np.inf
    kinds = np.broadcast_to((species[:, None] + species)[..., None], distance.shape)
    edges = np.array([0.0, 3.0, 5.5, 8.7])  # the cell is 5.8 Å wide
    numbers = [4 * 4, 2 * 4 * 8, 8 * 8]
    for pair, number in enumerate(numbers):
        counts, _ = np.histogram(distance[kinds == pair], edges)
        expected = counts * np.linalg.det(cell) / (number * 4 / 3 * np.pi * np.diff(edges**3))
        np.testing.assert_allclose(shells_of(found[0, pair], edges), expected, rtol=1e-9)


def test_the_cell_is_that_of_the_point():
    """Twice as large in all directions, atoms with it: the same function of twice the distance."""
    positions = jnp.asarray(np.random.default_rng(7).uniform(0.0, 6.0, (12, 3)))
    system = box_of(np.zeros(12, int), 6.0 * np.eye(3), ELEMENTS[:1], jnp.float64)
    small, large = (
        pair_distributions({}, system, Point(scale * positions, positions, scale * system.cell), None)[0]
        for scale in (1.0, 2.0)
    )
    edges = np.arange(0.0, 6.1, 0.5)
    np.testing.assert_allclose(shells_of(large, 2.0 * edges), shells_of(small, edges), rtol=1e-9)


def rdf(measured=None, **settings):
    """The property of water."""
    elements = ("O", "H")
    conditions = Conditions(300.0, 140.0, 12, 1.0, ("O", "H", "H") * 4, elements=elements)
    chosen = {"pair_of_interest": RadialDistributionSettings(kind="rdf", **settings)}
    return create_observables(chosen, {"pair_of_interest": measured}, conditions)["pair_of_interest"]


@pytest.fixture(scope="module")
def water():
    """Eight molecules in a cell so large that the minimum image of ASE suffices, and their functions."""
    system, positions = water_box(8, 2.2 * TRICLINIC)
    return system, positions, observed_of(system, positions[None])


@pytest.mark.parametrize("pair", [("O", "H"), ("H", "H"), ("H", "O")], ids=lambda pair: "".join(pair))
def test_the_property_is_the_function_of_ase_in_its_bins(water, pair):
    system, positions, fine = water
    observable = rdf(pair=list(pair), longest=5.0, bin=0.25)
    found = observable.predict(observable.statistic(Observed({}, {"pair_distributions": fine})))
    atoms = Atoms("OHH" * 8, positions=positions, cell=np.asarray(system.cell), pbc=True)
    theirs, distance = get_rdf(atoms, 5.0, 20, elements=tuple({"O": 8, "H": 1}[symbol] for symbol in pair))
    np.testing.assert_allclose(observable.abscissa, distance)
    np.testing.assert_allclose(found[0], theirs, rtol=1e-9)
    assert np.max(found) > 5.0


def in_fine_bins(g, bin: float) -> jax.Array:
    """A function that is constant in each bin (Å), in those of the quantity."""
    return jnp.repeat(jnp.asarray(g), round(bin / EDGES[1]))


def test_the_loss_is_relative_to_a_liquid_without_structure_and_weighted_by_the_errors():
    measured = np.array([[0.0, 0.0, 0.5], [1.0, 2.0, 0.1], [2.0, 1.0, 0.2], [9.0, 1.0, 0.2]])
    observable = rdf(measured, pair=["O", "O"], longest=3.0, bin=0.5, range=[0.5, 2.0])
    # means over the bins of what lies between the measured points, by the volume of the shells
    fine, shells = FINE_MIDDLES[:300], SHELLS[:300].reshape(6, 50)
    expected = [
        np.sum(np.interp(fine, *measured.T[[0, column]]).reshape(6, 50) * shells, axis=1) / shells.sum(axis=1)
        for column in (1, 2)
    ]
    np.testing.assert_allclose(observable.target, expected[0])
    target, error = expected
    g = np.array([3.0, 1.6, 1.8, 1.0, 7.0, 7.0])
    inside = slice(1, 4)  # of 0.75, 1.25 and 1.75 Å
    loss = np.sum(((g - target) / error)[inside] ** 2) / np.sum(((target - 1) / error)[inside] ** 2)
    assert observable.loss(in_fine_bins(g, 0.5)) == pytest.approx(loss)
    assert observable.loss(jnp.ones(300)) == pytest.approx(1.0)
    # without errors all distances count alike
    plain = rdf(measured * [1.0, 1.0, np.nan], pair=["O", "O"], longest=3.0, bin=0.5, range=[0.5, 2.0])
    loss = np.sum((g - target)[inside] ** 2) / np.sum((target - 1)[inside] ** 2)
    assert plain.loss(in_fine_bins(g, 0.5)) == pytest.approx(loss)


def test_the_first_maximum_is_that_of_what_was_measured_wherever_bins_begin():
    def peak(middle):
        return 2.5 * np.exp(-0.5 * ((FINE_MIDDLES - middle) / 0.15) ** 2)

    def highest(observable, g):
        return observable.detail(jnp.asarray(observable.statistic(of_oxygen(g))[0]))["first maximum"][0]

    def of_oxygen(g):
        return Observed({}, {"pair_distributions": jnp.asarray(np.stack([g, g, g])[None])})

    settings = {"pair": ["O", "O"], "longest": 5.0, "bin": 0.1}
    for middle in (2.75, 2.78, 2.80):
        g = peak(middle)
        observable = rdf(np.stack([FINE_MIDDLES, g, 0.04 * g], axis=1), **settings)
        told = observable.details["first maximum"]
        # the mean of a Gaussian over a shell of 2/3 of its width lacks 1/24 of the square of that at its top
        assert told.target == pytest.approx([2.5 * (1.0 - (0.1 / 0.15) ** 2 / 24.0)], rel=1e-3)
        assert told.target_error == pytest.approx(0.04 * told.target[0])
        assert highest(observable, g) == pytest.approx(told.target[0], rel=1e-6)
    # of the distances that count, and none beyond what was measured
    near = rdf(np.stack([FINE_MIDDLES, g, g], axis=1), **settings, range=[3.0, 5.0])
    assert near.details["first maximum"].target == pytest.approx([np.interp(3.0, FINE_MIDDLES, g)], rel=0.02)
    two = g + 2.0 * peak(4.5)
    nearby = rdf(np.stack([FINE_MIDDLES, two, two], axis=1)[:400], **settings)
    assert highest(nearby, two) == pytest.approx(nearby.details["first maximum"].target[0], rel=1e-6)
    # even where nothing was measured, bonds can be left out
    unmeasured = rdf(**settings, range=[4.0, 5.0])
    assert highest(unmeasured, two) == pytest.approx(2.0 * told.target[0], rel=1e-3)
    assert np.isnan(unmeasured.details["first maximum"].target)


def test_a_teachers_function_is_compared_as_it_is():
    curve = np.stack([0.1 * (np.arange(60) + 0.5), np.linspace(0.0, 2.0, 60), np.full(60, 0.1)], axis=1)
    observable = rdf(curve, pair=["O", "O"], synthetic=True)
    np.testing.assert_array_equal(observable.target, curve[:, 1])
    assert np.isnan(observable.details["first maximum"].target)


def test_without_a_measurement_there_is_no_loss():
    observable = rdf(pair=["O", "O"])
    assert len(observable.abscissa) == 60 and np.isnan(observable.target).all()
    assert np.isnan(observable.loss(jnp.ones(600)))


def test_bins_end_with_the_quantity():
    assert len(rdf(pair=["O", "O"], longest=15.0, bin=0.4).abscissa) == 37
    assert BINS == 1500
