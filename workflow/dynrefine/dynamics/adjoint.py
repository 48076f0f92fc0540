"""The reversible adjoint: gradients through a trajectory with memory that does not grow with its length.

The trajectory is walked backwards from its end. The reversed leapfrog regenerates the states, and the cotangents
λx, λw of positions and velocities are carried along. At a node (see `dynamics.leapfrog`) with cotangent
seeds s = dL/da of the quantities observed there,

    λw <- λw + dt λx                                  (the drift after the node)
    λv  = λw + (∂a/∂v)ᵀ s
    g   = (dt/2 λw + dt/2 λv) / m                     (cotangent of the force from both half kicks)
    λx <- λx + (∂a/∂x)ᵀ s + (∂F/∂x)ᵀ g
    dL/dθ <- dL/dθ + (∂a/∂θ)ᵀ s + (∂F/∂θ)ᵀ g

with F, (∂F/∂x)ᵀ g and (∂F/∂θ)ᵀ g from one evaluation. Where something is observed, the force is computed once more
beforehand, since v, and with it g, depends on the force. Method: Han & Yu, Nat. Commun. 16, 816 (2025).
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.leapfrog import Simulation
from dynrefine.dynamics.mapping import Blocks, for_each, sum_each
from dynrefine.dynamics.replicas import DIRECTIONS, compiled
from dynrefine.dynamics.sufficient_lists import ListFaults, list_faults, with_sufficient_lists
from dynrefine.errors import CampaignError
from dynrefine.geometry.neighbours import RecordedLists
from dynrefine.geometry.system import Point
from dynrefine.units import ACCELERATION


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["gradient", "position_cotangent", "velocity_cotangent", "positions", "velocities"],
    meta_fields=[],
)
@dataclass(frozen=True)
class AdjointLeg:
    """The result of walking one trajectory back.

    Attributes:
        gradient: dL/dθ, a tree like the trainable parameters.
        position_cotangent: dL/dx at the start [N, 3].
        velocity_cotangent: dL/dv at the start [N, 3].
        positions: regenerated at the start [N, 3], as given to `leapfrog.propagate`.
        velocities: regenerated at the start [N, 3], times the direction of time in fixed point.
    """

    gradient: Any
    position_cotangent: jax.Array
    velocity_cotangent: jax.Array
    positions: jax.Array
    velocities: jax.Array


def adjoint_leg(
    simulation: Simulation,
    end: Point,
    direction: Num[Array, ""],
    seeds: Any,
    lists: RecordedLists | None = None,
) -> tuple[AdjointLeg, ListFaults]:
    """Gradient of a loss that depends on the observed series of one trajectory.

    Arguments:
        simulation, direction: as given to `leapfrog.propagate`.
        end: where the trajectory ended, `Leg.positions` and `Leg.velocities` in its cell.
        seeds: dL/d(series), a tree like `Leg.series`.
        lists: those of the way there, `Leg.lists`; in floating point they are built again.
    """
    field, times, system = simulation.field, simulation.times, simulation.system
    trainable = simulation.parameters["trainable"]
    no_gradient = jax.tree.map(jnp.zeros_like, trainable)
    zero = jnp.zeros(end.positions.shape, system.masses.dtype)
    arithmetic = simulation.arithmetic(end.cell, direction)
    dt = arithmetic.dt
    references = None if lists is None else lists.references
    frames_per_list = (
        times.per_list(field.rebuild_interval) if references is None else times.count // len(references)
    )
    to_acceleration = ACCELERATION / system.masses[:, None]

    def walk_list(carry: Any, inputs: Any) -> tuple[Any, ListFaults]:
        inputs, record = inputs
        reference = arithmetic.reference(carry[0], record)
        neighbours = arithmetic.neighbours(reference)

        def pull_observed(x: jax.Array, w: jax.Array, seed: Any) -> tuple[Any, jax.Array, jax.Array]:
            def observed(trainable: Any, x: jax.Array, v: jax.Array) -> Any:
                return simulation.observed(simulation.along, trainable, Point(x, v, end.cell), neighbours)

            _, second_kick, _ = arithmetic.half_kicks(x, reference, neighbours)
            v = arithmetic.velocities(w - second_kick)
            _, pull = jax.vjp(observed, trainable, arithmetic.positions(x, reference), v)
            return pull(seed)

        def nothing_observed(x: jax.Array, w: jax.Array, seed: Any) -> tuple[Any, jax.Array, jax.Array]:
            return no_gradient, zero, zero

        def walk_node(carry: Any, step: jax.Array, number: jax.Array, seed: Any) -> tuple[Any, None]:
            x, w, position_cotangent, velocity_cotangent, gradient = carry
            x = x - arithmetic.drift(w)
            velocity_cotangent = velocity_cotangent + dt * position_cotangent
            observed_parameters, observed_x, observed_v = jax.lax.cond(
                step == 0, pull_observed, nothing_observed, x, w, seed
            )
            node_cotangent = velocity_cotangent + observed_v
            is_start = (number == 0) & (step == 0)
            before = jnp.where(is_start, 0.0, node_cotangent)
            g = 0.5 * dt * to_acceleration * (velocity_cotangent + before)
            first_kick, second_kick, force_x, force_parameters = arithmetic.half_kicks_and_products(
                x, reference, neighbours, g
            )
            position_cotangent = position_cotangent + observed_x + force_x
            gradient = jax.tree.map(
                lambda total, observed, force: total + observed + force,
                gradient,
                observed_parameters,
                force_parameters,
            )
            u = w - second_kick - jnp.where(is_start, 0, first_kick)
            return (x, u, position_cotangent, node_cotangent, gradient), None

        def walk_frame(carry: Any, inputs: Any) -> tuple[Any, None]:
            number, seed = inputs
            return jax.lax.scan(
                lambda carry, step: walk_node(carry, step, number, seed),
                carry,
                jnp.arange(times.stride),
                reverse=True,
            )

        carry, _ = jax.lax.scan(walk_frame, carry, inputs, reverse=True)
        built_at, last = (arithmetic.positions(x, reference) for x in (reference, carry[0]))
        return carry, list_faults(neighbours, built_at, last, field.skin)

    carry = (end.positions, end.velocities, zero, zero, no_gradient)
    numbers = jnp.arange(times.count)
    inputs = jax.tree.map(
        lambda a: a.reshape(times.count // frames_per_list, frames_per_list, *a.shape[1:]), (numbers, seeds)
    )
    carry, faults = jax.lax.scan(walk_list, carry, (inputs, references), reverse=True)
    positions, velocities, position_cotangent, velocity_cotangent, gradient = carry
    leg = AdjointLeg(gradient, position_cotangent, velocity_cotangent, positions, velocities)
    return leg, faults.together()


def walk_legs_back(
    simulation: Simulation,
    ends: Point,
    seeds: Any,
    lists: RecordedLists | None = None,
    blocks: Blocks | None = None,
) -> AdjointLeg:
    """The adjoint of `run_legs`.

    Arguments:
        simulation: of the legs.
        ends: where each leg ended, with leading axes [S, 2]; the cell [S, 3, 3].
        seeds: dL/d(series) of each leg.
        lists: of each leg.
        blocks: of the starting points whose gradients are added up; by default each point is a block.

    Returns:
        adjoint legs with two leading axes, starting point and direction of time; the gradient has one, the block.

    Raises:
        CampaignError: the lists do not suffice.
    """
    blocks = blocks or Blocks(len(ends.positions))
    all_legs = compiled(_all_legs, simulation.times.arithmetic, "blocks")

    def run(field: ForceField) -> Any:
        return all_legs(replace(simulation, field=field), ends, seeds, lists, blocks)

    if lists is None:
        return with_sufficient_lists(run, simulation.field)
    # They sufficed on the way there and must be the same here.
    field = simulation.field.with_capacity(*(int(jnp.max(each)) for each in (lists.capacity, lists.per_cell)))
    legs, faults = run(field)
    if jnp.any(faults.overflow):
        raise CampaignError(
            f"neighbour lists overflowed on the way back, with room for {field.capacity} neighbours of an atom and "
            f"{field.per_cell} atoms in a cell of the search, expected enough room, as on the way there: delete "
            "the trajectories of this iteration so that they run again; another version of dynrefine may have made "
            "them."
        )
    return legs


def _all_legs(simulation: Simulation, ends: Point, seeds: Any, lists: Any, blocks: Blocks) -> Any:
    def legs(ends: Point, seeds: Any, lists: Any) -> Any:
        def leg(positions: Any, velocities: Any, direction: Any, seeds: Any, lists: Any) -> Any:
            end = Point(positions, velocities, ends.cell)
            return adjoint_leg(simulation, end, direction, seeds, lists)

        directions = jnp.asarray(DIRECTIONS, ends.positions.dtype)
        both, faults = for_each(leg)(ends.positions, ends.velocities, directions, seeds, lists)
        gradient = jax.tree.map(lambda each: each.sum(axis=0), both.gradient)
        return gradient, (replace(both, gradient=None), faults)

    gradient, (legs, faults) = sum_each(legs, blocks, simulation.parameters["trainable"])(ends, seeds, lists)
    return replace(legs, gradient=gradient), faults
