"""Sampling by Langevin dynamics in the middle scheme (BAOA), at constant volume or pressure.

One force per step: v <- v + dt F/m; x <- x + dt/2 v; v <- c v + noise; x <- x + dt/2 v. Positions of harmonic modes
are sampled exactly at any stable time step (Zhang et al., J. Phys. Chem. A 123, 6056 (2019)). A barostat acts
whenever a neighbour list has reached the end of its life.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from dynrefine.dynamics.barostat import Barostat
from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.sufficient_lists import ListFaults, list_faults
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System, temperature, without_drift
from dynrefine.quantities.virial_pressure import virial_pressure
from dynrefine.surfaces.base import Surface
from dynrefine.units import ACCELERATION, BOLTZMANN

RECORD_INTERVAL = 20.0  # fs between records of a chain, approximately


@dataclass(frozen=True)
class Thermostat:
    """Langevin thermostat; static under jit.

    Attributes:
        kelvin: temperature, K.
        friction: 1/fs.
        timestep: fs.
    """

    kelvin: float
    friction: float
    timestep: float


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["positions", "velocities", "cells", "energies", "temperatures"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Chain:
    """Records of one replica at even intervals of time.

    Attributes:
        positions: at the end of each interval [records, N, 3], Å.
        velocities: after the last step [N, 3], Å/fs.
        cells: at the end of each interval [records, 3, 3], Å.
        energies: mean potential energy of each interval [records], eV.
        temperatures: mean kinetic temperature of each interval [records], K.
    """

    positions: jax.Array
    velocities: jax.Array
    cells: jax.Array
    energies: jax.Array
    temperatures: jax.Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["parameters", "system"],
    meta_fields=["field", "thermostat", "duration", "barostat"],
)
@dataclass(frozen=True)
class LangevinDynamics:
    """What all chains of a state have in common.

    Attributes:
        field: force field.
        thermostat: to control the temperature.
        duration: of the recorded part, fs.
        parameters: of the potential.
        system: the atoms.
        barostat: to control the pressure; None at constant volume.
    """

    field: ForceField
    thermostat: Thermostat
    duration: float
    parameters: Mapping[str, Any]
    system: System
    barostat: Barostat | None = None

    @property
    def lists_per_record(self) -> int:
        """Lifetimes of a neighbour list from record to record."""
        lifetime = self.field.rebuild_interval * self.thermostat.timestep
        return max(round(RECORD_INTERVAL / lifetime), 1)

    @property
    def interval(self) -> float:
        """Time from record to record, fs."""
        return self.lists_per_record * self.field.rebuild_interval * self.thermostat.timestep

    @property
    def records(self) -> int:
        """Number of records."""
        return max(round(self.duration / self.interval), 1)


def sample_chain(
    dynamics: LangevinDynamics,
    start: Point,
    key: jax.Array,
    equilibration: Int[Array, ""],
) -> tuple[Chain, ListFaults]:
    """Equilibrate one replica, then record it.

    Arguments:
        dynamics: of the chain.
        start: where it begins.
        key: of the noise.
        equilibration: intervals to run before the first recorded one, traced.
    """
    field, thermostat, system = dynamics.field, dynamics.thermostat, dynamics.system
    parameters, lists_per_record = dynamics.parameters, dynamics.lists_per_record
    dtype = start.positions.dtype
    dt = jnp.asarray(thermostat.timestep, dtype)
    retained = jnp.exp(-thermostat.friction * dt)
    spread = jnp.sqrt(BOLTZMANN * thermostat.kelvin * ACCELERATION / system.masses)[:, None]
    noise_scale = jnp.sqrt(1.0 - retained**2) * spread

    def rescaled(point: Point, neighbours: NeighbourList, key: jax.Array) -> Point:
        if dynamics.barostat is None:
            return point
        potential = Surface(field.architecture, parameters)
        virial = virial_pressure({"potential": potential}, system, point, neighbours)
        interval = field.rebuild_interval * thermostat.timestep
        return dynamics.barostat.rescaled(point, virial, thermostat.kelvin, interval, key)

    def run_list(point: Point, number: jax.Array) -> tuple[Point, Any]:
        cell = point.cell
        neighbours = field.neighbours(point.positions, cell)
        list_key = jax.random.fold_in(key, number)

        def step(carry: Any, step_key: jax.Array) -> tuple[Any, tuple[jax.Array, jax.Array]]:
            x, v = carry
            energy, force = field.energy_and_forces(parameters, system.species, x, cell, neighbours)
            v = v + dt * ACCELERATION * force / system.masses[:, None]
            x = x + 0.5 * dt * v
            v = retained * v + noise_scale * jax.random.normal(step_key, v.shape, dtype)
            v = without_drift(system.masses, v)
            x = x + 0.5 * dt * v
            return (x, v), (energy, temperature(system.masses, v))

        (x, v), (energies, temperatures) = jax.lax.scan(
            step, (point.positions, point.velocities), jax.random.split(list_key, field.rebuild_interval)
        )
        faults = list_faults(neighbours, point.positions, x, field.skin)
        # a key that no step uses
        last = rescaled(Point(x, v, cell), neighbours, jax.random.fold_in(list_key, field.rebuild_interval))
        return last, (jnp.mean(energies), jnp.mean(temperatures), faults)

    def run_interval(point: Point, number: jax.Array) -> tuple[Point, Any]:
        numbers = number * lists_per_record + jnp.arange(lists_per_record)
        last, (energies, temperatures, faults) = jax.lax.scan(run_list, point, numbers)
        recorded = last.positions, last.cell, jnp.mean(energies), jnp.mean(temperatures)
        return last, (recorded, faults.together())

    def equilibrate(number: jax.Array, carry: tuple[Point, ListFaults]) -> tuple[Point, ListFaults]:
        point, faults = carry
        point, (_, new_faults) = run_interval(point, number)
        return point, faults | new_faults

    point, faults = jax.lax.fori_loop(0, equilibration, equilibrate, (start, ListFaults.none()))
    last, (recorded, new_faults) = jax.lax.scan(
        run_interval, point, equilibration + jnp.arange(dynamics.records)
    )
    positions, cells, energies, temperatures = recorded
    chain = Chain(positions, last.velocities, cells, energies, temperatures)
    return chain, faults | new_faults.together()
