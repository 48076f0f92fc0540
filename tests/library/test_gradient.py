"""The whole gradient estimator, trajectory and ensemble part, against differences of the loss it belongs to."""

from dataclasses import dataclass, fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import DIPOLE, TRICLINIC, SoftPairs, field_of, random_model, water_box

from dynrefine.config.properties.base import Band
from dynrefine.config.properties.spectra import InfraredSettings
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.dynamics.mapping import Blocks
from dynrefine.dynamics.replicas import run_legs
from dynrefine.errors import CampaignError
from dynrefine.files.arrays import write_passed_through
from dynrefine.files.gradients import load_gradient, save_gradient
from dynrefine.files.trajectories import Observed, join_directions
from dynrefine.geometry.system import thermal_velocities
from dynrefine.properties.base import Conditions
from dynrefine.properties.correlation import autocorrelation
from dynrefine.properties.infrared import Infrared
from dynrefine.quantities.base import Observer, Quantity
from dynrefine.refinement.gradient import Weighing, chunk_gradient, energy_gradients, observed_seeds
from dynrefine.refinement.gradient_check import (
    CheckedLosses,
    compare_with_backpropagation,
    compare_with_finite_differences,
)
from dynrefine.sampling.reweighting import boltzmann_weights, ensemble_coefficients

pytestmark = pytest.mark.usefixtures("fast_compilation")

KELVIN = 300.0
FRAMES = ObservationTimes(timestep=0.5, count=6, stride=2, kept=6)
STARTS = 4


@dataclass(frozen=True)
class VelocityCorrelation:
    """Squared distance of the velocity autocorrelation from a quarter of its typical size, in units of that."""

    along = ("velocities",)
    at_start = ()
    typical = 1e-3  # Å²/fs²

    def statistic(self, observed):
        """c(k), k = 0 ... 5, summed over the atoms."""
        velocities = observed.along["velocities"]
        return autocorrelation(velocities.reshape(*velocities.shape[:-2], -1), 5)

    def loss(self, mean):
        """Not linear in the mean, as no loss is."""
        return jnp.sum((mean / self.typical - 0.25) ** 2)


def virial(surfaces, system, point, neighbours):
    """A quantity of the potential along trajectories: Σ x · ∂U/∂x, eV."""
    architecture, parameters = surfaces["potential"]
    slope = jax.grad(architecture.energy, argnums=2)(
        parameters, system.species, point.positions, point.cell, neighbours
    )
    return jnp.sum(point.positions * slope)


@dataclass(frozen=True)
class VirialCorrelation:
    """Squared distance of the virial's autocorrelation from a tenth of its size."""

    along = ("virial",)
    at_start = ()

    def statistic(self, observed):
        """c(k), k = 0 ... 5."""
        return autocorrelation(observed.along["virial"][..., None], 5)

    def loss(self, mean):
        """Not linear in the mean."""
        return jnp.sum((mean - 0.1) ** 2)


def starting_points():
    """Displaced copies of two molecules, with thermal velocities."""
    system, positions = water_box(2, TRICLINIC)
    shifts = np.random.default_rng(3).normal(0.0, 0.05, (STARTS, *positions.shape))
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, KELVIN))
    velocities = draw(jax.random.split(jax.random.key(4), STARTS))
    return system, system.points(positions[None] + shifts, velocities)


@pytest.fixture(scope="module")
def pairs():
    """The loss of a velocity correlation on a pair potential of two parameters."""
    system, starts = starting_points()
    architecture = SoftPairs()
    return CheckedLosses(
        Simulation(
            field_of(architecture, system.cell),
            FRAMES,
            Observer.of(["velocities"], {}),
            Observer({}, {}),
            architecture.initial_parameters(),
            system,
        ),
        {"checked": VelocityCorrelation()},
        KELVIN,
        starts,
    )


@pytest.fixture(scope="module")
def virials(pairs):
    """The loss of a correlation of a quantity that depends on the potential itself."""
    simulation = replace(pairs.simulation, along=Observer({"virial": Quantity(virial, "eV")}, {}))
    return replace(pairs, simulation=simulation, observables={"checked": VirialCorrelation()})


@pytest.fixture(scope="module")
def infrared():
    """The loss of the infrared spectrum by a network's dipoles on a pair potential."""
    system, starts = starting_points()
    architecture = SoftPairs()
    dipole = random_model(DIPOLE, system, starts.positions[0])
    interval = FRAMES.timestep * FRAMES.stride
    bands = [Band(range=[200.0, 3600.0])]
    settings = InfraredSettings(target="unused", bands=bands, resolution=400.0, window=8.0)
    wavenumbers = np.arange(10.0, 4000.0, 10.0)
    measured = np.stack([wavenumbers, 800.0 * np.exp(-(((wavenumbers - 1800.0) / 900.0) ** 2))], axis=1)
    volume = float(system.volume)
    return CheckedLosses(
        Simulation(
            field_of(architecture, system.cell),
            FRAMES,
            Observer.of(["dipole_derivative"], {"dipole": dipole}),
            Observer({}, {}),
            architecture.initial_parameters(),
            system,
        ),
        {"checked": Infrared.from_settings(settings, measured, Conditions(KELVIN, volume, 6, interval))},
        KELVIN,
        starts,
    )


