"""Ensembles of starting points: their sampling and their files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from dynrefine.storage import ArrayFile, read_arrays, write_arrays
from dynrefine.system import System, thermal_velocities

_UNITS = {
    "positions": "Å",
    "velocities": "Å/fs",
    "energies_by_potential": "eV",
    "sampled_by": "1",
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
        energies_by_potential: of the starting points at each potential that may have sampled some of the state, the
            present one last [K, S], eV; where nothing is reused there is no other.
        sampled_by: row of the potential that sampled them [S].
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
    energies_by_potential: np.ndarray
    sampled_by: np.ndarray
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
        velocities = drawn_velocities(key, sampled, kelvin, len(positions))
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
    energies = potential_energies(field, [potential], system, jnp.asarray(starts, dtype))
    return Ensemble(
        species=np.asarray(system.species),
        cell=np.asarray(system.cell),
        positions=starts,
        velocities=np.asarray(drawn_velocities(velocity_key, system, kelvin, len(starts))),
        energies_by_potential=energies,
        sampled_by=np.zeros(len(starts), int),
        chain_positions=recorded[:, -1],
        chain_velocities=np.asarray(chains.velocities),
        recorded_positions=recorded.swapaxes(0, 1),
        energies=np.asarray(chains.energies).T,
        temperatures=np.asarray(chains.temperatures).T,
        metadata={"seed": seed, "temperature_K": kelvin},
    )


def potential_energies(
    field: ForceField, potentials: Sequence[Model], system: System, positions: jax.Array
) -> np.ndarray:
    """Energies [K, S] in eV at each potential, of one architecture, of configurations [S, N, 3] in Å."""

    def at_all(
        field: ForceField, parameters: Mapping[str, Any], x: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        def at_one(own: Mapping[str, Any]) -> jax.Array:
            return field.architecture.energy(own, system.species, x, system.cell, neighbours)

        return jax.lax.map(at_one, parameters)

    stacked = jax.tree.map(lambda *each: jnp.stack(each), *(potential.parameters for potential in potentials))
    return np.asarray(over_configurations(at_all, field, stacked, system, positions)).T


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


def drawn_velocities(key: jax.Array, system: System, kelvin: float, count: int) -> jax.Array:
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
