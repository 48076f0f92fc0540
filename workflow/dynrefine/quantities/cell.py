"""The periodic cell, which fluctuates at constant pressure."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def cell(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, "3 3"]:
    """Cell vectors as rows, Å."""
    return point.cell


QUANTITY = Quantity(cell, "Å")
