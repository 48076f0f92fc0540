"""Time derivative of the cell's polarizability."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def polarizability_derivative(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, "3 3"]:
    """dα/dt of the cell in Å³/fs."""
    surface = surfaces["polarizability"]
    return surface.architecture.polarizability_derivative(
        surface.parameters, system.species, point.positions, point.velocities, point.cell, neighbours
    )


QUANTITY = Quantity(polarizability_derivative, "Å³/fs", surfaces=("polarizability",))
