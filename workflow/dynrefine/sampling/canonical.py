"""Starting points from the canonical or, with a barostat, the isobaric ensemble, by chains of Langevin dynamics."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.steps import SampleEnsemble
from dynrefine.dynamics.barostat import Barostat
from dynrefine.dynamics.force_field import force_field, require_finite
from dynrefine.dynamics.langevin import Chain, LangevinDynamics, Thermostat, sample_chain
from dynrefine.dynamics.mapping import for_each
from dynrefine.dynamics.sufficient_lists import with_sufficient_lists
from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.geometry.system import Point, drawn_velocities, system_of, with_masses
from dynrefine.sampling.energies import potential_energies
from dynrefine.sampling.initial_configurations import Configurations

LEAST_SHRINKAGE = 0.9  # of the edges of a cell at constant pressure, which neighbour lists allow for


def sample_ensemble(
    potential: Model,
    starts: Configurations,
    settings: SampleEnsemble,
    seed: int,
    barostat: Barostat | None = None,
) -> Ensemble:
    """Sample starting points of trajectories with a potential.

    Arguments:
        potential: with which they are sampled.
        starts: where the chains start, or continue if they have velocities; otherwise they equilibrate first.
        settings: elements, state and sampling.
        seed: of the noise and of the starting points' velocities.
        barostat: that holds the pressure; none at constant volume.

    Raises:
        CampaignError: there are fewer records than starting points, the dynamics blew up, the temperature is not that
            of the thermostat, or a cell shrank too far.
    """
    dtype, sampling, kelvin = potential.dtype, settings.ensemble, settings.state.temperature
    elements = settings.elements
    system = system_of(starts.species, elements, dtype)
    sampled = system_of(starts.species, with_masses(elements, sampling.masses), dtype)
    key, velocity_key, noise_key = jax.random.split(jax.random.key(seed), 3)
    if starts.velocities is None:
        equilibration = 1e3 * sampling.equilibration
        velocities = drawn_velocities(key, sampled, kelvin, len(starts.positions))
    else:
        equilibration, velocities = 0.0, starts.velocities
    least = 1.0 if barostat is None else LEAST_SHRINKAGE
    field = force_field([potential.architecture], starts.cells, len(starts.species), sampling, least)
    samples = sampling.samples_per_replica
    dynamics = LangevinDynamics(
        field,
        Thermostat(kelvin, 1e-3 * sampling.friction, sampling.timestep),
        1e3 * sampling.decorrelation * samples,
        potential.parameters,
        sampled,
        barostat,
    )
    _require_records(dynamics, samples)
    begun = Point(*(jnp.asarray(each, dtype) for each in (starts.positions, velocities, starts.cells)))
    chains = sample_chains(dynamics, equilibration, begun, noise_key)
    _require_temperature(np.asarray(chains.temperatures), kelvin)
    _require_room(np.asarray(chains.cells), starts.cells)
    recorded, cells = np.asarray(chains.positions), np.asarray(chains.cells)
    every = recorded.shape[1] // samples
    chosen, chosen_cells = (
        each[:, every - 1 :: every][:, :samples][:, ::-1].swapaxes(0, 1).reshape(-1, *each.shape[2:])
        for each in (recorded, cells)
    )
    drawn = drawn_velocities(velocity_key, system, kelvin, len(chosen))
    points = Point(jnp.asarray(chosen), drawn, jnp.asarray(chosen_cells))
    return Ensemble(
        species=np.asarray(system.species),
        cells=chosen_cells,
        positions=chosen,
        velocities=np.asarray(drawn),
        energies_by_potential=potential_energies(field, [potential], system.species, points),
        sampled_by=np.zeros(len(chosen), int),
        chain_positions=recorded[:, -1],
        chain_velocities=np.asarray(chains.velocities),
        chain_cells=cells[:, -1],
        recorded_positions=recorded.swapaxes(0, 1),
        recorded_cells=cells.swapaxes(0, 1),
        energies=np.asarray(chains.energies).T,
        temperatures=np.asarray(chains.temperatures).T,
        metadata={"seed": seed, "temperature_K": kelvin},
    )


def sample_chains(
    dynamics: LangevinDynamics,
    equilibration: float,
    starts: Point,
    key: jax.Array,
) -> Chain:
    """Sample all replicas of a chunk.

    Arguments:
        dynamics: of the chains.
        equilibration: before the recorded part, fs.
        starts: where they start or continue.
        key: random key of the chunk.

    Returns:
        the chains, replicas first.

    Raises:
        CampaignError: neighbour lists cannot follow, or the energy is not finite.
    """
    keys = jax.random.split(key, len(starts.positions))

    @jax.jit
    def all_chains(dynamics: LangevinDynamics, intervals_before: Any, starts: Point, keys: Any) -> Any:
        return for_each(lambda *own: sample_chain(dynamics, *own, intervals_before))(starts, keys)

    def run(field: Any) -> Any:
        own = replace(dynamics, field=field)
        intervals_before = jnp.asarray(round(equilibration / own.interval))
        return all_chains(own, intervals_before, starts, keys)

    chains = with_sufficient_lists(run, dynamics.field)
    require_finite(chains.energies, dynamics.thermostat.timestep)
    return chains


def _require_records(dynamics: LangevinDynamics, samples: int) -> None:
    if dynamics.records < samples:
        raise CampaignError(
            f"{samples} starting points were requested from a chain of {dynamics.records} records, one every "
            f"{dynamics.interval:g} fs, expected at least one record for each: raise ensemble.decorrelation, or "
            "lower ensemble.rebuild_interval or ensemble.timestep."
        )


def _require_temperature(temperatures: np.ndarray, kelvin: float) -> None:
    means = temperatures.mean(axis=1)
    worst = means[np.argmax(np.abs(means - kelvin))]
    if abs(worst - kelvin) > 0.5 * kelvin:
        raise CampaignError(
            f"a replica ran at {worst:.0f} K, expected the {kelvin:.0f} K of the thermostat: the potential releases "
            "energy that it should not have. Shorten ensemble.timestep, or train on more frames "
            "(labelling.geometries)."
        )


def _require_room(cells: np.ndarray, at_start: np.ndarray) -> None:
    """Make sure that no cell [R, records, 3, 3] shrank more than the neighbour lists allow."""
    scales = (np.linalg.det(cells) / np.linalg.det(at_start)[:, None]) ** (1.0 / 3.0)
    least = float(scales.min())
    if least < LEAST_SHRINKAGE:
        raise CampaignError(
            f"a cell shrank to {least:.2f} of its initial edges, expected at least {LEAST_SHRINKAGE:g}: the "
            "potential's equilibrium density is far above states.density. Raise states.density, or train on more "
            "frames (labelling.geometries)."
        )


SAMPLER = sample_ensemble
