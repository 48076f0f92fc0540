"""The chain from a lattice to the self-diffusion coefficient, on the Lennard-Jones liquid of the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynrefine.config.data import Element
from dynrefine.config.dynamics import ReusedSettings, State, TrajectorySettings
from dynrefine.config.objective import TargetsSettings
from dynrefine.config.properties import Observables
from dynrefine.config.properties.transport import DiffusionSettings
from dynrefine.config.steps import EvaluateObjective, RunTrajectories, SampleEnsemble
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.files.models import create_model
from dynrefine.properties.finite_size import finite_size_correction
from dynrefine.refinement.gathering import observables_of
from dynrefine.refinement.objective import evaluate
from dynrefine.sampling.canonical import sample_ensemble
from dynrefine.sampling.initial_configurations import lattice_configurations
from dynrefine.sampling.trajectories import run_trajectories
from dynrefine.statistics import Shares

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
# σ = 3.4 Å and ε = 120 K: units of the reduced density (g/cm³), temperature (K), diffusion (1e-9 m²/s) and
# viscosity (mPa s)
DENSITY, TEMPERATURE, DIFFUSION, VISCOSITY = 1.68775, 120.0, 53.7328, 0.0906873


@pytest.mark.slow
def test_liquid_diffuses_as_in_the_literature():
    """Near the triple point, with the Yeh-Hummer correction on both sides: there 1372 atoms, here 256.

    D = 0.0325 in reduced units at temperature 0.722 and density 0.8442, cutoff 2.5 σ: Meier, Laesecke & Kabelac,
    J. Chem. Phys. 121, 9526 (2004), doi:10.1063/1.1786579. Viscosity 3.24 there: that of STACIE (molmod/stacie).
    """
    potential = LennardJonesSettings(
        kind="lennard_jones", sigma=3.4, epsilon=0.997736, cutoff=8.5, truncation="truncated"
    )
    model = create_model(potential, ARGON, jax.random.key(0)).cast(jnp.float32)
    state = State(temperature=0.722 * TEMPERATURE, density=0.8442 * DENSITY, atoms=256)
    sampling = ReusedSettings(
        timestep=8.0,
        friction=2.0,
        equilibration=8.0,
        decorrelation=2.0,
        neighbour_skin=1.2,
        rebuild_interval=5,
        samples_per_replica=1,
    )
    trajectory = TrajectorySettings(
        timestep=8.0, length=6400.0, sampling_interval=40.0, energy_drift=1.0, temperature_bounds=[0.5, 1.5]
    )
    settings = SampleEnsemble.model_construct(elements=ARGON, state=state, ensemble=sampling)
    ensemble = sample_ensemble(model, lattice_configurations(state, ARGON, 8, seed=1), settings, seed=2)
    settings = RunTrajectories.model_construct(
        elements=ARGON,
        state=state,
        ensemble=sampling,
        trajectory=trajectory,
        along=["velocities"],
        at_start=[],
    )
    trajectories, kelvin = run_trajectories(model, {}, ensemble, settings, None), state.temperature
    chosen = Observables(diffusion=DiffusionSettings(element="Ar", target=1.0, window=2400.0))
    settings = EvaluateObjective.model_construct(
        elements=ARGON, trajectory=trajectory, objective=TargetsSettings(observables=chosen)
    )
    observable = observables_of(settings, state, [ensemble])["diffusion"]
    statistics = observable.statistic(trajectories.observed())
    equal = jnp.full(len(statistics), 1.0 / len(statistics), statistics.dtype)
    found = evaluate(observable, statistics, Shares(equal, ensemble.chains))

    def corrected(coefficient, atoms):
        viscosity = 3.24 * VISCOSITY
        edge = (atoms / 0.8442) ** (1.0 / 3.0) * 3.4
        return coefficient + finite_size_correction(kelvin, viscosity, edge * np.eye(3))

    value, own_error = corrected(found.prediction[0], 256), found.prediction_error[0]
    expected = corrected(0.0325 * DIFFUSION, 1372)

    assert own_error < 0.05 * value
    # one per cent for the literature's value and for the correction to the leading order in the cell's size each
    assert abs(value - expected) < 3.0 * np.sqrt(own_error**2 + 2 * (0.01 * expected) ** 2)
