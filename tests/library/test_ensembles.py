"""Starting points of trajectories: sampled with the masses that suit the sampling, moving with the true ones."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, Springs, made_up_ensemble

from dynrefine.config.dynamics import ReusedSettings, State, TrajectorySettings
from dynrefine.config.steps import RunTrajectories, SampleEnsemble
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model
from dynrefine.files.trajectories import Trajectories
from dynrefine.geometry.system import with_masses
from dynrefine.sampling.canonical import _require_temperature, sample_ensemble
from dynrefine.sampling.initial_configurations import Configurations
from dynrefine.sampling.outlying_energies import outlying
from dynrefine.sampling.trajectories import _require_bounds, run_trajectories
from dynrefine.steps.sample_ensemble import _warn_of_holes
from dynrefine.units import ACCELERATION, BOLTZMANN

pytestmark = pytest.mark.usefixtures("fast_compilation")

ATOMS, REPLICAS, KELVIN, STIFFNESS = 4, 400, 320.0, 2.0
# Hydrogen on these springs has ω = 0.14 per fs: steps of 20 fs are beyond its limit of stability, ω dt = 2, and far
# within that of atoms 16 times as heavy.
SAMPLING = ReusedSettings(
    timestep=20.0,
    friction=20.0,
    equilibration=2.0,
    decorrelation=0.4,
    samples_per_replica=4,
    neighbour_skin=4.0,
    neighbour_capacity=8,
    rebuild_interval=5,
)
STATE = State(temperature=KELVIN, density=1.0)


def settings_of(sampling):
    """Of the step that samples."""
    return SampleEnsemble.model_construct(elements=ELEMENTS, state=STATE, ensemble=sampling)


def sample(masses):
    """Hydrogen atoms, sampled with these masses."""
    centres = np.random.default_rng(0).uniform(0.0, 12.0, (ATOMS, 3))
    parameters = {"trainable": {"stiffness": jnp.array(STIFFNESS)}, "constants": {"centres": centres}}
    starts = np.broadcast_to(centres, (REPLICAS, ATOMS, 3))
    species, cells = np.ones(ATOMS, int), np.tile(12.0 * np.eye(3), (REPLICAS, 1, 1))
    ensemble = sample_ensemble(
        Model(Springs(), parameters, {}),
        Configurations(species, cells, starts),
        settings_of(SAMPLING.model_copy(update={"masses": masses})),
        seed=3,
    )
    return ensemble, centres


def test_heavier_atoms_are_where_the_true_ones_are_and_start_with_the_velocities_of_these():
    ensemble, centres = sample({"H": 16 * 1.008})
    assert ensemble.positions.shape == (4 * REPLICAS, ATOMS, 3)
    # The centre of mass is at rest: 3 N - 3 of the 3 N coordinates move. Gaussian numbers of variance v have mean
    # squares within v sqrt(2 / count); four of these, where points of a chain are independent.
    degrees = 3 * ATOMS - 3
    allowed = 4.0 * np.sqrt(2.0 / (len(ensemble.positions) * degrees))
    squares = np.sum((ensemble.positions - centres) ** 2, axis=(1, 2)) / degrees
    assert np.mean(squares) == pytest.approx(BOLTZMANN * KELVIN / STIFFNESS, rel=allowed)
    squares = np.sum(ensemble.velocities.astype(float) ** 2, axis=(1, 2)) / degrees
    assert np.mean(squares) == pytest.approx(BOLTZMANN * KELVIN * ACCELERATION / 1.008, rel=allowed)


def test_true_masses_do_not_stand_so_long_a_step():
    with pytest.raises(CampaignError):
        sample({})


FREE = SAMPLING.model_copy(
    update={
        "timestep": 2.0,
        "equilibration": 0.0,
        "decorrelation": 0.1,
        "samples_per_replica": 2,
        "neighbour_capacity": 32,
    }
)
CHAINS, MANY = 3, 30


def sample_free(velocities, **changed):
    """Free oxygen and hydrogen atoms from one place, with these velocities."""
    centres = np.random.default_rng(1).uniform(0.0, 12.0, (MANY, 3))
    parameters = {"trainable": {"stiffness": jnp.array(0.0)}, "constants": {"centres": centres}}
    positions = np.broadcast_to(centres, (CHAINS, MANY, 3))
    return sample_ensemble(
        Model(Springs(), parameters, {}),
        Configurations(np.arange(MANY) % 2, np.tile(12.0 * np.eye(3), (CHAINS, 1, 1)), positions, velocities),
        settings_of(FREE.model_copy(update=changed)),
        seed=3,
    )


def velocities_of(factor=1.0):
    """Of each chain, with the centre of mass at rest and a factor times the temperature exactly."""
    masses = np.array([15.999, 1.008])[np.arange(MANY) % 2, None]
    velocities = np.random.default_rng(2).normal(size=(CHAINS, MANY, 3)) / np.sqrt(masses)
    velocities -= np.sum(masses * velocities, axis=1, keepdims=True) / np.sum(masses)
    kinetic = 0.5 * np.sum(masses * velocities**2, axis=(1, 2), keepdims=True) / ACCELERATION
    return velocities * np.sqrt(factor * 0.5 * (3 * MANY - 3) * BOLTZMANN * KELVIN / kinetic)


def test_starting_points_between_records_are_an_error():
    """Records are 20 fs apart: there are no four of them in four times 5 fs."""
    message = r"4 starting points .* of 1 records, one every 20 fs.*raise ensemble\.decorrelation"
    with pytest.raises(CampaignError, match=message):
        sample_free(velocities_of(), decorrelation=0.005, samples_per_replica=4)


@pytest.fixture(scope="module")
def sampled():
    """Chains that go on at the temperature."""
    return sample_free(velocities_of())


def test_starting_points_are_a_decorrelation_time_apart(sampled):
    """Records are 20 fs apart: 0.1 ps are five of them, whose last are the starting points, the latest first."""
    assert sampled.recorded_positions.shape == (10, CHAINS, MANY, 3)
    expected = sampled.recorded_positions[[9, 4]].reshape(2 * CHAINS, MANY, 3)
    np.testing.assert_array_equal(sampled.positions, expected)
    np.testing.assert_array_equal(sampled.chain_positions, sampled.recorded_positions[-1])
    assert sampled.energies.shape == sampled.temperatures.shape == (10, CHAINS)


def test_friction_and_times_are_counted_in_picoseconds(sampled):
    """A difference of the velocities of free atoms decays by exp(-γt), whatever the noise.

    Chains that go on do so at once, whatever the time to equilibrate.
    """
    difference = 0.1 * velocities_of()[::-1]
    other = sample_free(velocities_of() + difference, equilibration=0.08)
    # 20 per ps over 2 · 0.1 ps.
    expected = np.exp(-20.0 * 0.2) * difference
    np.testing.assert_allclose(
        other.chain_velocities - sampled.chain_velocities, expected, rtol=1e-9, atol=1e-15
    )


def test_chains_that_begin_equilibrate_first():
    plain, after = sample_free(None), sample_free(None, equilibration=0.08)  # four records
    np.testing.assert_allclose(after.recorded_positions[:6], plain.recorded_positions[4:], atol=1e-12)


@pytest.mark.parametrize(
    ("kelvin", "far"),
    [(479.0, False), (481.0, True), (161.0, False), (159.0, True), (1e4, True), (0.0, True)],
)
def test_the_temperature_of_a_replica_may_be_half_off(kelvin, far):
    """One of three, on average over its records."""
    temperatures = np.full((3, 4), KELVIN)
    temperatures[1] = kelvin + np.array([-100.0, 100.0, 30.0, -30.0])
    if not far:
        _require_temperature(temperatures, KELVIN)
        return
    with pytest.raises(
        CampaignError, match=f"ran at {kelvin:.0f} K, expected the 320 K of the thermostat.*timestep"
    ):
        _require_temperature(temperatures, KELVIN)


def test_a_replica_far_from_the_temperature_of_the_thermostat_is_an_error():
    """One of three, without friction to speak of, that keeps the temperature it has."""
    velocities = velocities_of()
    velocities[1] = velocities_of(1.6)[1]
    with pytest.raises(CampaignError, match="ran at 512 K, expected the 320 K of the thermostat"):
        sample_free(velocities, friction=1e-9)


STIFF, LARGE = 3.0, {"energy_drift": 1e3, "temperature_bounds": [0.01, 100.0]}


def run(sampled, bounds, lists=FREE):
    """Trajectories of the same atoms on springs, from one place and with one temperature each."""
    centres = np.random.default_rng(1).uniform(0.0, 12.0, (MANY, 3))
    parameters = {"trainable": {"stiffness": jnp.array(STIFF)}, "constants": {"centres": centres}}
    starts = replace(
        sampled,
        cells=sampled.cells[:CHAINS],
        positions=np.stack([centres + 0.1] * CHAINS),
        velocities=np.asarray(velocities_of()),
    )
    settings = RunTrajectories.model_construct(
        elements=ELEMENTS,
        state=STATE,
        ensemble=lists,
        trajectory=TrajectorySettings(timestep=2.0, length=40.0, sampling_interval=4.0, **bounds),
        along=["velocities"],
        at_start=[],
    )
    return run_trajectories(Model(Springs(), parameters, {}), {}, starts, settings, None)


def test_drift_and_temperature_of_trajectories_are_those_of_a_leapfrog_in_plain_numpy(sampled):
    masses = np.array([15.999, 1.008])[np.arange(MANY) % 2, None]
    drifts, temperatures = np.zeros((CHAINS, 2)), np.zeros((CHAINS, 2))
    for chain, direction in np.ndindex(CHAINS, 2):
        away, v, dt = 0.1 * np.ones((MANY, 3)), velocities_of()[chain], (2.0, -2.0)[direction]
        kinetic, total = [], []
        for _ in range(19):  # ten frames, two steps apart
            kinetic.append(0.5 * np.sum(masses * v**2) / ACCELERATION)
            total.append(kinetic[-1] + 0.5 * STIFF * np.sum(away**2))
            middle = v - 0.5 * dt * ACCELERATION * STIFF * away / masses
            away = away + dt * middle
            v = middle - 0.5 * dt * ACCELERATION * STIFF * away / masses
        drifts[chain, direction] = 1e3 * (total[-1] - total[0]) / MANY
        temperatures[chain, direction] = np.mean(kinetic[::2]) / (0.5 * (3 * MANY - 3) * BOLTZMANN)
    found = run(sampled, LARGE)
    assert np.abs(drifts).max() > 0.01
    np.testing.assert_allclose(found.energy_drift, drifts, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.temperatures, temperatures, rtol=1e-9)


def test_lists_last_from_one_observation_to_the_next_whatever_the_skin(sampled):
    thin = FREE.model_copy(update={"neighbour_skin": 0.1})
    fastest = np.linalg.norm(velocities_of(), axis=-1).max()
    assert 4.0 * fastest > 0.5 * thin.neighbour_skin  # between two observations, 4 fs apart
    np.testing.assert_array_equal(run(sampled, LARGE, thin).temperatures, run(sampled, LARGE).temperatures)


def test_trajectories_out_of_bounds_are_an_error(sampled):
    with pytest.raises(CampaignError, match=r"drifted by 0\.0\d+ meV/atom, expected at most 1e-05"):
        run(sampled, LARGE | {"energy_drift": 1e-5})


@pytest.mark.parametrize(
    ("drift", "kelvin", "sentence"),
    [
        (-4.99, 639.0, None),
        (4.99, 129.0, None),
        (-5.01, 320.0, r"drifted by 5\.01 meV/atom, expected at most 5 .*timestep \(now 2\.0 fs\)"),
        (5.01, 320.0, r"drifted by 5\.01 meV/atom"),
        (0.0, 641.0, "ran at 641 K, expected 128 to 640 K .trajectory.temperature_bounds.*force_change"),
        (0.0, 127.0, "ran at 127 K, expected 128 to 640 K"),
    ],
)
def test_the_bounds_of_trajectories(drift, kelvin, sentence):
    """Of one direction of one of three starting points."""
    drifts, temperatures = np.full((3, 2), 1.0), np.full((3, 2), KELVIN)
    drifts[2, 1], temperatures[1, 0] = drift, kelvin
    found = Trajectories({}, np.zeros(0), np.zeros(0), drifts, temperatures)
    settings = TrajectorySettings(timestep=2.0, energy_drift=5.0, temperature_bounds=[0.4, 2.0])
    if sentence is None:
        _require_bounds(found, settings, KELVIN)
        return
    with pytest.raises(CampaignError, match=sentence):
        _require_bounds(found, settings, KELVIN)


def test_masses_of_other_elements_stay():
    assert with_masses(ELEMENTS, {"H": 3.0}) == [ELEMENTS[0], ELEMENTS[1].model_copy(update={"mass": 3.0})]


def test_energies_unlike_all_others_are_found():
    energies = np.random.default_rng(1).normal(-7500.0, 0.2, 48)
    energies[[3, 30]] -= [5.6, 2.8]
    np.testing.assert_allclose(np.sort(outlying(energies)), [-5.6, -2.8], atol=4 * 0.2)
    assert len(outlying(energies[:19])) == 0  # too few to say


@pytest.mark.parametrize("count", [20, 48])
def test_thermal_energies_are_not_taken_for_outlying_ones(count):
    """Of ten thousand ensembles in a few, by the scatter of the spread of twenty."""
    drawn = np.random.default_rng(2).normal(size=(10_000, count))
    assert sum(len(outlying(energies)) > 0 for energies in drawn) < 10


def test_holes_of_a_potential_are_warned_of(caplog):
    energies = np.random.default_rng(3).normal(0.0, 0.2, 40)
    positions = np.zeros((40, 2, 3))
    liquid = made_up_ensemble([0, 0], 9.0 * np.eye(3), positions, energies_by_potential=energies[None])
    _warn_of_holes(liquid)
    assert not caplog.records
    _warn_of_holes(replace(liquid, energies_by_potential=np.append(energies[:39], -6.0)[None]))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("1 of 40 starting points have a potential energy up to 6.")
