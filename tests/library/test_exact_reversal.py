"""Trajectories in fixed point: undone to the last bit, as true to the energy as others, with the same gradient."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    ELEMENTS,
    POTENTIAL,
    TRICLINIC,
    Box,
    SoftPairs,
    box_of,
    cast,
    field_of,
    random_model,
    water_box,
)

from dynrefine.config.data import Element
from dynrefine.config.dynamics import NeighbourSettings, State
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.dynamics.adjoint import AdjointLeg, walk_legs_back
from dynrefine.dynamics.fixed_point import UNIT, FixedPoint
from dynrefine.dynamics.force_field import ForceField, force_field
from dynrefine.dynamics.leapfrog import Leg, ObservationTimes, Simulation
from dynrefine.dynamics.mapping import Blocks
from dynrefine.dynamics.replicas import run_legs
from dynrefine.errors import CampaignError
from dynrefine.files.models import create_model
from dynrefine.files.trajectories import Trajectories, join_directions, load_trajectories, save_trajectories
from dynrefine.geometry.system import Point, thermal_velocities
from dynrefine.quantities.base import Observer, Quantity
from dynrefine.refinement.gradient import require_sound, trajectory_gradient
from dynrefine.sampling.initial_configurations import lattice_configurations

pytestmark = pytest.mark.usefixtures("fast_compilation")

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
LENNARD_JONES = LennardJonesSettings(kind="lennard_jones", sigma=3.4, epsilon=0.997736, cutoff=7.0)


@dataclass(frozen=True)
class Liquid:
    """What trajectories need."""

    field: ForceField
    parameters: Any
    system: Box
    starts: Point
    timestep: float

    def frames(self, steps: int, reversal: str = "exact", stride: int = 5) -> ObservationTimes:
        """So many steps, all kept."""
        return ObservationTimes(self.timestep, steps // stride, stride, steps // stride, reversal)

    def simulation(self, frames: ObservationTimes) -> Simulation:
        """Observed at these."""
        return Simulation(self.field, frames, SQUARED, NOTHING, self.parameters, self.system)

    def run(self, frames: ObservationTimes) -> Leg:
        """Both directions of time from all starting points."""
        return run_legs(self.simulation(frames), self.starts)

    def walk_back(self, frames: ObservationTimes, legs: Leg, seeds: Any) -> AdjointLeg:
        """Their adjoint."""
        own = self.simulation(frames.kept_part())
        ends = Point(legs.positions, legs.velocities, self.starts.cell)
        return walk_legs_back(own, ends, seeds, legs.lists)

    def adjoint(self, frames: ObservationTimes) -> AdjointLeg:
        """There and back, the derivative of the sum of what was observed until the kept state."""
        legs = self.run(frames)
        return self.walk_back(
            frames, legs, jax.tree.map(lambda a: jnp.ones_like(a[:, :, : frames.kept]), legs.series)
        )


def squared(surfaces, system, point, neighbours):
    """Squared velocities, which do not know of the periodic boundary."""
    return 1e4 * jnp.sum(point.velocities**2, axis=-1)


SQUARED, NOTHING = Observer({"squared": Quantity(squared, "Å²/fs²")}, {}), Observer({}, {})


def thermal(system, positions, kelvin):
    """Starting points with thermal velocities."""
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, kelvin))
    return system.points(positions, draw(jax.random.split(jax.random.key(1), len(positions))))


@pytest.fixture(scope="module")
def argon():
    """A lattice that melts, in single precision."""
    starts = lattice_configurations(State(temperature=94.4, density=1.374, atoms=108), ARGON, 1, seed=1)
    system = box_of(starts.species, starts.cells[0], ARGON, jnp.float32)
    model = create_model(LENNARD_JONES, ARGON, jax.random.key(0)).cast(jnp.float32)
    lists = NeighbourSettings(neighbour_skin=1.0, rebuild_interval=10)
    field = force_field([model.architecture], starts.cells, len(starts.species), lists)
    positions = jnp.asarray(starts.positions, jnp.float32)
    return Liquid(field, model.parameters, system, thermal(system, positions, 94.4), 4.0)


@pytest.fixture(scope="module")
def water():
    """Atoms of water on a tame random network, in single precision, in a cell smaller than twice the cutoff."""
    system, positions = water_box(4, TRICLINIC)
    model = random_model(POTENTIAL, system, positions, scale=0.1).cast(jnp.float32)
    field = field_of(model.architecture, system.cell, rebuild_interval=10)
    system, positions = cast((system, positions[None]), jnp.float32)
    return Liquid(field, model.parameters, system, thermal(system, positions, 300.0), 0.5)


@pytest.fixture(scope="module")
def pairs():
    """Two starting points of two molecules on a pair potential, in double precision."""
    system, positions = water_box(2, TRICLINIC)
    shifts = np.random.default_rng(3).normal(0.0, 0.05, (2, *positions.shape))
    architecture = SoftPairs()
    field = field_of(architecture, system.cell)
    starts = thermal(system, positions[None] + shifts, 300.0)
    return Liquid(field, architecture.initial_parameters(), system, starts, timestep=0.5)


@pytest.fixture(params=["argon", "water"])
def liquid(request):
    """Both in turn."""
    return request.getfixturevalue(request.param)


def assert_undone(liquid: Liquid, back: AdjointLeg) -> None:
    """The way back ends in the bits of the starting points, and of their velocities in both directions of time."""
    starts = FixedPoint.represented(liquid.starts, liquid.timestep)
    for direction, sign in enumerate((1, -1)):
        np.testing.assert_array_equal(back.positions[:, direction], starts.positions)
        np.testing.assert_array_equal(back.velocities[:, direction], sign * starts.velocities)


def drift(energies: np.ndarray) -> tuple[float, float]:
    """By how much the later half of the energies [..., frames] lies above the earlier, and its standard error."""
    blocks = np.asarray(energies, float).reshape(*energies.shape[:-1], 2, 10, -1).mean(axis=-1)
    change = np.diff(blocks.mean(axis=-1), axis=-1)
    error = np.sqrt((blocks.var(axis=-1, ddof=1) / 10).sum(axis=-1))
    return float(change.mean()), float(np.sqrt((error**2).sum()) / error.size)


def test_the_way_back_meets_the_start_to_the_last_bit(liquid):
    frames = liquid.frames(200)
    legs = liquid.run(frames)
    went = FixedPoint.distances(legs.positions, liquid.starts)
    assert np.all(went > 0.3)
    assert_undone(liquid, liquid.walk_back(frames, legs, legs.series))


def test_in_floating_point_the_start_is_missed_and_the_energy_the_same(argon):
    floating = argon.frames(200, "floating")
    legs = argon.run(floating)
    back = argon.walk_back(floating, legs, legs.series)
    assert np.all(floating.arithmetic.distances(back.positions, argon.starts) > 1e-7)
    # What leapfrog adds to the energy is the same until the trajectories part; rounding is far below it.
    exact = argon.run(argon.frames(200)).energies
    np.testing.assert_allclose(exact, legs.energies, atol=0.05 * np.ptp(legs.energies))


@pytest.mark.slow
@pytest.mark.usefixtures("full_compilation")
def test_twenty_thousand_steps_are_undone_and_keep_their_energy(argon):
    frames = argon.frames(20_000, stride=10)
    legs = argon.run(frames)
    assert_undone(argon, argon.walk_back(frames, legs, legs.series))
    found, error = drift(legs.energies)
    floating, floating_error = drift(argon.run(replace(frames, reversal="floating")).energies)
    assert abs(found) < abs(floating) + 4.0 * np.hypot(error, floating_error)


def test_lists_are_the_same_on_the_way_back_of_a_part_though_they_were_repaired(pairs):
    pairs = replace(pairs, field=pairs.field.with_capacity(8))
    frames = ObservationTimes(pairs.timestep, count=9, stride=2, kept=6, reversal="exact")
    assert frames.per_list(8) == 3  # four would divide neither, and the kept part has to end with a list
    assert replace(frames, reversal="floating").per_list(18) == 9
    legs = pairs.run(frames)
    assert legs.lists.references.shape == (2, 2, 2, 6, 3)
    assert np.all(legs.lists.capacity > 8)
    seeds = jax.tree.map(lambda a: jnp.ones_like(a[:, :, :6]), legs.series)
    assert_undone(pairs, pairs.walk_back(frames, legs, seeds))


@pytest.fixture(scope="module")
def slab():
    """Atoms in a third of a box so large that it is divided into cells, which are made for a homogeneous liquid."""
    positions = np.random.default_rng(0).uniform(size=(150, 3)) * [14.4, 14.4, 5.5]
    system = box_of(np.zeros(150, int), 14.4 * np.eye(3), ELEMENTS, jnp.float64)
    architecture = SoftPairs(cutoff=2.5)
    field = force_field([architecture], 14.4 * np.eye(3)[None], 150, NeighbourSettings(neighbour_skin=1.0))
    starts = thermal(system, positions[None], 300.0)
    return Liquid(field, architecture.initial_parameters(), system, starts, timestep=0.5)


def test_cells_that_were_too_small_are_as_large_on_the_way_back(slab):
    frames = slab.frames(10)
    legs = slab.run(frames)
    assert np.all(legs.lists.per_cell > slab.field.per_cell)
    assert_undone(slab, slab.walk_back(frames, legs, legs.series))
    forgotten = replace(legs, lists=replace(legs.lists, per_cell=0 * legs.lists.per_cell))
    with pytest.raises(
        CampaignError, match=r"overflowed on the way back, .* \d+ atoms in a cell of the search"
    ):
        slab.walk_back(frames, forgotten, legs.series)


def test_the_gradient_is_that_in_floating_point(pairs):
    exact, floating = (pairs.adjoint(pairs.frames(30, reversal)) for reversal in ("exact", "floating"))
    for part in ("gradient", "position_cotangent", "velocity_cotangent"):
        for one, other in zip(
            *(jax.tree.leaves(getattr(leg, part)) for leg in (exact, floating)), strict=True
        ):
            # Positions are rounded to 1e-9 Å at each of 30 steps, on lengths of 1 Å over which forces change.
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7 * np.abs(other).max())


def test_the_gradient_is_the_finite_difference(pairs):
    frames, step, direction = pairs.frames(30), 1e-3, {"a": 0.6, "b": 0.8}

    def loss(shift):
        trainable = {
            name: value + shift * direction[name] for name, value in pairs.parameters["trainable"].items()
        }
        moved = replace(pairs, parameters={**pairs.parameters, "trainable": trainable})
        return float(jnp.sum(moved.run(frames).series["squared"]))

    expected = (loss(step) - loss(-step)) / (2.0 * step)
    gradient = pairs.adjoint(frames).gradient
    # Rounding of the velocities, 1e-7 of them, by the step; and step² times the third derivative.
    np.testing.assert_allclose(sum(direction[k] * gradient[k].sum() for k in direction), expected, rtol=1e-4)


def test_a_single_bit_is_missed_and_told(pairs):
    frames = pairs.frames(10)
    legs = pairs.run(frames)
    seeds = {"squared": join_directions(jnp.ones_like(legs.series["squared"]))}
    given = pairs.simulation(frames), pairs.starts
    blocks = Blocks(len(pairs.starts.positions))
    rows, distance = trajectory_gradient(*given, legs.ends, seeds, blocks)
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(distance, 0.0)
    moved = legs.positions.at[0, 0, 0, 0].add(1), *legs.ends[1:]
    missed = trajectory_gradient(*given, moved, seeds, blocks)
    with pytest.raises(CampaignError, match=r"trajectory\.reversal: exact missed its starting point by .* Å"):
        require_sound(given[0], *missed, tolerance=1.0)


def test_a_file_keeps_every_bit(pairs, tmp_path):
    legs = pairs.run(pairs.frames(10))
    drift, temperatures = legs.energies[..., -1], legs.temperatures[..., 0]
    saved = Trajectories({}, *map(np.asarray, (*legs.ends[:2], drift, temperatures)), lists=legs.lists)
    save_trajectories(tmp_path / "trajectories.npz", saved)
    loaded = load_trajectories(tmp_path / "trajectories.npz").ends(slice(None), jnp.float32)
    for one, other in zip(*map(jax.tree.leaves, (loaded, legs.ends)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_integers_are_positions_modulo_the_cell(pairs):
    starts, cell = pairs.starts, np.asarray(pairs.system.cell)
    represented = FixedPoint.represented(starts, pairs.timestep)
    x, v = represented.positions, represented.velocities
    elsewhere = replace(starts, positions=starts.positions + (3 * cell[1] - cell[2])[None, None])
    far = FixedPoint.represented(elsewhere, pairs.timestep).positions
    np.testing.assert_allclose((far - x).astype(float), 0.0, atol=1)
    arithmetic = pairs.simulation(pairs.frames(10)).arithmetic(pairs.system.cell, jnp.asarray(-1))
    reference = arithmetic.reference(x[0])
    np.testing.assert_array_equal(arithmetic.reference(None, arithmetic.record(reference)), reference)
    # Half a unit of rounding in each of three cell vectors of up to 6 Å.
    images = (arithmetic.positions(x[0], reference) - starts.positions[0]) @ np.linalg.inv(cell)
    np.testing.assert_allclose(images, np.round(images), atol=0.51 * UNIT)
    np.testing.assert_allclose(-arithmetic.velocities(v[0]), starts.velocities[0], atol=1e-8)
    # An atom that leaves through one face comes in by the other.
    across = x + np.int32(1 << 30) + np.int32(1 << 30)
    there = replace(starts, positions=starts.positions + 0.5 * cell.sum(axis=0)[None, None])
    np.testing.assert_allclose(FixedPoint.distances(across[:, None], there), 0.0, atol=1e-8)
