"""Starting points from the canonical ensemble, by chains of Langevin dynamics."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.steps import SampleEnsemble
from dynrefine.dynamics.force_field import force_field, require_finite, with_sufficient_lists
from dynrefine.dynamics.langevin import Chain, LangevinDynamics, Thermostat, sample_chain
from dynrefine.dynamics.mapping import for_each
from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.geometry.system import drawn_velocities, system_of, with_masses
from dynrefine.sampling.energies import potential_energies
from dynrefine.sampling.initial_configurations import Configurations


def sample_ensemble(
    potential: Model, starts: Configurations, settings: SampleEnsemble, seed: int
) -> Ensemble:
    """Sample starting points of trajectories at a potential.

    Arguments:
        potential: at which they are sampled.
        starts: where the chains begin, or go on if they have velocities; without, they equilibrate first.
        settings: elements, state and sampling.
        seed: of the noise and of the starting points' velocities.

    Raises:
        CampaignError: the dynamics blew up, or the temperature is not that of the thermostat.
    """
    dtype, sampling, kelvin = potential.dtype, settings.ensemble, settings.state.temperature
    elements = settings.elements
    system = system_of(starts.species, starts.cell, elements, dtype)
    sampled = system_of(starts.species, starts.cell, with_masses(elements, sampling.masses), dtype)
    key, velocity_key, noise_key = jax.random.split(jax.random.key(seed), 3)
    if starts.velocities is None:
        equilibration = 1e3 * sampling.equilibration
        velocities = drawn_velocities(key, sampled, kelvin, len(starts.positions))
    else:
        equilibration, velocities = 0.0, starts.velocities
    field = force_field(potential.architecture, len(starts.species), starts.cell, sampling)
    samples = sampling.samples_per_replica
    dynamics = LangevinDynamics(
        field,
        Thermostat(kelvin, 1e-3 * sampling.friction, sampling.timestep),
        1e3 * sampling.decorrelation * samples,
        potential.parameters,
        sampled,
    )
    chains = sample_chains(
        dynamics,
        equilibration,
        jnp.asarray(starts.positions, dtype),
        jnp.asarray(velocities, dtype),
        noise_key,
    )
    recorded = np.asarray(chains.positions)
    every = recorded.shape[1] // samples
    chosen = recorded[:, every - 1 :: every][:, :samples].reshape(-1, *recorded.shape[2:])
    _require_temperature(np.asarray(chains.temperatures), kelvin)
    return Ensemble(
        species=np.asarray(system.species),
        cell=np.asarray(system.cell),
        positions=chosen,
        velocities=np.asarray(drawn_velocities(velocity_key, system, kelvin, len(chosen))),
        energies_by_potential=potential_energies(field, [potential], system, jnp.asarray(chosen, dtype)),
        sampled_by=np.zeros(len(chosen), int),
        chain_positions=recorded[:, -1],
        chain_velocities=np.asarray(chains.velocities),
        recorded_positions=recorded.swapaxes(0, 1),
        energies=np.asarray(chains.energies).T,
        temperatures=np.asarray(chains.temperatures).T,
        metadata={"seed": seed, "temperature_K": kelvin},
    )


def sample_chains(
    dynamics: LangevinDynamics,
    equilibration: float,
    positions: Float[Array, "R N 3"],
    velocities: Float[Array, "R N 3"],
    key: jax.Array,
) -> Chain:
    """Sample all replicas of a chunk.

    Arguments:
        dynamics: of the chains.
        equilibration: before the recorded part, fs.
        positions: at the start, Å.
        velocities: at the start, Å/fs.
        key: random key of the chunk.

    Returns:
        the chains, replicas first.

    Raises:
        CampaignError: neighbour lists cannot follow, or the energy is not finite.
    """
    keys = jax.random.split(key, len(positions))

    @jax.jit
    def all_chains(dynamics: LangevinDynamics, intervals_before: Any, *starts: Any) -> Any:
        return for_each(lambda *start: sample_chain(dynamics, *start, intervals_before))(*starts)

    def run(field: Any) -> Any:
        own = replace(dynamics, field=field)
        intervals_before = jnp.asarray(round(equilibration / own.interval))
        return all_chains(own, intervals_before, positions, velocities, keys)

    chains = with_sufficient_lists(run, dynamics.field)
    require_finite(chains.energies, dynamics.thermostat.timestep)
    return chains


def _require_temperature(temperatures: np.ndarray, kelvin: float) -> None:
    means = temperatures.mean(axis=1)
    worst = means[np.argmax(np.abs(means - kelvin))]
    if abs(worst - kelvin) > 0.5 * kelvin:
        raise CampaignError(
            f"a replica ran at {worst:.0f} K where the thermostat holds {kelvin:.0f} K: the potential is releasing "
            "energy it should not have; shorten ensemble.timestep, or train on more frames "
            "(labelling.geometries)."
        )


SAMPLER = sample_ensemble
