"""Volume of the cell, which fluctuates at constant pressure."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def volume(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, ""]:
    """Volume of the cell, Å³."""
    return point.volume


QUANTITY = Quantity(volume, "Å³")
