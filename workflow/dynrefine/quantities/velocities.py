"""Velocities of all atoms."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def velocities(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, "N 3"]:
    """Velocities of all atoms, Å/fs."""
    return point.velocities


QUANTITY = Quantity(velocities, "Å/fs", of_atoms=velocities)
