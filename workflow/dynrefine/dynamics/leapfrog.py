"""Leapfrog trajectories, run forwards or backwards in time, with quantities observed along the way.

A node of the trajectory takes the velocity from u, half a step before the positions x, to w, half a step after:

    v = u + dt/2 F(x)/m,   w = v + dt/2 F(x)/m,   then the drift   x <- x + dt w,

and quantities are observed at (x, v). The first node starts from v itself. Walking the same nodes
backwards undoes the trajectory, as `adjoint` does. A trajectory back in time has a negative time step. How exactly
states are undone depends on how they are stored: see `floating_point` and `fixed_point`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from dynrefine.dynamics.fixed_point import FixedPoint
from dynrefine.dynamics.floating_point import FloatingPoint
from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.sufficient_lists import ListFaults, list_faults
from dynrefine.geometry.neighbours import RecordedLists
from dynrefine.geometry.system import Point, System, kinetic_energy, temperature
from dynrefine.quantities.base import Observer
from dynrefine.surfaces.base import Surface

ARITHMETICS = {"floating": FloatingPoint, "exact": FixedPoint}


@dataclass(frozen=True)
class ObservationTimes:
    """When a trajectory is observed, and how it is reversed; static under jit.

    Attributes:
        timestep: fs.
        count: observed frames, the first at the start.
        stride: steps between frames.
        kept: frames after which the state is kept, for the adjoint to start from.
        reversal: which of `ARITHMETICS` the states are in.
    """

    timestep: float
    count: int
    stride: int
    kept: int
    reversal: str = "floating"

    @classmethod
    def spanning(
        cls,
        length: float,
        interval: float,
        timestep: float,
        kept: float | None = None,
        reversal: str = "floating",
    ) -> "ObservationTimes":
        """Every `interval` fs over `length` fs, the state kept after `kept` fs (the whole length)."""
        count = max(round(length / interval), 1)
        kept_count = count if kept is None else max(round(kept / interval), 1)
        return cls(timestep, count, round(interval / timestep), kept_count, reversal)

    @property
    def arithmetic(self) -> type[FloatingPoint] | type[FixedPoint]:
        """The arithmetic of the states."""
        return ARITHMETICS[self.reversal]

    def kept_part(self) -> "ObservationTimes":
        """The frames until the kept state."""
        return replace(self, count=self.kept)

    def of_length(self, length: float) -> "ObservationTimes":
        """The frames of trajectories of another length, fs, the state kept at their end."""
        count = max(round(length / (self.stride * self.timestep)), 1)
        return replace(self, count=count, kept=count)

    def per_list(self, rebuild_interval: int) -> int:
        """Frames per neighbour list: the largest divisor of their count within the interval.

        Where the way back must use the same lists, one of them also ends with the kept part.
        """
        most = max(rebuild_interval // self.stride, 1)
        served = math.gcd(self.count, self.kept) if self.reversal == "exact" else self.count
        return max(n for n in range(1, most + 1) if served % n == 0)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["parameters", "system"],
    meta_fields=["field", "times", "along", "at_start"],
)
@dataclass(frozen=True)
class Simulation:
    """What all trajectories from the starting points of a state have in common.

    Attributes:
        field: force field.
        times: when they are observed.
        along: what is observed then.
        at_start: what is observed only at their starting points.
        parameters: of the potential.
        system: the atoms.
    """

    field: ForceField
    times: ObservationTimes
    along: Observer
    at_start: Observer
    parameters: Mapping[str, Any]
    system: System

    def observed(
        self,
        observe: Observer,
        trainable: Any,
        point: Point,
        neighbours: Any,
    ) -> Any:
        """What is observed at a point, also as a function of the trainable parameters of the potential."""
        potential = Surface(self.field.architecture, {**self.parameters, "trainable": trainable})
        return observe(potential, self.system, point, neighbours)

    def arithmetic(self, cell: jax.Array, direction: Num[Array, ""]) -> FloatingPoint | FixedPoint:
        """The arithmetic of a trajectory in this cell [3, 3] (Å), +1 forwards or -1 backwards in time."""
        return self.times.arithmetic(
            self.field, self.parameters, self.system, cell, self.times.timestep, direction
        )


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["series", "energies", "temperatures", "positions", "velocities", "lists"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Leg:
    """One trajectory in one direction of time.

    Attributes:
        series: what was observed, a tree of arrays [frames, ...].
        energies: total energy [frames], eV.
        temperatures: kinetic temperature [frames], K.
        positions: kept, after the drift that ends the last kept frame [N, 3], Å; in fixed point 2⁻³² of the cell.
        velocities: of that drift [N, 3], Å/fs; in fixed point 2⁻³² of the cell per step.
        lists: up to there; None in floating point.
    """

    series: Any
    energies: jax.Array
    temperatures: jax.Array
    positions: jax.Array
    velocities: jax.Array
    lists: RecordedLists | None

    @property
    def ends(self) -> tuple[jax.Array, jax.Array, RecordedLists | None]:
        """What the adjoint starts from: kept positions and velocities, and the lists."""
        return self.positions, self.velocities, self.lists


def propagate(
    simulation: Simulation,
    start: Point,
    direction: Num[Array, ""],
    rematerialise: bool = False,
) -> tuple[Leg, ListFaults]:
    """Integrate one trajectory.

    Arguments:
        simulation: what the trajectory has in common with others.
        start: where it begins, `represented` by the arithmetic of the times.
        direction: +1 forwards, -1 backwards in time.
        rematerialise: recompute each step when backpropagating through it, for comparisons.
    """
    field, times, system = simulation.field, simulation.times, simulation.system
    trainable = simulation.parameters["trainable"]
    arithmetic = simulation.arithmetic(start.cell, direction)
    frames_per_list = times.per_list(field.rebuild_interval)

    def run_list(carry: Any, first_frame: jax.Array) -> tuple[Any, Any]:
        reference = arithmetic.reference(carry[0][0])
        neighbours = arithmetic.neighbours(reference)

        def node(carry: Any, is_start: jax.Array) -> tuple[Any, Any]:
            x, u = carry
            first_kick, second_kick, energy = arithmetic.half_kicks(x, reference, neighbours)
            v = u + jnp.where(is_start, 0, first_kick)
            w = v + second_kick
            return (x + arithmetic.drift(w), w), (x, v, energy)

        def frame(carry: Any, number: jax.Array) -> tuple[Any, Any]:
            state, kept = carry
            is_start = number * times.stride + jnp.arange(times.stride) == 0
            step = jax.checkpoint(node) if rematerialise else node
            state, (x, v, energy) = jax.lax.scan(step, state, is_start)
            positions, velocities = arithmetic.positions(x[0], reference), arithmetic.velocities(v[0])
            point = Point(positions, velocities, start.cell)
            observed = simulation.observed(simulation.along, trainable, point, neighbours)
            kept = jax.tree.map(lambda new, old: jnp.where(number < times.kept, new, old), state, kept)
            total = energy[0] + kinetic_energy(system.masses, velocities)
            return (state, kept), (observed, total, temperature(system.masses, velocities))

        carry, observed = jax.lax.scan(frame, carry, first_frame + jnp.arange(frames_per_list))
        built_at, last = (arithmetic.positions(x, reference) for x in (reference, carry[0][0]))
        faults = list_faults(neighbours, built_at, last, field.skin)
        return carry, (observed, arithmetic.record(reference), faults)

    starts = jnp.arange(0, times.count, frames_per_list)
    state = arithmetic.start(start.positions, start.velocities)
    (_, kept), (observed, references, faults) = jax.lax.scan(run_list, (state, state), starts)
    observed = jax.tree.map(lambda a: a.reshape(times.count, *a.shape[2:]), observed)
    lists = None
    if references is not None:
        until_kept = references[: times.kept // frames_per_list]
        room = (jnp.asarray(each, jnp.int32) for each in (field.capacity, field.per_cell))
        lists = RecordedLists(until_kept, *room)
    return Leg(*observed, *kept, lists), faults.together()
