"""Neighbour lists that serve for several steps: when they no longer suffice, and what is done about it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, SoftPairs, field_of

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.dynamics.replicas import run_legs
from dynrefine.dynamics.sufficient_lists import ListFaults, list_faults, with_sufficient_lists
from dynrefine.errors import CampaignError
from dynrefine.geometry.cell_lists import CellGrid
from dynrefine.geometry.system import Point, system_of
from dynrefine.quantities.base import Observer

pytestmark = pytest.mark.usefixtures("fast_compilation")

SKIN, CUTOFF = 1.0, 3.0  # Å
CELL = 20.0 * np.eye(3)
FINE, OVERFLOWN, OUTRUN, BOTH = (
    ListFaults(jnp.array([False, overflow]), jnp.array([outrun, False]), jnp.array([[0, 0], [9, 0]]))
    for overflow, outrun in ((False, False), (True, False), (False, True), (True, True))
)


@pytest.fixture(scope="module")
def field():
    """Of a pair potential in a wide box; its lists serve for forty steps."""
    return field_of(SoftPairs(CUTOFF), CELL, skin=SKIN, capacity=8, rebuild_interval=40)


@pytest.mark.parametrize(
    ("moved", "outrun"),
    [
        ([0.0, 0.0, 0.49], False),
        ([0.0, 0.0, -0.51], True),
        ([0.28, 0.28, 0.28], False),  # 0.485 Å
        ([0.3, -0.3, 0.3], True),  # 0.52 Å
        ([0.6, 0.0, 0.0], True),
    ],
)
def test_a_list_is_outrun_when_an_atom_has_moved_by_more_than_half_the_skin(field, moved, outrun):
    built_at = jnp.asarray(np.random.default_rng(1).uniform(0.0, 20.0, (5, 3)))
    neighbours = jax.jit(field.neighbours)(built_at, jnp.asarray(CELL))
    faults = list_faults(neighbours, built_at, built_at.at[3].add(jnp.array(moved)), SKIN)
    assert bool(faults.outrun) == outrun
    assert not faults.overflow


def test_atoms_that_meet_while_a_list_serves_are_not_lost(field):
    """Two atoms beyond cutoff and skin fly at each other, each by 0.9 of the skin before a new list is due."""
    frames = ObservationTimes(timestep=0.5, count=10, stride=4, kept=10)
    speed = 0.9 * SKIN / (0.5 * 40)  # Å/fs
    positions = jnp.zeros((1, 2, 3)).at[0, 1, 0].set(CUTOFF + SKIN + 0.1)
    velocities = jnp.zeros((1, 2, 3)).at[0, :, 0].set(jnp.array([speed, -speed]))
    parameters = field.architecture.initial_parameters()

    def speeds(field):
        simulation = Simulation(
            field,
            frames,
            lambda potential, system, point, neighbours: point.velocities[:, 0],
            Observer({}, {}),
            parameters,
            system_of(np.ones(2, int), ELEMENTS, jnp.float64),
        )
        return np.asarray(
            run_legs(simulation, Point(positions, velocities, jnp.asarray(CELL)[None])).series[0, 0]
        )

    found = speeds(field)
    assert speed - found[-1, 0] > 1e-5  # for they have met
    np.testing.assert_allclose(found, speeds(replace(field, rebuild_interval=4)), rtol=1e-12)


@pytest.mark.parametrize("capacity", [1, 6, 7, 64, 100, 321])
def test_more_room_is_a_quarter_more_in_lists_and_cells(field, capacity):
    longer = replace(field, capacity=capacity, grid=CellGrid((3, 3, 3), 2 * capacity)).with_more_room()
    for before, after in ((capacity, longer.capacity), (2 * capacity, longer.grid.capacity)):
        assert 1.25 * before < after <= 1.25 * before + 8
        assert after % 8 == 0
    assert replace(longer, capacity=capacity, grid=None).with_more_room().grid is None


@pytest.mark.parametrize("divided", [False, True], ids=["all pairs", "cells"])
def test_a_droplet_gets_the_room_that_it_needs_at_once(divided):
    """Of 300 atoms in a box a thousand times as large, of whose mean density lists are made at first."""
    field = force_field(
        [SoftPairs(CUTOFF)], 60.0 * np.eye(3)[None], 300, NeighbourSettings(neighbour_skin=SKIN)
    )
    field = field if divided else replace(field, grid=None)
    placed = np.random.default_rng(2).uniform(1.0, 7.0, (300, 3))
    positions = jnp.asarray(placed)
    find = jax.jit(lambda field: field.neighbours(positions, 60.0 * jnp.eye(3)), static_argnums=0)
    attempts = []

    def run(field):
        found = find(field)
        attempts.append(field.capacity)
        return found, list_faults(found, positions, positions, SKIN)

    found = with_sufficient_lists(run, field)
    distances = np.linalg.norm(placed[:, None] - placed, axis=-1)
    np.testing.assert_array_equal(found.filled.sum(axis=1), (distances < CUTOFF + SKIN).sum(axis=1) - 1)
    # Cells that are too small hide neighbours: they are enlarged before.
    assert len(attempts) == 2 + divided and attempts[-1] > 10 * attempts[0]


def test_atoms_that_crowd_ever_more_are_told_by_their_number(field):
    run, attempts = told(field, [replace(OVERFLOWN, needed=jnp.array([100 * n, 0])) for n in range(1, 9)])
    with pytest.raises(CampaignError, match=r"800 neighbours .* room for 792 after 8 .*neighbour_capacity"):
        with_sufficient_lists(run, field)
    assert [capacity for capacity, _ in attempts[:3]] == [8, 104, 200]


def test_atoms_that_fly_about_make_no_lists_as_long_as_they_are_many(field):
    run, attempts = told(field, [replace(BOTH, needed=jnp.array([100_000, 100_000]))] * 9)
    with pytest.raises(CampaignError, match="move so fast"):
        with_sufficient_lists(run, field)
    assert attempts[-1] == (112, 40)


def told(field, faults):
    """The capacities and intervals with which dynamics is run whose faults are these, one after the other."""
    attempts = []

    def run(field):
        attempts.append((field.capacity, field.rebuild_interval))
        return f"attempt {len(attempts)}", faults[len(attempts) - 1]

    return run, attempts


def test_lists_are_made_longer_or_fresher_as_the_fault_asks_for(field):
    run, attempts = told(field, [OVERFLOWN, OUTRUN, BOTH, OUTRUN, FINE])
    assert with_sufficient_lists(run, field) == "attempt 5"
    assert attempts == [(8, 40), (16, 40), (16, 20), (24, 20), (24, 10)]


def test_intervals_are_halved_down_to_a_single_step(field):
    run, attempts = told(field, [OUTRUN] * 8)
    with pytest.raises(CampaignError, match=r"skin 1\.0 Å, 1 steps, room for 8"):
        with_sufficient_lists(run, replace(field, rebuild_interval=5))
    assert [interval for _, interval in attempts] == [5, 2, 1]


def test_repairs_are_given_up_after_eight_attempts(field):
    run, attempts = told(field, [OVERFLOWN] * 7 + [FINE])
    assert with_sufficient_lists(run, field) == "attempt 8"
    run, attempts = told(field, [OVERFLOWN] * 9)
    with pytest.raises(CampaignError, match="an atom had 9 neighbours"):
        with_sufficient_lists(run, field)
    assert len(attempts) == 8
