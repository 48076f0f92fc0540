"""Quantities of single configurations, by name: one function and one line in the registry each.

They are observed at the starting points of the trajectories alone. Averages over these suffice for static properties,
and their gradient meets no chaos: beside the ensemble part, which all gradients have, there is the explicit part
Σ_s w_s ∂O(x_s; θ)/∂θ of quantities that depend on the potential themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.dynamics.force_field import ForceField, over_configurations
from dynrefine.errors import CampaignError
from dynrefine.models import flat_parameters
from dynrefine.neighbours import NeighbourList
from dynrefine.system import System
from dynrefine.units import BAR


@dataclass(frozen=True)
class Static:
    """A quantity per configuration.

    Attributes:
        function: (architecture, parameters, system, positions, neighbours) -> array, the first two of the potential.
        unit: of the array.
    """

    function: Callable[..., jax.Array]
    unit: str


def virial_pressure(
    architecture: Any,
    parameters: Mapping[str, Any],
    system: System,
    positions: jax.Array,
    neighbours: NeighbourList,
) -> jax.Array:
    """-∂U/∂V in bar as cell and positions are scaled: what the forces add to the pressure of an ideal gas."""

    def energy(scale: jax.Array) -> jax.Array:
        return architecture.energy(
            parameters, system.species, scale * positions, scale * system.cell, neighbours
        )

    one = jnp.ones((), positions.dtype)
    _, slope = jax.jvp(energy, (one,), (one,))
    return -slope / (3.0 * BAR * system.volume)


STATICS = {
    "virial_pressure": Static(virial_pressure, "bar"),
}


def observe_statics(
    names: Sequence[str],
    architecture: Any,
    parameters: Mapping[str, Any],
    system: System,
    positions: jax.Array,
    neighbours: NeighbourList,
) -> dict[str, jax.Array]:
    """The named quantities of one configuration, by name.

    Raises:
        CampaignError: a quantity is unknown.
    """
    unknown = sorted(set(names) - set(STATICS))
    if unknown:
        raise CampaignError(
            f"unknown quantities {', '.join(unknown)} of configurations: known are {', '.join(STATICS)}."
        )
    return {
        name: STATICS[name].function(architecture, parameters, system, positions, neighbours)
        for name in names
    }


def evaluate_statics(
    names: Sequence[str],
    field: ForceField,
    parameters: Mapping[str, Any],
    system: System,
    positions: jax.Array,
) -> dict[str, jax.Array]:
    """The named quantities of configurations [S, N, 3] in Å, by name [S, ...]."""

    def one(
        field: ForceField, parameters: Mapping[str, Any], x: jax.Array, neighbours: NeighbourList
    ) -> dict[str, jax.Array]:
        return observe_statics(names, field.architecture, parameters, system, x, neighbours)

    return over_configurations(one, field, parameters, system, positions) if names else {}


def statics_gradient(
    field: ForceField,
    parameters: Mapping[str, Any],
    system: System,
    positions: jax.Array,
    seeds: Mapping[str, jax.Array],
) -> jax.Array:
    """The explicit part of the gradient.

    Arguments:
        field, parameters, system: force field, its potential's parameters, atoms and cell.
        positions: starting points [S, N, 3], Å.
        seeds: dL/d(quantity) of each starting point, by name [S, ...].

    Returns:
        rows that add up to it [S, P].
    """

    def one(
        field: ForceField,
        parameters: Mapping[str, Any],
        x: jax.Array,
        neighbours: NeighbourList,
        own_seeds: Mapping[str, jax.Array],
    ) -> jax.Array:
        def linearised_loss(trainable: Any) -> jax.Array:
            own = {**parameters, "trainable": trainable}
            values = observe_statics(list(own_seeds), field.architecture, own, system, x, neighbours)
            return sum(jnp.sum(seed * values[name]) for name, seed in own_seeds.items())

        return flat_parameters(jax.grad(linearised_loss)(parameters["trainable"]))[0]

    return over_configurations(one, field, parameters, system, positions, dict(seeds))
