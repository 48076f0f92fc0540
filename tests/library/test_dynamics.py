"""Leapfrog trajectories: reversible, of second order, the same as those of ASE, whatever the neighbour lists."""

from dataclasses import replace

import ase
import ase.calculators.calculator
import ase.md.verlet
import ase.units
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    POTENTIAL,
    TRICLINIC,
    SoftPairs,
    Springs,
    all_neighbours,
    cast,
    field_of,
    random_model,
    water_box,
)

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation, propagate
from dynrefine.dynamics.replicas import run_legs
from dynrefine.dynamics.sufficient_lists import with_sufficient_lists
from dynrefine.errors import CampaignError
from dynrefine.files.trajectories import join_directions, split_directions
from dynrefine.geometry.cell import cubic_edge
from dynrefine.geometry.neighbours import expected_capacity, images_per_axis
from dynrefine.geometry.system import kinetic_energy, temperature, thermal_velocities
from dynrefine.quantities.base import Observer
from dynrefine.units import ACCELERATION, BOLTZMANN, KINETIC

pytestmark = pytest.mark.usefixtures("fast_compilation")

SHORT = ObservationTimes(timestep=0.5, count=8, stride=3, kept=8)


def phase(potential, system, point, neighbours):
    """Observe the state itself."""
    return {"positions": point.positions, "velocities": point.velocities}


NOTHING = Observer({}, {})


compiled = jax.jit(propagate)


def run(field, frames, parameters, system, positions, velocities, direction=1.0):
    """One trajectory that observes its own state."""
    simulation = Simulation(field, frames, phase, NOTHING, parameters, system)
    return compiled(simulation, system.points(positions, velocities), direction)


@pytest.fixture(scope="module")
def start():
    """Two molecules, and velocities of some 300 K."""
    system, positions = water_box(2, TRICLINIC)
    return system, positions, thermal_velocities(jax.random.key(1), system.masses, 300.0)


@pytest.fixture(scope="module")
def soft(start):
    """A smooth pair potential: its parameters and force field."""
    architecture = SoftPairs()
    return field_of(architecture, start[0].cell, skin=1.6), architecture.initial_parameters()


@pytest.fixture(scope="module")
def leg(start, soft):
    """A short trajectory on it."""
    field, parameters = soft
    found, faults = run(field, SHORT, parameters, *start)
    assert not faults.overflow
    assert not faults.outrun
    return found


@pytest.fixture(scope="module")
def legs(start, soft):
    """The same both ways in time, with lists that are too short at first."""
    system, positions, velocities = start
    field, parameters = soft
    short = Simulation(field.with_capacity(8), SHORT, phase, NOTHING, parameters, system)
    return run_legs(short, system.points(positions[None], velocities[None]))


def test_the_first_frame_is_the_start(start, soft, leg):
    system, positions, velocities = start
    field, parameters = soft
    np.testing.assert_array_equal(leg.series["positions"][0], positions)
    np.testing.assert_array_equal(leg.series["velocities"][0], velocities)
    lists = all_neighbours(positions, system.cell, field.architecture.cutoff)
    potential = field.architecture.energy(parameters, system.species, positions, system.cell, lists)
    np.testing.assert_allclose(
        leg.energies[0], potential + kinetic_energy(system.masses, velocities), rtol=1e-12
    )
    np.testing.assert_allclose(leg.temperatures[0], temperature(system.masses, velocities))


def test_turned_velocities_lead_back_to_the_start(start, soft, leg):
    system, positions, velocities = start
    field, parameters = soft
    last = leg.series["positions"][-1], -leg.series["velocities"][-1]
    # Some 10 Å and steps of 1e-2 Å in double precision: 1e-15 at each of 21 steps, hardly amplified.
    assert jnp.max(jnp.abs(last[0] - positions)) > 0.01
    back, _ = run(field, SHORT, parameters, system, *last)
    np.testing.assert_allclose(back.series["positions"][::-1], leg.series["positions"], atol=1e-12)
    np.testing.assert_allclose(-back.series["velocities"][::-1], leg.series["velocities"], atol=1e-12)


