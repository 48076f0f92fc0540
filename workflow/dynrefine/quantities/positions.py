"""Positions of all atoms."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def positions(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, "N 3"]:
    """Positions of all atoms, in any of their periodic images, Å."""
    return point.positions


QUANTITY = Quantity(positions, "Å")
