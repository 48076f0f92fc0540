"""Shear components of the pressure tensor."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity
from dynrefine.surfaces.base import strain_derivative
from dynrefine.units import BAR, KINETIC


def stress(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, " 5"]:
    """Components xy, xz, yz, (xx - yy)/2 and (yy - zz)/2 of P = (Σ m v vᵀ - ∂U/∂strain)/V, bar."""
    architecture, parameters = surfaces["potential"]
    x, y, z = point.velocities.T
    virial = -strain_derivative(
        architecture, parameters, system.species, point.positions, point.cell, neighbours.of_potential
    )

    def pressure(one: int, other: int) -> Float[Array, ""]:
        moving = KINETIC * jnp.sum(system.masses * (x, y, z)[one] * (x, y, z)[other])
        return (moving + virial[one, other]) / (BAR * point.volume)

    normal = [pressure(axis, axis) for axis in range(3)]
    return jnp.stack(
        [
            pressure(0, 1),
            pressure(0, 2),
            pressure(1, 2),
            0.5 * (normal[0] - normal[1]),
            0.5 * (normal[1] - normal[2]),
        ]
    )


QUANTITY = Quantity(stress, "bar")