@dataclass(frozen=True)
class Chunks:
    """What the gradient jobs of a campaign are given."""

    ends: tuple
    seeds: Observed
    weighing: Weighing
    statistics: jax.Array


@pytest.fixture(scope="module")
def given(pairs):
    """Ends, seeds and coefficients of all starting points."""
    legs = run_legs(pairs.simulation, pairs.starts)
    observed = Observed({name: join_directions(values) for name, values in legs.series.items()}, {})
    statistics = pairs.observables["checked"].statistic(observed)
    weights = jnp.full(STARTS, 1.0 / STARTS)
    cotangent = jax.grad(pairs.observables["checked"].loss)(weights @ statistics)
    seeds = observed_seeds(pairs.observables, {"checked": cotangent}, weights, observed)
    coefficients = ensemble_coefficients(weights, statistics @ cotangent, KELVIN)
    return Chunks(
        (legs.positions, legs.velocities), seeds, Weighing(weights, coefficients, STARTS), statistics
    )


def gradient_of(loss, given, part=slice(None), **changed):
    """The gradient of some starting points."""
    own = given if not changed else replace(given, **changed)
    return chunk_gradient(
        loss.simulation,
        jax.tree.map(lambda each: each[part], loss.starts),
        tuple(end[part] for end in own.ends),
        jax.tree.map(lambda seed: seed[part], own.seeds),
        Weighing(own.weighing.weights[part], own.weighing.coefficients[part], STARTS),
        tolerance=1e-9,
    )


@pytest.fixture(scope="module")
def whole(pairs, given):
    """The gradient of all starting points as one chunk."""
    return gradient_of(pairs, given)


def central_difference(function, vector, step=1e-4):
    """The gradient of a function of few parameters."""
    return np.array(
        [(function(vector + d) - function(vector - d)) / (2 * step) for d in step * np.eye(len(vector))]
    )


@pytest.mark.slow
def test_the_infrared_gradient_is_the_finite_difference(infrared):
    adjoint, reversal = infrared.adjoint(tolerance=1e-9)
    assert 0.0 < reversal < 1e-11
    rows = compare_with_finite_differences(infrared, adjoint, displacement=1e-4, count=2, seed=0)
    assert [row["parameter"] for row in rows][-1] == "random direction"
    assert len(rows) == 3
    for row in rows:
        # The error is displacement² times the third derivative, about that of the first.
        assert row["relative_error"] < 1e-5, row


def test_backpropagation_agrees_and_the_table_says_so(pairs):
    rows, adjoint = compare_with_backpropagation(pairs, tolerance=1e-9, precision="float64")
    comparison, reversal = rows
    assert comparison["parameter"] == "all (2)"
    assert comparison["relative_error"] < 1e-10
    assert comparison["cosine"] == pytest.approx(1.0, abs=1e-12)
    assert comparison["adjoint"] == pytest.approx(np.linalg.norm(adjoint))
    assert reversal["relative_error"] < 1e-11


def test_the_references_of_the_check_mend_short_lists(pairs):
    short = replace(
        pairs, simulation=replace(pairs.simulation, field=pairs.simulation.field.with_capacity(4))
    )
    rows, adjoint = compare_with_backpropagation(short, tolerance=1e-9, precision="float64")
    assert rows[0]["relative_error"] < 1e-10
    for row in compare_with_finite_differences(short, adjoint, displacement=1e-4, count=2, seed=0):
        # The error is displacement² times the third derivative, some ten times the first.
        assert row["relative_error"] < 1e-6, row


def test_a_quantity_that_depends_on_the_potential_has_an_explicit_part(virials):
    rows, adjoint = compare_with_backpropagation(virials, tolerance=1e-9, precision="float64")
    assert rows[0]["relative_error"] < 1e-10
    rows = compare_with_finite_differences(virials, adjoint, displacement=1e-4, count=2, seed=0)
    for row in rows:
        # The error is displacement² times the third derivative, some ten times the first.
        assert row["relative_error"] < 1e-6, row


def test_the_check_notices_where_the_explicit_part_is_missing(virials):
    """Its central differences displace the parameters of what is observed too.

    They are those of the loss with the explicit part, which is as large without: no derivative enters them.
    """
    observe = virials.simulation.along

    def blind(potential, *point):
        return observe(potential._replace(parameters=jax.lax.stop_gradient(potential.parameters)), *point)

    without = replace(virials, simulation=replace(virials.simulation, along=blind))
    adjoint, _ = without.adjoint(tolerance=1e-9)
    rows = compare_with_finite_differences(virials, adjoint, displacement=1e-4, count=2, seed=0)
    assert min(row["relative_error"] for row in rows) > 0.1


