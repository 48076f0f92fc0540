"""The shear viscosity: of stresses whose viscosity is known, its upper limit, and the liquid of the literature."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.data import Element
from dynrefine.config.dynamics import ReusedSettings, State, TrajectorySettings
from dynrefine.config.objective import TargetsSettings
from dynrefine.config.properties import Observables
from dynrefine.config.properties.transport import ViscositySettings
from dynrefine.config.steps import EvaluateObjective, RunTrajectories, SampleEnsemble
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.files.models import create_model
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, create_observables, settled
from dynrefine.properties.green_kubo import resolved_limit
from dynrefine.refinement.gathering import observables_of
from dynrefine.refinement.objective import Sample, evaluate, evaluate_state
from dynrefine.refinement.validation import evaluate_details
from dynrefine.sampling.canonical import sample_ensemble
from dynrefine.sampling.initial_configurations import lattice_configurations
from dynrefine.sampling.trajectories import run_trajectories
from dynrefine.statistics import Shares

INTERVAL, LIFETIME, SPREAD = 10.0, 60.0, 400.0  # fs, fs, bar
CONDITIONS = Conditions(300.0, 1e4, 100, INTERVAL)
# V/kT SPREAD² LIFETIME: 1e-26 m³ (4e7 Pa)² 6e-14 s / (1.380649e-23 J/K 300 K) = 0.23177 mPa s
VISCOSITY = 0.231774


def viscosity_of(**settings):
    """The property of these settings."""
    own = ViscositySettings(target=0.25, **settings)
    return create_observables({"viscosity": own}, {"viscosity": None}, CONDITIONS)["viscosity"]


@pytest.fixture(scope="module")
def observed():
    """Ornstein-Uhlenbeck stresses of 50 starting points, 401 frames of five components."""
    generator, retained = np.random.default_rng(4), np.exp(-INTERVAL / LIFETIME)
    noise = generator.normal(0.0, SPREAD, (401, 50, 5))
    series = [noise[0]]
    for kick in noise[1:]:
        series.append(retained * series[-1] + np.sqrt(1.0 - retained**2) * kick)
    return Observed({"stress": jnp.asarray(np.stack(series, axis=1))}, {})


@pytest.mark.slow
def test_viscosity_of_known_stresses_both_ways(observed):
    observable = viscosity_of(window=800.0, limit=500.0)
    statistics = observable.statistic(observed)
    found = evaluate(observable, statistics, Shares(jnp.full(50, 0.02)))
    details, errors = evaluate_details(observable, statistics)
    # the trapezoidal rule adds (INTERVAL/LIFETIME)²/12, and exp(-500/60) is missing: together 0.2 %
    tolerance = 0.003 * VISCOSITY
    assert found.prediction_error[0] < 0.07 * VISCOSITY
    assert abs(found.prediction[0] - VISCOSITY) < 3.0 * found.prediction_error[0] + tolerance
    assert abs(details["Helfand"][0] - VISCOSITY) < 3.0 * errors["Helfand"][0] + tolerance
    assert found.loss == pytest.approx((found.prediction[0] / 0.25 - 1.0) ** 2)
    np.testing.assert_allclose(details["running integral"][50], found.prediction[0])
    beyond = details["running integral"][-1] - details["running integral"][50]
    assert details["beyond the limit"][0] == pytest.approx(beyond, rel=1e-9)
    assert abs(beyond) < 3.0 * errors["beyond the limit"][0]


def test_the_statistic_is_the_mean_over_origins_and_components(observed):
    observable = viscosity_of(window=100.0)
    stress = np.asarray(observed.along["stress"])
    found = np.asarray(observable.statistic(observed))
    by_hand = np.mean(stress[:, :-3] * stress[:, 3:], axis=(1, 2))
    np.testing.assert_allclose(found[:, 3], by_hand, rtol=1e-9)
    moments = [
        np.mean(
            np.square([np.trapezoid(one[n : n + 6], dx=INTERVAL, axis=0) for n in range(396)]), axis=(0, 1)
        )
        for one in stress
    ]
    np.testing.assert_allclose(found[:, -2], moments, rtol=1e-9)
    # A series shorter than the window, as the adjoint may see it, holds the lags it has.
    short = np.asarray(observable.statistic(Observed({"stress": observed.along["stress"][:, :8]}, {})))
    assert short.shape == found.shape
    assert np.all(short[:, 8:11] == 0.0) and np.all(short[:, 7] != 0.0)


def test_the_limit_is_where_longer_integrals_are_not_resolved(observed):
    """It is found before the property is evaluated, and stands with it."""
    observable = viscosity_of(window=1500.0)
    assert observable.abscissa == [1500.0]
    state = evaluate_state(
        {"own": observable}, {"own": 1.0}, Sample.whole(observed, Shares(jnp.full(50, 0.02))), 300.0
    )
    limit = state.abscissae["own"][0]
    # shorter integrals lack exp(-limit/LIFETIME) of the viscosity, which is known to some per cent
    assert 2.0 * LIFETIME < limit < 1500.0
    evaluation = state.evaluations["own"]
    assert abs(evaluation.prediction[0] - VISCOSITY) < 4.0 * evaluation.prediction_error[0]
    at_limit = replace(observable, window=replace(observable.window, limit=round(limit / INTERVAL)))
    weights = jnp.full(50, 0.02)
    expected = evaluate(at_limit, observable.statistic(observed), Shares(weights))
    np.testing.assert_allclose(evaluation.cotangent, expected.cotangent)
    # the whole window is less certain
    whole = evaluate(observable, observable.statistic(observed), Shares(weights))
    assert evaluation.prediction_error[0] < whole.prediction_error[0]
    # one that is set stands, and of a single starting point the noise is not known
    fixed = viscosity_of(window=1500.0, limit=200.0)
    statistics = observable.statistic(observed)
    assert settled(fixed, statistics, weights).abscissa == [200.0]
    assert settled(observable, statistics[:1], weights[:1]).abscissa == [1500.0]


def test_where_the_noise_is_small_the_integral_is_long():
    lags, generator = np.arange(60), np.random.default_rng(1)
    integral = 1.0 - np.exp(-lags / 10.0)
    noise = np.cumsum(generator.normal(size=(200, 60)), axis=1)
    noise -= noise.mean(axis=0)
    limits = [resolved_limit(integral, integral + scale * noise / 199.0) for scale in (1e-4, 1e-2, 1.0, 1e3)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > 45 and limits[-1] == 1
    # What is missing at the limit is within the error of the rest, and just before it was not.
    scale, limit = 1.0, limits[2]

    def resolved(lag):
        error = np.sqrt(
            199.0 / 200.0 * np.sum((scale * (noise[:, lag:] - noise[:, [lag]]) / 199.0) ** 2, axis=0)
        )
        return np.any(np.abs(integral[lag:] - integral[lag])[1:] > error[1:])

    assert resolved(limit - 1) and not resolved(limit)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("temperature", "reduced_density", "expected", "known_to"),
    [
        # G. Chaparro & E. A. Müller, J. Phys. Chem. B (2023), doi:10.1021/acs.jpcb.3c06813
        (1.24008, 0.752351, 1.4869, 0.0138),
        # near the triple point: S. Viscardy, J. Servantie & P. Gaspard, J. Chem. Phys. 126, 184512 (2007)
        (0.722, 0.8442, 3.268, 0.055),
    ],
)
def test_the_viscosity_of_the_liquid_of_the_literature(temperature, reduced_density, expected, known_to):
    """In units of σ, ε and the mass."""
    # σ = 3.4 Å and ε = 120 K: units of density (g/cm³), temperature (K) and viscosity (mPa s)
    density, kelvin, unit = 1.68775, 120.0, 0.0906873
    argon = [Element(symbol="Ar", mass=39.948, charge=0)]
    potential = LennardJonesSettings(
        kind="lennard_jones", sigma=3.4, epsilon=0.997736, cutoff=8.5, truncation="truncated"
    )
    model = create_model(potential, argon, jax.random.key(0)).cast(jnp.float32)
    state = State(temperature=temperature * kelvin, density=reduced_density * density, atoms=108)
    sampling = ReusedSettings(
        timestep=8.0,
        friction=2.0,
        equilibration=10.0,
        decorrelation=2.0,
        neighbour_skin=1.2,
        rebuild_interval=5,
        samples_per_replica=1,
    )
    trajectory = TrajectorySettings(
        timestep=8.0, length=24000.0, sampling_interval=40.0, energy_drift=3.0, temperature_bounds=[0.5, 1.5]
    )
    settings = SampleEnsemble.model_construct(elements=argon, state=state, ensemble=sampling)
    ensemble = sample_ensemble(model, lattice_configurations(state, argon, 32, seed=1), settings, seed=2)
    settings = RunTrajectories.model_construct(
        elements=argon, state=state, ensemble=sampling, trajectory=trajectory, along=["stress"], at_start=[]
    )
    trajectories = run_trajectories(model, {}, ensemble, settings, None)
    chosen = Observables(viscosity=ViscositySettings(target=1.0, window=8000.0))
    settings = EvaluateObjective.model_construct(
        elements=argon, trajectory=trajectory, objective=TargetsSettings(observables=chosen)
    )
    observable = observables_of(settings, state, [ensemble])["viscosity"]
    statistics = observable.statistic(trajectories.observed())
    weights = jnp.full(32, 1.0 / 32.0, statistics.dtype)
    found = evaluate(settled(observable, statistics, weights), statistics, Shares(weights))
    details, errors = evaluate_details(observable, statistics)
    # Of stresses distributed normally, up to the whole window: (4 * 8 ps / (5 components * 32 * 48 ps))^½ = 6.5 %,
    # which 32 trajectories tell to an eighth (Jones & Mandadapu, J. Chem. Phys. 136, 154102 (2012)).
    assert found.prediction_error[0] < 0.065 * (1.0 + 3.0 / 8.0) * found.prediction[0]
    # Temperatures at constant energy scatter by a per cent or so around the one of the ensemble.
    for value, error in (
        (found.prediction[0], found.prediction_error[0]),
        (details["Helfand"][0], errors["Helfand"][0]),
    ):
        assert abs(value / unit - expected) < 3.0 * np.hypot(error / unit, known_to)
