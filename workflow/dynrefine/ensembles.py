"""Ensembles of starting points, and the trajectories from them, as files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import ForceField, force_field, over_configurations
from dynrefine.dynamics.langevin import Thermostat
from dynrefine.dynamics.leapfrog import Frames, Observe, Simulation
from dynrefine.dynamics.replicas import sample_chains
from dynrefine.errors import CampaignError
from dynrefine.initial_configurations import system_of, with_masses
from dynrefine.models import Model
from dynrefine.neighbours import NeighbourList
from dynrefine.reweighting import boltzmann_weights, effective_sample_size
from dynrefine.storage import ArrayFile, read_arrays, write_arrays
from dynrefine.system import System, thermal_velocities

logger = logging.getLogger(__name__)

_UNITS = {
    "positions": "Å",
    "velocities": "Å/fs",
    "sampled_energies": "eV",
    "energy_changes": "eV",
    "chain_positions": "Å",
    "chain_velocities": "Å/fs",
    "recorded_positions": "Å",
    "energies": "eV",
    "temperatures": "K",
    "species": "1",
    "cell": "Å",
}


@dataclass(frozen=True)
class Ensemble:
    """Starting points of trajectories, and where their chains stand.

    Attributes:
        species: element index of each atom [N].
        cell: cell vectors as rows [3, 3], Å.
        positions: starting points [S, N, 3], Å.
        velocities: drawn from the Maxwell-Boltzmann distribution [S, N, 3], Å/fs.
        sampled_energies: of the starting points at the potential that sampled them [S], eV.
        energy_changes: by how much those of the present potential differ [S], eV; zero unless it is reused.
        chain_positions: last point of each chain [R, N, 3], Å.
        chain_velocities: [R, N, 3], Å/fs.
        recorded_positions: records of the chains, for structure [records, R, N, 3], Å.
        energies: potential energy along the chains [records, R], eV.
        temperatures: kinetic temperature along the chains [records, R], K.
        metadata: provenance.
    """

    species: np.ndarray
    cell: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    sampled_energies: np.ndarray
    energy_changes: np.ndarray
    chain_positions: np.ndarray
    chain_velocities: np.ndarray
    recorded_positions: np.ndarray
    energies: np.ndarray
    temperatures: np.ndarray
    metadata: dict[str, Any]

    def system(self, elements: list[Mapping[str, Any]], dtype: Any) -> System:
        """The atoms and their cell."""
        return system_of(self.species, self.cell, elements, dtype)

    def field(self, potential: Model, sampling: Mapping[str, Any]) -> ForceField:
        """The force field of a potential, with lists that suit these atoms.

        Arguments:
            potential: see there.
            sampling: configuration section `ensemble`.
        """
        return force_field_of(potential, sampling, len(self.species), self.cell)

    def simulation(
        self,
        potential: Model,
        sampling: Mapping[str, Any],
        elements: list[Mapping[str, Any]],
        frames: Frames,
        observe: Observe,
    ) -> Simulation:
        """The trajectories from these starting points at a potential, in its precision.

        Arguments:
            potential: see there.
            sampling, elements: configuration sections `ensemble` and `elements`.
            frames, observe: when and what is observed.
        """
        system = self.system(elements, potential.dtype)
        return Simulation(self.field(potential, sampling), frames, observe, potential.parameters, system)


def force_field_of(potential: Model, sampling: Mapping[str, Any], atoms: int, cell: np.ndarray) -> ForceField:
    """The force field that the configuration section `ensemble` describes, for a cell [3, 3] in Å."""
    field = force_field(
        potential.architecture, atoms, cell, sampling["neighbour_skin"], sampling["rebuild_interval"]
    )
    return field.with_capacity(sampling["neighbour_capacity"])


def save_ensemble(path: str | Path, ensemble: Ensemble) -> None:
    """Write an ensemble file."""
    arrays = {name: getattr(ensemble, name) for name in _UNITS}
    content = ArrayFile(arrays, _UNITS, ensemble.metadata)
    write_arrays(path, "ensemble", content)


def load_ensemble(path: str | Path) -> Ensemble:
    """Read an ensemble file.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "ensemble")
    return Ensemble(**content.arrays, metadata=content.metadata)