def test_backwards_in_time_is_forwards_with_turned_velocities(start, soft):
    system, positions, velocities = start
    field, parameters = soft
    backwards, _ = run(field, SHORT, parameters, system, positions, velocities, -1.0)
    turned, _ = run(field, SHORT, parameters, system, positions, -velocities)
    np.testing.assert_allclose(backwards.series["positions"], turned.series["positions"], atol=1e-14)
    np.testing.assert_allclose(backwards.series["velocities"], -turned.series["velocities"], atol=1e-14)


def test_the_energy_fluctuates_with_the_square_of_the_time_step(start, soft):
    field, parameters = soft

    def fluctuation(stride):
        frames = ObservationTimes(timestep=1.0 / stride, count=60, stride=stride, kept=60)
        return np.ptp(run(field, frames, parameters, *start)[0].energies)

    coarse, fine = fluctuation(1), fluctuation(2)
    assert fine > 1e-9  # far above rounding
    assert coarse / fine == pytest.approx(4.0, rel=0.05)  # the next order is (ω dt)² ~ 1e-2 smaller


def test_momentum_is_conserved(start, soft, leg):
    masses = start[0].masses
    momentum = jnp.einsum("n,fnx->fx", masses, leg.series["velocities"])
    np.testing.assert_allclose(momentum, 0.0, atol=1e-13)


