"""The virial pressure: what the forces add to the pressure of an ideal gas."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity
from dynrefine.surfaces.forward_mode import jvp
from dynrefine.units import BAR


def virial_pressure(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, ""]:
    """-∂U/∂V in bar, with cell and positions scaled together."""
    architecture, parameters = surfaces["potential"]

    def energy(scale: jax.Array) -> jax.Array:
        return architecture.energy(
            parameters,
            system.species,
            scale * point.positions,
            scale * point.cell,
            neighbours.of_potential,
        )

    one = jnp.ones((), point.positions.dtype)
    _, slope = jvp(energy, (one,), (one,))
    return -slope / (3.0 * BAR * point.volume)


QUANTITY = Quantity(virial_pressure, "bar")
