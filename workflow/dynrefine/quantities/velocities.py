"""Velocities of all atoms [N, 3]."""

from collections.abc import Mapping
from typing import Any

import jax

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def velocities(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> jax.Array:
    """[N, 3] in Å/fs."""
    return point.velocities


QUANTITY = Quantity(velocities, "Å/fs")