def test_the_network_potential_follows_the_trajectory_of_ase(start):
    system, positions, velocities = start
    model = random_model(POTENTIAL, system, positions)
    field = field_of(model.architecture, system.cell)
    lists = jax.jit(field.neighbours)
    forces = jax.jit(field.energy_and_forces)

    class Potential(ase.calculators.calculator.Calculator):
        implemented_properties = ("energy", "forces")

        def calculate(self, atoms=None, properties=(), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            x = jnp.asarray(atoms.positions)
            energy, force = forces(model.parameters, system.species, x, system.cell, lists(x, system.cell))
            self.results = {"energy": float(energy), "forces": np.asarray(force)}

    units = ase.units.create_units("2018")
    atoms = ase.Atoms("OHHOHH", positions=positions, cell=system.cell, pbc=True, masses=system.masses)
    atoms.calc = Potential()
    atoms.set_velocities(np.asarray(velocities) / units.fs)
    frames = ObservationTimes(timestep=0.5, count=6, stride=2, kept=6)
    dynamics = ase.md.verlet.VelocityVerlet(atoms, timestep=frames.timestep * units.fs)
    ours, _ = run(field, frames, model.parameters, *start)
    for x, v, energy in zip(ours.series["positions"], ours.series["velocities"], ours.energies, strict=True):
        # The units agree to 1e-9 and displacements are below 1 Å.
        np.testing.assert_allclose(x, atoms.positions, atol=1e-8)
        np.testing.assert_allclose(v, atoms.get_velocities() * units.fs, atol=1e-9)
        np.testing.assert_allclose(energy, atoms.get_total_energy(), atol=1e-8)
        dynamics.run(frames.stride)


def test_a_spring_swings_with_its_frequency(start):
    # One vibration of x0 + A cos(ωt), ω = sqrt(k/m): leapfrog is exact at the frequency (2/dt) asin(ω dt/2).
    system, positions, _ = start
    stiffness, mass = 30.0, 1.008
    parameters = {"trainable": {"stiffness": jnp.array(stiffness)}, "constants": {"centres": positions}}
    displaced = positions.at[1, 0].add(0.1)
    frames = ObservationTimes(timestep=0.5, count=50, stride=1, kept=50)
    found, _ = run(field_of(Springs(), system.cell), frames, parameters, system, displaced, 0.0 * positions)
    frequency = np.arcsin(0.25 * np.sqrt(stiffness / (mass * KINETIC))) / 0.25
    expected = 0.1 * np.cos(frequency * 0.5 * np.arange(50))
    np.testing.assert_allclose(found.series["positions"][:, 1, 0] - positions[1, 0], expected, atol=1e-12)


def test_it_does_not_matter_when_lists_are_rebuilt(start, soft, leg):
    field, parameters = soft
    other, faults = run(replace(field, rebuild_interval=24), SHORT, parameters, *start)
    assert not faults.outrun
    # The order of summation changes with the lists.
    np.testing.assert_allclose(other.series["positions"], leg.series["positions"], atol=1e-12)


def test_the_state_is_kept_after_the_frames_to_keep(start, soft, leg):
    system = start[0]
    field, parameters = soft
    kept, _ = run(field, replace(SHORT, kept=3), parameters, *start)
    np.testing.assert_allclose(kept.series["positions"], leg.series["positions"], atol=1e-12)
    # From frame 3 on no node was walked: its position is one drift behind the last node of frame 2.
    np.testing.assert_allclose(kept.positions, leg.series["positions"][3], atol=1e-12)
    # Half a kick takes the velocity of that drift to the one observed there.
    lists = all_neighbours(kept.positions, system.cell, field.architecture.cutoff)
    _, force = jax.jit(field.energy_and_forces)(
        parameters, system.species, kept.positions, system.cell, lists
    )
    kick = 0.5 * SHORT.timestep * ACCELERATION * force / system.masses[:, None]
    np.testing.assert_allclose(kept.velocities + kick, leg.series["velocities"][3], atol=1e-13)


def test_single_precision_stays_single_and_close(start, soft, leg):
    field, parameters = soft
    single, _ = run(field, SHORT, cast(parameters, jnp.float32), *cast(start, jnp.float32))
    assert {leaf.dtype for leaf in jax.tree.leaves(single)} == {np.dtype("float32")}
    # Rounding of positions up to 6 Å, 4e-7 Å, at 24 steps.
    np.testing.assert_allclose(single.series["positions"], leg.series["positions"], atol=1e-5)


def test_frames_of_a_length():
    frames = ObservationTimes.spanning(length=200.0, interval=2.0, timestep=0.5, kept=50.0)
    assert frames == ObservationTimes(timestep=0.5, count=100, stride=4, kept=25)
    assert frames.kept_part().count == 25
    assert ObservationTimes.spanning(200.0, 2.0, 0.5).kept == 100


def test_a_list_serves_whole_frames_and_no_longer_than_its_interval():
    frames = ObservationTimes(timestep=0.5, count=12, stride=4, kept=12)
    assert frames.per_list(3) == 1  # never less than a frame
    assert frames.per_list(8) == 2
    assert frames.per_list(20) == 4  # five do not divide twelve
    assert frames.per_list(1000) == 12


def test_both_directions_of_time_join_at_the_start(start, soft, leg, legs):
    system = start[0]
    field, parameters = soft
    joined = join_directions(legs.series["positions"])[0]
    assert len(joined) == 2 * SHORT.count - 1
    np.testing.assert_allclose(joined[SHORT.count - 1 :], leg.series["positions"], atol=1e-12)
    # The whole is one trajectory: begun at its first frame, it comes to the last.
    first = joined[0], join_directions(legs.series["velocities"])[0, 0]
    whole, _ = run(field, replace(SHORT, count=len(joined)), parameters, system, *first)
    np.testing.assert_allclose(whole.series["positions"], joined, atol=1e-11)


def test_splitting_is_the_transpose_of_joining():
    legs, joined = (
        jax.random.normal(jax.random.key(2), (2, 2, 5, 3)),
        jax.random.normal(jax.random.key(3), (2, 9, 3)),
    )
    pulled = jax.jit(lambda legs, joined: jax.vjp(join_directions, legs)[1](joined)[0])
    np.testing.assert_array_equal(jax.jit(split_directions)(joined), pulled(legs, joined))


def test_lists_that_overflow_are_made_longer(start, soft, leg, legs):
    system, positions, _ = start
    assert soft[0].with_capacity(8).neighbours(positions, system.cell).overflow
    np.testing.assert_allclose(legs.series["positions"][0, 0], leg.series["positions"], atol=1e-12)


def test_lists_that_are_outrun_are_renewed_sooner(start, soft, leg):
    system = start[0]
    field, parameters = soft
    # Atoms move by 0.40 Å or more in 24 steps, and by 0.28 Å in 12.
    tight = replace(field_of(field.architecture, system.cell, skin=0.7), rebuild_interval=24)
    _, faults = run(tight, SHORT, parameters, *start)
    assert faults.outrun
    intervals = []

    def attempt(field):
        intervals.append(field.rebuild_interval)
        return run(field, SHORT, parameters, *start)

    repaired = with_sufficient_lists(attempt, tight)
    assert intervals == [24, 12]
    np.testing.assert_allclose(repaired.series["positions"], leg.series["positions"], atol=1e-12)


def test_atoms_that_no_list_can_follow_are_an_error(start, soft):
    system, positions, velocities = start
    field, parameters = soft
    hopeless = replace(field, skin=1e-6, rebuild_interval=1)
    with pytest.raises(
        CampaignError, match=r"neighbour lists cannot follow \(skin 1e-06 Å, 1 steps.*time step"
    ):
        run_legs(
            Simulation(hopeless, SHORT, phase, NOTHING, parameters, system),
            system.points(positions[None], velocities[None]),
        )


def test_an_energy_that_is_not_finite_is_an_error(start, soft):
    system, positions, velocities = start
    field, parameters = soft
    broken = {**parameters, "trainable": {**parameters["trainable"], "a": jnp.array(jnp.nan)}}
    still = jnp.stack([positions, positions]), jnp.stack([velocities, velocities])
    with pytest.raises(CampaignError, match="replica 0 blew up.*time step .now 0.5 fs"):
        run_legs(Simulation(field, SHORT, phase, NOTHING, broken, system), system.points(*still))


def test_the_force_field_is_sized_for_its_cell():
    field = force_field(
        [SoftPairs()], TRICLINIC[None], 6, NeighbourSettings(neighbour_skin=0.5, rebuild_interval=7)
    )
    volume = abs(np.linalg.det(TRICLINIC))
    assert (field.skin, field.rebuild_interval) == (0.5, 7)
    assert field.capacity == expected_capacity(6, volume, 3.5)
    assert field.images == images_per_axis(TRICLINIC, 3.5)
    assert field.with_capacity(40).capacity == 40


def test_thermal_velocities_have_their_temperature_and_no_drift(start):
    masses = start[0].masses
    keys = jax.random.split(jax.random.key(4), 400)
    velocities = jax.vmap(lambda key: thermal_velocities(key, masses, 350.0))(keys)
    momenta = jnp.einsum("n,snx->sx", masses, velocities)
    np.testing.assert_allclose(momenta, 0.0, atol=1e-13)
    # The temperature of n degrees of freedom has a relative standard deviation of sqrt(2/n).
    error = 350.0 * np.sqrt(2 / (3 * len(masses) - 3) / len(keys))
    assert np.mean(temperature(masses, velocities)) == pytest.approx(350.0, abs=4 * error)
    # Equipartition, less the share of the centre of mass m / M.
    expected = BOLTZMANN * 350.0 / (KINETIC * masses) * (1 - masses / masses.sum())
    found = jnp.mean(velocities**2, axis=(0, 2))
    np.testing.assert_allclose(found, expected, rtol=4 * np.sqrt(2 / 1200))


def test_the_edge_of_a_cell_follows_from_its_density():
    # 1 g/cm³ is 0.602214 u/Å³ (Avogadro).
    assert cubic_edge(18.0, 18.0 / 27.0 / 0.602214076) == pytest.approx(3.0)