def test_both_parts_together_are_the_derivative_of_the_reweighted_loss(pairs, whole):
    expected = central_difference(jax.jit(lambda vector: pairs(vector)[0]), pairs.vector)
    total = whole.trajectory.sum(axis=0) + whole.ensemble.sum(axis=0)
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_the_ensemble_part_is_the_derivative_through_the_weights_alone(pairs, given, whole):
    @jax.jit
    def reweighted(vector):
        return pairs.observables["checked"].loss(pairs.weights(vector) @ given.statistics)

    expected = central_difference(reweighted, pairs.vector)
    assert np.all(np.abs(expected) > 1e-3)  # or there would be nothing to see
    np.testing.assert_allclose(whole.ensemble.sum(axis=0), expected, rtol=1e-6)


def test_chunks_add_up_to_the_whole(pairs, given, whole):
    """The rows of a chunk are those that its starting points have in the whole."""
    part = slice(1, STARTS - 1)
    chunk = gradient_of(pairs, given, part)
    slopes = whole.ensemble / whole.coefficients
    expected = {"mean_energy_gradient": whole.ensemble_weights[None, part] @ slopes[part]}
    expected |= dict.fromkeys(("trajectory_chains", "ensemble_chains"), np.arange(STARTS - 2))
    for field in fields(whole):
        own = expected.get(field.name, getattr(whole, field.name)[part])
        np.testing.assert_allclose(getattr(chunk, field.name), own, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("together", [1, 3, 4], ids=["one by one", "in two batches", "all at once"])
def test_rows_of_blocks_are_sums_of_those_of_starting_points(pairs, given, whole, together, monkeypatch):
    """As when the parameters are many; the starting points do not fill up the last block, nor the last batch."""
    blocks = Blocks(STARTS, length=3, at_once=together)
    monkeypatch.setattr(Blocks, "fitting", lambda points, parameters, chains: blocks)
    if together > 1:
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = gradient_of(pairs, given)
    for name in ("trajectory", "ensemble", "trajectory_weights", "ensemble_weights", "coefficients"):
        rows = getattr(whole, name)
        expected = [rows[:3].sum(axis=0), rows[3:].sum(axis=0)]
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-9)
    np.testing.assert_allclose(found.mean_energy_gradient, whole.mean_energy_gradient, rtol=1e-9)
    np.testing.assert_allclose(found.reversal_error, whole.reversal_error, atol=1e-12)


def energy_gradient_at(field, pairs, points):
    """∂U/∂θ at each of some points."""
    own, ones = pairs.simulation, jnp.ones(len(points.positions))
    return energy_gradients(
        field, own.parameters, own.system.species, points, Weighing(ones, ones, len(ones))
    )[0]


def test_energy_gradients_are_those_of_the_energy_and_mend_short_lists(pairs):
    own = pairs.simulation
    found = energy_gradient_at(own.field, pairs, pairs.starts.first(1))

    @jax.jit
    def energy(vector):
        x, cell = pairs.starts.positions[0], own.system.cell
        parameters = pairs.moved_to(vector).parameters
        lists = own.field.neighbours(x, cell)
        return own.field.architecture.energy(parameters, own.system.species, x, cell, lists)

    np.testing.assert_allclose(found[0], central_difference(energy, pairs.vector), rtol=1e-6)
    short = own.field.with_capacity(4)
    assert short.neighbours(pairs.starts.positions[0], own.system.cell).overflow
    mended = energy_gradient_at(short, pairs, pairs.starts.first(1))
    np.testing.assert_allclose(mended, found, rtol=1e-12)


def test_a_trajectory_that_misses_its_start_is_an_error(pairs, given):
    positions, velocities = given.ends
    nudged = positions.at[0, 0, 0, 0].add(1e-3), velocities
    message = (
        r"missed its starting point by 0\.001.*expected at most 1e-09 Å .*reversal_tolerance.*gradient\.depth"
    )
    with pytest.raises(CampaignError, match=message):
        gradient_of(pairs, given, slice(0, 1), ends=nudged)


def test_a_gradient_that_is_not_finite_is_an_error(pairs, given):
    seeds = Observed({"velocities": given.seeds.along["velocities"].at[0, 3].set(jnp.nan)}, {})
    with pytest.raises(CampaignError, match=r"adjoint gradient is not finite.*gradient\.depth"):
        gradient_of(pairs, given, slice(0, 1), seeds=seeds)


def test_weights_of_the_check_are_equal_at_its_parameters_and_boltzmann_elsewhere(pairs):
    weights = jax.jit(pairs.weights)
    np.testing.assert_allclose(weights(pairs.vector), 1.0 / STARTS, rtol=1e-12)
    # U is linear in the first parameter: ΔU = Δa ∂U/∂a.
    slope = energy_gradient_at(pairs.simulation.field, pairs, pairs.starts)[:, 0]
    moved = pairs.vector.at[0].add(0.05)
    np.testing.assert_allclose(weights(moved), boltzmann_weights(0.05 * slope, KELVIN), rtol=1e-10)


def test_gradient_files_come_back(tmp_path, whole):
    save_gradient(tmp_path / "gradient.npz", whole, seconds_per_step=1.5e-3)
    found, seconds = load_gradient(tmp_path / "gradient.npz")
    assert seconds == 1.5e-3
    for field in fields(whole):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(whole, field.name))
    write_passed_through(tmp_path / "nothing.npz", "gradient")
    assert load_gradient(tmp_path / "nothing.npz") is None
