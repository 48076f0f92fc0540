"""Both parts of the gradient together are the derivative of what is measured: against independent ensembles."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.data import Element
from dynrefine.config.dynamics import ReusedSettings, State, TrajectorySettings
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.config.steps import RunTrajectories, SampleEnsemble
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.files.models import create_model
from dynrefine.properties.base import Conditions
from dynrefine.properties.diffusion import SelfDiffusion
from dynrefine.quantities.base import Observer
from dynrefine.refinement.gradient import Weighing, chunk_gradient, observed_seeds
from dynrefine.refinement.locality import Surroundings, near_contributions
from dynrefine.refinement.objective import Sample, evaluate_state, with_evaluations
from dynrefine.sampling.canonical import sample_ensemble
from dynrefine.sampling.initial_configurations import lattice_configurations
from dynrefine.sampling.reweighting import weights_of
from dynrefine.sampling.trajectories import observation_times, run_trajectories, simulation_of
from dynrefine.statistics import Shares, standard_error
from dynrefine.units import KILOJOULE_PER_MOLE

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
STATE = State(temperature=94.4, density=1.374, atoms=32)
SIGMA, EPSILON = 3.38, 0.893795  # Å, kJ/mol
# The noise of the ensemble part does not depend on the number of atoms, so that few of them cost least.
CHAINS, SAMPLES = 48, 12
SAMPLING = ReusedSettings(
    timestep=8.0,
    friction=1.0,
    equilibration=10.0,
    decorrelation=2.0,
    neighbour_skin=0.9,
    rebuild_interval=5,
    samples_per_replica=SAMPLES,
)
SAMPLED = SampleEnsemble.model_construct(elements=ARGON, state=STATE, ensemble=SAMPLING)


def run_of(length: float, interval: float) -> RunTrajectories:
    """Trajectories of this length each way, recorded at this interval, fs.

    So few atoms fluctuate in temperature, and each pair that crosses the cutoff changes their energy by 0.06
    meV/atom.
    """
    trajectory = TrajectorySettings(
        timestep=8.0,
        length=length,
        sampling_interval=interval,
        energy_drift=5.0,
        temperature_bounds=[0.3, 2.0],
    )
    return RunTrajectories.model_construct(
        elements=ARGON,
        state=STATE,
        ensemble=SAMPLING,
        trajectory=trajectory,
        along=["velocities"],
        at_start=[],
    )


# The window of the Green-Kubo integral is the length of a trajectory.
RUN, SHORT = run_of(1000.0, 40.0), run_of(160.0, 16.0)


class Coefficient(SelfDiffusion):
    """The self-diffusion coefficient as its own loss, so that the gradient is the coefficient's."""

    def loss(self, mean):
        """D in 1e-9 m²/s."""
        return self.predict(mean)[0]


@dataclass(frozen=True)
class Simulated:
    """An ensemble, its trajectories and what the campaign makes of them."""

    run: RunTrajectories
    model: object
    ensemble: object
    trajectories: object
    observable: Coefficient
    evaluated: object

    @property
    def coefficient(self) -> np.ndarray:
        """D and its standard error over the chains, 1e-9 m²/s."""
        of_chains = self.evaluated.evaluations["diffusion"].contributions.reshape(-1, CHAINS).mean(axis=0)
        return np.array([of_chains.mean(), standard_error(of_chains)])


def simulate(sigma: float, epsilon: float, seed: int, run: RunTrajectories = RUN) -> Simulated:
    """From a lattice to the diffusion coefficient at these parameters (Å, kJ/mol)."""
    settings = LennardJonesSettings(
        kind="lennard_jones",
        sigma=sigma,
        epsilon=epsilon,
        cutoff=5.5,
        truncation="truncated",
        tail_correction=False,
    )
    model = create_model(settings, ARGON, jax.random.key(0)).cast(jnp.float32)
    starts = lattice_configurations(STATE, ARGON, CHAINS, seed)
    ensemble = sample_ensemble(model, starts, SAMPLED, seed)
    trajectories = run_trajectories(model, {}, ensemble, run, None)
    kelvin, atoms = STATE.temperature, len(starts.species)
    interval, window = run.trajectory.sampling_interval, run.trajectory.length
    conditions = Conditions(kelvin, float(np.linalg.det(starts.cells[0])), atoms, interval, ("Ar",) * atoms)
    chosen = DiffusionSettings(element="Ar", target=1.0, window=window)
    observable = Coefficient.from_settings(chosen, None, conditions)
    evaluated = evaluate_state(
        {"diffusion": observable},
        {"diffusion": 1.0},
        Sample.whole(
            trajectories.observed(), Shares(jnp.asarray(weights_of([ensemble], kelvin)), ensemble.chains)
        ),
        kelvin,
    )
    return Simulated(run, model, ensemble, trajectories, observable, evaluated)


