"""The pressure as an observable, its gradient, and both together with an observable along trajectories."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones as Reference
from systems import POTENTIAL, TRICLINIC, box_of, field_of, random_model, water_box

from dynrefine.config.data import Element
from dynrefine.config.properties.thermodynamics import PressureSettings, ThermalExpansionSettings
from dynrefine.config.properties.transport import DiffusionSettings, ViscositySettings
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.dynamics.replicas import run_legs
from dynrefine.dynamics.starting_points import observe_starts
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model
from dynrefine.files.trajectories import Observed, join_directions
from dynrefine.geometry.system import thermal_velocities
from dynrefine.properties.base import Conditions, create_observables
from dynrefine.quantities.base import Observer, Quantity
from dynrefine.quantities.stress import stress
from dynrefine.refinement.depth_pilot import Pilot
from dynrefine.refinement.gradient import Weighing, chunk_gradient, observed_seeds
from dynrefine.refinement.gradient_check import (
    CheckedLosses,
    compare_with_backpropagation,
    compare_with_finite_differences,
)
from dynrefine.refinement.objective import Sample, evaluate_state
from dynrefine.refinement.sensitivities import (
    Moving,
    derivatives,
    measured,
    named_directions,
    numbered_directions,
)
from dynrefine.sampling.energies import potential_energies
from dynrefine.sampling.reweighting import boltzmann_weights
from dynrefine.statistics import Shares
from dynrefine.surfaces.base import energy_forces_stress
from dynrefine.surfaces.lennard_jones import LennardJones
from dynrefine.units import BAR, BOLTZMANN

pytestmark = pytest.mark.usefixtures("fast_compilation")

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
SIGMA, EPSILON = 3.4, 120.0 * BOLTZMANN  # Å, eV
KELVIN, CUTOFF, STARTS = 94.4, 7.0, 4
EDGE = 11.6  # Å, of 32 atoms at about the density of the liquid
FRAMES = ObservationTimes(timestep=5.0, count=4, stride=2, kept=4)


def argon_liquid():
    """32 atoms, displaced from a face-centred lattice in as many ways as there are starting points."""
    unit = np.array([[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    grid = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 1, 3)
    lattice = (grid + unit).reshape(-1, 3) / 2.0 * EDGE
    shifts = np.random.default_rng(5).normal(0.0, 0.25, (STARTS, 32, 3))
    return box_of(np.zeros(32, int), EDGE * np.eye(3), ARGON, jnp.float64), lattice + shifts


def lennard_jones(truncation, tail_correction):
    return LennardJones(CUTOFF, truncation, 1.5, tail_correction, SIGMA, EPSILON)


def pressure(system, kelvin=KELVIN, target=50.0, scale=1000.0):
    conditions = Conditions(kelvin, float(system.volume), len(system.species), 10.0)
    settings = {"pressure": PressureSettings(target=target, scale=scale)}
    return create_observables(settings, {"pressure": None}, conditions)["pressure"]


def checked(architecture, parameters, system, positions, observable, kelvin, frames=FRAMES, **options):
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, kelvin))
    return CheckedLosses(
        Simulation(
            field_of(architecture, system.cell, **options),
            frames,
            Observer.of(observable.along, {}),
            Observer.of(observable.at_start, {}),
            parameters,
            system,
        ),
        {"checked": observable},
        kelvin,
        system.points(positions, draw(jax.random.split(jax.random.key(4), len(positions)))),
    )


def observed_at_start(loss):
    """What is observed at the starting points of a check."""
    return observe_starts(loss.simulation, loss.starts)


@pytest.fixture(scope="module")
def argon():
    """The loss of the pressure of a Lennard-Jones liquid."""
    system, positions = argon_liquid()
    own = lennard_jones("switched", tail_correction=True)
    parameters = own.initial_parameters(None)
    return checked(own, parameters, system, positions, pressure(system), KELVIN, capacity=96)


@pytest.fixture(scope="module")
def diffusion(argon):
    """The loss of the self-diffusion of the same liquid, along trajectories from the same points."""
    simulation = replace(argon.simulation, along=Observer.of(["velocities"], {}), at_start=Observer({}, {}))
    system = simulation.system
    conditions = Conditions(KELVIN, float(system.volume), 32, 10.0, ("Ar",) * 32)
    settings = DiffusionSettings(element="Ar", target=2.0, window=30.0)
    observable = create_observables({"diffusion": settings}, {"diffusion": None}, conditions)["diffusion"]
    return replace(argon, observables={"checked": observable}, simulation=simulation)


@pytest.fixture(scope="module")
def viscosity(argon):
    """The loss of the shear viscosity of the same liquid, whose stress depends on the potential."""
    simulation = replace(argon.simulation, along=Observer.of(["stress"], {}), at_start=Observer({}, {}))
    conditions = Conditions(KELVIN, float(simulation.system.volume), 32, 10.0)
    settings = ViscositySettings(target=0.2, window=40.0, limit=30.0)
    observable = create_observables({"viscosity": settings}, {"viscosity": None}, conditions)["viscosity"]
    return replace(argon, observables={"checked": observable}, simulation=simulation)


@pytest.mark.parametrize(
    ("truncation", "tail_correction"),
    [("truncated", False), ("truncated", True), ("shifted", False), ("switched", False)],
)
def test_pressure_is_that_of_ase_with_the_kinetic_part_and_the_tail(truncation, tail_correction):
    system, positions = argon_liquid()
    own = lennard_jones(truncation, tail_correction)
    observable = pressure(system)
    loss = checked(own, own.initial_parameters(None), system, positions, observable, KELVIN, capacity=96)
    predicted = observable.predict(observable.statistic(Observed({}, observed_at_start(loss))))
    assert predicted.shape == (STARTS, 1)
    atoms = Atoms("Ar32", positions=positions[0], cell=np.asarray(system.cell), pbc=True)
    # ASE shifts the energy unless it switches; its switch begins at `ro`.
    options = {"smooth": True, "ro": CUTOFF - 1.5} if truncation == "switched" else {}
    atoms.calc = Reference(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF, **options)
    # Velocities whose kinetic energy is that of the ensemble, 3/2 N k T.
    momenta = np.random.default_rng(1).normal(size=(32, 3))
    atoms.set_momenta(momenta)
    atoms.set_momenta(momenta * np.sqrt(1.5 * 32 * BOLTZMANN * KELVIN / atoms.get_kinetic_energy()))
    stress = atoms.get_stress(voigt=False, include_ideal_gas=True)
    expected = -np.trace(stress) / 3.0 / (1e5 * units.Pascal)
    if tail_correction:
        # Allen & Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), eq. 2.140
        third = (SIGMA / CUTOFF) ** 3
        tail = 16.0 / 3.0 * np.pi * (32 / EDGE**3) ** 2 * EPSILON * SIGMA**3 * (2.0 / 3.0 * third**3 - third)
        assert tail / BAR < -100.0
        expected += tail / BAR
    # Sums of some thousand terms in double precision, of thousands of bar; constants of CODATA 2014 there, 2018 here.
    assert float(predicted[0, 0]) == pytest.approx(expected, rel=1e-6)


def test_the_loss_is_the_squared_difference_in_units_of_the_scale():
    system, _ = argon_liquid()
    observable = pressure(system, target=-200.0, scale=400.0)
    ideal = 32 * BOLTZMANN * KELVIN / EDGE**3 / BAR
    assert observable.predict(jnp.asarray(100.0)) == pytest.approx([100.0 + ideal])
    assert observable.loss(jnp.asarray(100.0 - ideal)) == pytest.approx((300.0 / 400.0) ** 2)
    assert observable.loss(jnp.asarray(-200.0 - ideal)) == pytest.approx(0.0, abs=1e-20)


def test_the_gradient_of_the_pressure_is_that_of_the_weighted_estimator(argon):
    rows, adjoint = compare_with_backpropagation(argon, tolerance=1e-9, precision="float64")
    assert rows[0]["parameter"] == "all (2)"
    assert rows[0]["relative_error"] < 1e-12
    # 1e-6 eV is 1e-4 of ε: the error of the difference is of the order of its square.
    for row in compare_with_finite_differences(argon, adjoint, displacement=1e-6, count=2, seed=0):
        assert row["relative_error"] < 1e-7, row


def test_the_gradient_of_a_thermal_expansion_is_its_derivative(argon):
    """Starting points in cells of their own, whose energies depend on the potential and so do their weights."""
    factors = jnp.array([1.0, 1.01, 0.98, 1.03])[:, None, None]
    starts = replace(
        argon.starts, positions=factors * argon.starts.positions, cell=factors * argon.starts.cell
    )
    conditions = Conditions(KELVIN, EDGE**3, 32, 10.0, pressure=100.0)
    settings = ThermalExpansionSettings(target=4.0, scale=0.5)
    chosen = create_observables({"thermal_expansion": settings}, {"thermal_expansion": None}, conditions)
    expansion = chosen["thermal_expansion"]
    simulation = replace(argon.simulation, at_start=Observer.of(expansion.at_start, {}))
    loss = replace(argon, observables={"checked": expansion}, simulation=simulation, starts=starts)
    adjoint, _ = loss.adjoint(tolerance=1e-9)
    # Energies change by some 100 times the displacement: 1e-3 kT, whose square is the error of the difference.
    for row in compare_with_finite_differences(loss, adjoint, displacement=1e-7, count=2, seed=0):
        assert row["relative_error"] < 1e-6, row


def test_both_parts_of_the_gradient_matter_and_each_is_its_derivative(argon):
    """The explicit part at equal weights, the ensemble part at the quantities of the unchanged potential."""
    loss, weights = argon.observables["checked"].loss, jnp.full(STARTS, 1.0 / STARTS)

    @jax.jit
    def parts(vector):
        statistics = argon.statistics(argon.vector)["checked"]
        explicit = jax.grad(lambda moved: loss(weights @ argon.statistics(moved)["checked"]))(vector)
        return explicit, jax.grad(lambda moved: loss(argon.weights(moved) @ statistics))(vector)

    explicit, ensemble = parts(argon.vector)
    observed = Observed({}, observed_at_start(argon))
    state = evaluate_state(
        argon.observables, {"checked": 1.0}, Sample.whole(observed, Shares(weights)), KELVIN
    )
    cotangents = state.weighted_cotangents({"checked": 1.0})
    seeds = observed_seeds(argon.observables, cotangents, weights, observed)
    nowhere = jnp.zeros((STARTS, 2, 32, 3))
    found = chunk_gradient(
        argon.simulation,
        argon.starts,
        (nowhere, nowhere),
        seeds,
        Weighing(weights, jnp.asarray(state.coefficients), STARTS),
        tolerance=1e-9,
    )
    np.testing.assert_allclose(found.trajectory.sum(axis=0), explicit, rtol=1e-10)
    np.testing.assert_allclose(found.ensemble.sum(axis=0), ensemble, rtol=1e-10)
    assert np.all(np.abs(explicit) > 0.01 * np.abs(ensemble))
    assert np.all(np.abs(ensemble) > 0.01 * np.abs(explicit))


@pytest.mark.slow
def test_the_gradient_of_the_viscosity_has_three_parts(viscosity):
    """Through the trajectories, through their starting points, and through the stress itself."""
    rows, adjoint = compare_with_backpropagation(viscosity, tolerance=1e-9, precision="float64")
    assert rows[0]["relative_error"] < 1e-9
    for row in compare_with_finite_differences(viscosity, adjoint, displacement=1e-6, count=2, seed=0):
        assert row["relative_error"] < 1e-6, row

    def blind(surfaces, *point):
        architecture, parameters = surfaces["potential"]
        return stress({"potential": (architecture, jax.lax.stop_gradient(parameters))}, *point)

    simulation = replace(viscosity.simulation, along=Observer({"stress": Quantity(blind, "bar")}, {}))
    without, _ = replace(viscosity, simulation=simulation).adjoint(tolerance=1e-9)
    assert np.linalg.norm(without - adjoint) > 0.1 * np.linalg.norm(adjoint)


@pytest.mark.slow
def test_derivatives_by_named_parameters_are_those_of_the_reweighted_properties(argon, diffusion):
    """Of a static property and of one along trajectories, and their errors by leaving out starting points."""
    simulation = replace(diffusion.simulation, at_start=argon.simulation.at_start)
    observables = {"pressure": argon.observables["checked"], "diffusion": diffusion.observables["checked"]}
    potential = Model(simulation.field.architecture, dict(simulation.parameters), {})

    def observe(moved):
        own = replace(simulation, parameters=moved.parameters)
        series = run_legs(own, argon.starts).series
        along = {name: join_directions(array) for name, array in series.items()}
        return Observed(along, observe_starts(own, argon.starts))

    species = simulation.system.species
    energies = partial(potential_energies, simulation.field, species=species, points=argon.starts)
    moving, whole = Moving(observe, energies), observe(potential)
    found = measured(potential, named_directions(potential), observables, whole, moving)
    assert found.parameters == ("epsilon", "sigma")
    change = np.array([0.002, 0.1])  # of both parameters together
    together = measured(potential, numbered_directions(change[None]), observables, whole, moving)
    for name, observable in observables.items():
        single, joint = (derivatives(observable, each, name, KELVIN).jacobian for each in (found, together))
        np.testing.assert_allclose(joint[:, 0], single @ change, rtol=1e-5)

    @jax.jit
    def properties(vector):
        weights = argon.weights(vector)
        means = [
            jnp.tensordot(weights, each.statistics(vector)["checked"], axes=1) for each in (argon, diffusion)
        ]
        return jnp.stack(
            [
                argon.observables["checked"].predict(means[0])[0],
                diffusion.observables["checked"].predict(means[1])[0],
            ]
        )

    steps = 1e-5 * np.diag(argon.vector)
    differences = [
        (properties(argon.vector + d) - properties(argon.vector - d)) / (2.0 * d.sum()) for d in steps
    ]
    for number, (name, observable) in enumerate(observables.items()):
        own = derivatives(observable, found, name, KELVIN)
        # the errors of the differences are of the order of the squared relative step, of `measured` 1e-8
        np.testing.assert_allclose(own.jacobian[0], [each[number] for each in differences], rtol=1e-5)
        some = replace(
            found,
            energy_slopes=found.energy_slopes[1:],
            statistics={name: found.statistics[name][1:]},
            changes={name: found.changes[name][1:]},
        )
        without = derivatives(observable, some, name, KELVIN)
        np.testing.assert_allclose(own.left_out[0], without.jacobian, rtol=1e-9)
        assert np.all(own.jacobian_error > 0.0)


@pytest.fixture(scope="module")
def networks():
    """The loss of the pressure of two molecules on random networks."""
    system, positions = water_box(2, TRICLINIC)
    model = random_model(POTENTIAL.model_copy(update={"angular_momentum": 1}), system, positions)
    shifted = positions[None] + np.random.default_rng(3).normal(0.0, 0.05, (STARTS, *positions.shape))
    observable = pressure(system, kelvin=300.0, scale=1e4)
    frames = replace(FRAMES, timestep=0.5)
    return checked(model.architecture, model.parameters, system, shifted, observable, 300.0, frames)


def test_virial_pressure_of_networks_is_the_trace_of_their_stress(networks):
    own, x, cell = networks.simulation, networks.starts.positions[0], networks.starts.cell[0]
    found = observed_at_start(networks)
    compute = jax.jit(energy_forces_stress, static_argnums=0)
    neighbours = own.field.neighbours(x, cell)
    stress = compute(own.field.architecture, own.parameters, own.system.species, x, cell, neighbours)[2]
    expected = -float(jnp.trace(stress)) / 3.0 / BAR
    assert float(found["virial_pressure"][0]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow
def test_the_gradient_of_the_pressure_of_networks(networks):
    adjoint, _ = networks.adjoint(tolerance=1e-9)
    for row in compare_with_finite_differences(networks, adjoint, displacement=1e-5, count=1, seed=0):
        assert row["relative_error"] < 1e-6, row


@pytest.mark.slow
def test_the_gradient_of_the_viscosity_of_networks(networks, viscosity):
    simulation = replace(networks.simulation, along=viscosity.simulation.along, at_start=Observer({}, {}))
    loss = replace(networks, simulation=simulation, observables=viscosity.observables)
    adjoint, _ = loss.adjoint(tolerance=1e-9)
    for row in compare_with_finite_differences(loss, adjoint, displacement=1e-5, count=1, seed=0):
        assert row["relative_error"] < 1e-6, row


def test_two_observables_at_once_have_the_sum_of_their_gradients(argon, diffusion):
    """Of starting points with unequal weights, as of a reused ensemble."""
    observables = {"pressure": argon.observables["checked"], "diffusion": diffusion.observables["checked"]}
    importance = {"pressure": 3.0, "diffusion": 0.5}
    changes = np.array([0.0, 4e-3, -3e-3, 1e-3])  # eV
    simulation = replace(diffusion.simulation, at_start=argon.simulation.at_start)
    legs = run_legs(simulation, argon.starts)
    along = {name: join_directions(array) for name, array in legs.series.items()}
    observed = Observed(along, observed_at_start(argon))
    former = boltzmann_weights(jnp.asarray(changes), KELVIN)
    state = evaluate_state(
        observables, importance, Sample.whole(observed, Shares(jnp.asarray(former))), KELVIN
    )
    seeds = observed_seeds(
        observables, state.weighted_cotangents(importance), jnp.asarray(state.weights), observed
    )
    found = chunk_gradient(
        simulation,
        argon.starts,
        (legs.positions, legs.velocities),
        seeds,
        Weighing(jnp.asarray(state.weights), jnp.asarray(state.coefficients), STARTS),
        tolerance=1e-9,
    )

    @jax.jit
    def total(vector):
        # Boltzmann's factors of what had changed before and of what changes now.
        weights = argon.weights(vector) * former
        weights /= jnp.sum(weights)
        return sum(
            importance[name]
            * loss.observables["checked"].loss(
                jnp.tensordot(weights, loss.statistics(vector)["checked"], axes=1)
            )
            for name, loss in (("pressure", argon), ("diffusion", diffusion))
        )

    steps = 1e-5 * np.diag(argon.vector)
    expected = [(total(argon.vector + d) - total(argon.vector - d)) / (2.0 * d.sum()) for d in steps]
    gradient = found.trajectory.sum(axis=0) + found.ensemble.sum(axis=0)
    # the error of the differences is of the order of the squared relative step
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_a_pilot_is_not_moved_by_what_needs_no_trajectory(argon, diffusion):
    alone = Pilot(
        simulation=diffusion.simulation,
        observables={"diffusion": diffusion.observables["checked"]},
        weights={"diffusion": 1.0, "pressure": 5.0},
        starts=argon.starts,
        tolerance=1e-9,
        chains=STARTS,
    )
    both = replace(
        alone,
        simulation=replace(diffusion.simulation, at_start=argon.simulation.at_start),
        observables={"pressure": argon.observables["checked"], "diffusion": diffusion.observables["checked"]},
    )

    def gradient(pilot):
        observed, ends = pilot.trajectories(30.0)
        return pilot.gradient(30.0, observed, ends, pilot.cotangents(observed))[0]

    np.testing.assert_allclose(gradient(both), gradient(alone), rtol=1e-12)


def test_a_quantity_that_is_not_known_is_an_error():
    with pytest.raises(CampaignError, match="'entropy' is not among the quantities of dynrefine"):
        Observer.of(["entropy"], {})
