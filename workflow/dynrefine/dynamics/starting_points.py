"""Quantities observed only at the starting points of trajectories.

Averages over these suffice for static properties, and their gradient is free of chaos. Besides the ensemble part,
which all gradients have, quantities that depend on the potential have the explicit part Σ_s w_s ∂O(x_s; θ)/∂θ.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.leapfrog import Simulation
from dynrefine.dynamics.mapping import Blocks
from dynrefine.dynamics.sufficient_lists import fold_points, over_points
from dynrefine.files.models import flat_parameters
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point


def observe_starts(simulation: Simulation, starts: Point) -> dict[str, Float[Array, "S ..."]]:
    """What is observed only at the starting points, by name.

    Arguments:
        simulation: whose `at_start` says what.
        starts: of S trajectories.
    """
    if not simulation.at_start.quantities:
        return {}
    return over_points(_observe_start, simulation.field, simulation, starts)


def _observe_start(
    field: ForceField, simulation: Simulation, point: Point, neighbours: NeighbourList
) -> dict[str, jax.Array]:
    own = replace(simulation, field=field)
    return own.observed(own.at_start, own.parameters["trainable"], point, neighbours)


def starting_gradient(
    simulation: Simulation,
    starts: Point,
    seeds: Mapping[str, Float[Array, "S ..."]],
    blocks: Blocks,
) -> Float[Array, "B P"]:
    """The explicit part of the gradient.

    Arguments:
        simulation: whose `at_start` says what is observed.
        starts: of S trajectories.
        seeds: dL/d(quantity) of each starting point, by name.
        blocks: of the starting points.

    Returns:
        rows that add up to it.
    """
    rows = blocks.zeros(flat_parameters(simulation.parameters["trainable"])[0])
    own = starts, jnp.asarray(blocks.numbers), dict(seeds)
    return fold_points(_add_explicit_part, rows, simulation.field, simulation, own)


def _add_explicit_part(
    rows: jax.Array,
    field: ForceField,
    simulation: Simulation,
    point: Point,
    neighbours: NeighbourList,
    number: jax.Array,
    seeds: Mapping[str, jax.Array],
) -> jax.Array:
    own = replace(simulation, field=field)

    def linearised_loss(trainable: Any) -> jax.Array:
        values = own.observed(own.at_start, trainable, point, neighbours)
        total = jnp.zeros((), point.positions.dtype)
        for name, seed in seeds.items():
            total += jnp.sum(seed * values[name])
        return total

    gradient = jax.grad(linearised_loss)(own.parameters["trainable"])
    return rows.at[number].add(flat_parameters(gradient)[0])