def gradient_of(simulated: Simulated) -> tuple[np.ndarray, np.ndarray]:
    """Trajectory and ensemble part of dD/d(ε, σ) from each chain [CHAINS, 2]; their means are the gradient."""
    own = simulated
    observables = {"diffusion": own.observable}
    observed = own.trajectories.observed()
    observers = Observer.of(["velocities"], {}), Observer({}, {})
    weights = jnp.asarray(own.evaluated.weights)
    cotangents = own.evaluated.weighted_cotangents({"diffusion": 1.0})
    gradient = chunk_gradient(
        simulation_of(own.model, own.ensemble, own.run, observation_times(own.run.trajectory), observers),
        own.ensemble.starts(jnp.float32),
        own.trajectories.ends(slice(None), jnp.float32),
        observed_seeds(observables, cotangents, weights, observed),
        Weighing(weights, jnp.asarray(own.evaluated.coefficients), CHAINS),
        tolerance=1e-2,
    )
    # The coefficients add up to zero: the mean energy gradient changes no sum, but the spread over the chains.
    centred = gradient.ensemble - gradient.coefficients @ gradient.mean_energy_gradient
    parts = gradient.trajectory, centred
    return tuple(CHAINS * part.reshape(SAMPLES, CHAINS, -1).sum(axis=0) for part in parts)


STEP = np.array([0.1 * EPSILON, 0.0075 * SIGMA])  # kJ/mol, Å; D falls with both
DIRECTION = STEP * [KILOJOULE_PER_MOLE, 1.0]


@pytest.mark.slow
def test_locality_takes_noise_out_of_the_ensemble_part_and_nothing_else():
    """What atoms contribute that are far apart is noise about zero where trajectories are short.

    In 160 fs sound goes less than 2 Å. In 1 ps it crosses the cell, and most of the ensemble part would be left out.
    """
    simulated = simulate(SIGMA, EPSILON, seed=1, run=SHORT)
    evaluated, around = simulated.evaluated, Surroundings.of([simulated.ensemble], 8.0)
    whole = evaluated.evaluations["diffusion"]
    near = near_contributions(simulated.observable, whole, simulated.trajectories.observed(), around)
    local = with_evaluations(
        evaluated, {"diffusion": replace(whole, contributions=near)}, {"diffusion": 1.0}, STATE.temperature
    )
    (_, of_all), (_, of_near) = gradient_of(simulated), gradient_of(replace(simulated, evaluated=local))
    (_, noise), (_, left) = (mean_and_error(part @ DIRECTION) for part in (of_all, of_near))
    assert left < 0.5 * noise
    difference, error = mean_and_error((of_near - of_all) @ DIRECTION)
    assert abs(difference) < 3.0 * error


@pytest.mark.slow
def test_both_parts_together_are_the_change_of_independent_ensembles():
    """dD/dε and dD/dσ of liquid argon along a step of both, of trajectories that chaos leaves their derivatives.

    D changes by a fifth or less to either side: were it exponential, the third-order error of the difference would
    be 0.2² / 6, less than one per cent.
    """
    trajectory, ensemble = (part @ DIRECTION for part in gradient_of(simulate(SIGMA, EPSILON, seed=1)))
    found, error = mean_and_error(trajectory + ensemble)
    alone, error_alone = mean_and_error(trajectory)
    upper, lower = (
        simulate(SIGMA + sign * STEP[1], EPSILON + sign * STEP[0], seed).coefficient
        for sign, seed in ((1.0, 10), (-1.0, 20))
    )
    expected, expected_error = 0.5 * (upper[0] - lower[0]), 0.5 * np.hypot(upper[1], lower[1])
    assert abs(found - expected) < 3.0 * np.hypot(error, expected_error)
    # The trajectory part alone is not the derivative.
    assert abs(alone - expected) > 4.0 * np.hypot(error_alone, expected_error)


def mean_and_error(of_chains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over the chains and its standard error."""
    return of_chains.mean(axis=0), standard_error(of_chains)