def sample_ensemble(
    potential: Model,
    sampling: Mapping[str, Any],
    kelvin: float,
    species: np.ndarray,
    cell: np.ndarray,
    elements: list[Mapping[str, Any]],
    positions: np.ndarray,
    velocities: np.ndarray | None,
    seed: int,
) -> Ensemble:
    """Sample starting points at a potential.

    Arguments:
        potential: see there.
        sampling: configuration section `ensemble`.
        kelvin: temperature, K.
        species: element index of each atom [N].
        cell: cell vectors as rows [3, 3], Å.
        elements: configuration section.
        positions: where the chains begin or go on [R, N, 3], Å.
        velocities: of chains that go on [R, N, 3], Å/fs; absent where they begin and have to equilibrate.
        seed: of the noise and of the starting points' velocities.

    Raises:
        CampaignError: the dynamics blew up, or the temperature is not that of the thermostat.
    """
    dtype = potential.dtype
    system = system_of(species, cell, elements, dtype)
    sampled = system_of(species, cell, with_masses(elements, sampling["masses"]), dtype)
    key, velocity_key, noise_key = jax.random.split(jax.random.key(seed), 3)
    if velocities is None:
        equilibration = 1e3 * sampling["equilibration"]
        velocities = _drawn_velocities(key, sampled, kelvin, len(positions))
    else:
        equilibration = 0.0
    field = force_field_of(potential, sampling, len(species), cell)
    samples = sampling["samples_per_replica"]
    thermostat = Thermostat(kelvin, 1e-3 * sampling["friction"], sampling["timestep"])
    chains = sample_chains(
        field,
        thermostat,
        1e3 * sampling["decorrelation"] * samples,
        equilibration,
        potential.parameters,
        sampled,
        jnp.asarray(positions, dtype),
        jnp.asarray(velocities, dtype),
        noise_key,
    )
    recorded = np.asarray(chains.positions)
    every = recorded.shape[1] // samples
    starts = recorded[:, every - 1 :: every][:, :samples].reshape(-1, *recorded.shape[2:])
    _require_temperature(np.asarray(chains.temperatures), kelvin)
    energies = potential_energies(field, potential.parameters, system, jnp.asarray(starts, dtype))
    return Ensemble(
        species=np.asarray(system.species),
        cell=np.asarray(system.cell),
        positions=starts,
        velocities=np.asarray(_drawn_velocities(velocity_key, system, kelvin, len(starts))),
        sampled_energies=energies,
        energy_changes=np.zeros_like(energies),
        chain_positions=recorded[:, -1],
        chain_velocities=np.asarray(chains.velocities),
        recorded_positions=recorded.swapaxes(0, 1),
        energies=np.asarray(chains.energies).T,
        temperatures=np.asarray(chains.temperatures).T,
        metadata={"seed": seed, "temperature_K": kelvin},
    )


def reused(
    chunks: Sequence[Ensemble],
    number: int,
    potential: Model,
    sampling: Mapping[str, Any],
    elements: list[Mapping[str, Any]],
    kelvin: float,
    seed: int,
) -> Ensemble | None:
    """The former starting points of a chunk with fresh velocities, to be weighted for a changed potential.

    All chunks of a state come to the same decision, since each looks at the weights of all.

    Arguments:
        chunks: all chunks of the state.
        number: which of them.
        potential: the changed one.
        sampling: configuration section `ensemble`.
        elements: configuration section.
        kelvin: temperature, K.
        seed: of the velocities.

    Returns:
        none where the effective sample size has fallen below `ensemble.reuse`.
    """
    former = chunks[number]
    dtype = potential.dtype
    system = former.system(elements, dtype)
    positions = jnp.asarray(np.concatenate([chunk.positions for chunk in chunks]), dtype)
    energies = potential_energies(
        former.field(potential, sampling), potential.parameters, system, positions
    ).reshape(len(chunks), -1)
    changes = energies - np.stack([chunk.sampled_energies for chunk in chunks])
    weights = boltzmann_weights(jnp.asarray(changes.ravel()), kelvin)
    fraction = float(effective_sample_size(weights)) / len(weights)
    logger.info("effective sample size of the former ensemble: %.3f of its starting points", fraction)
    if fraction < sampling["reuse"]:
        return None
    velocities = _drawn_velocities(jax.random.key(seed), system, kelvin, len(former.positions))
    return replace(former, velocities=np.asarray(velocities), energy_changes=changes[number])


def potential_energies(
    field: ForceField, parameters: Mapping[str, Any], system: System, positions: jax.Array
) -> np.ndarray:
    """Potential energies [S] in eV of configurations [S, N, 3] in Å."""

    def one(
        field: ForceField, parameters: Mapping[str, Any], x: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        return field.architecture.energy(parameters, system.species, x, system.cell, neighbours)

    return np.asarray(over_configurations(one, field, parameters, system, positions))


def frames_of(trajectory: Mapping[str, Any], depth: float | None = None) -> Frames:
    """When trajectories are observed.

    Arguments:
        trajectory: configuration section `trajectory`.
        depth: of the adjoint, fs; the whole length when absent.
    """
    return Frames.spanning(
        trajectory["length"],
        trajectory["sampling_interval"],
        trajectory["timestep"],
        depth,
        trajectory["reversal"],
    )


def _drawn_velocities(key: jax.Array, system: System, kelvin: float, count: int) -> jax.Array:
    """Maxwell-Boltzmann velocities of so many replicas [count, N, 3], Å/fs."""
    draw = jax.vmap(lambda key: thermal_velocities(key, system.masses, kelvin))
    return draw(jax.random.split(key, count))


def _require_temperature(temperatures: np.ndarray, kelvin: float) -> None:
    means = temperatures.mean(axis=1)
    worst = means[np.argmax(np.abs(means - kelvin))]
    if abs(worst - kelvin) > 0.5 * kelvin:
        raise CampaignError(
            f"a replica ran at {worst:.0f} K where the thermostat holds {kelvin:.0f} K: the potential is releasing "
            "energy it should not have; shorten ensemble.timestep, or train on more frames "
            "(labelling.geometries)."
        )
