"""Mass density of the cell, which fluctuates at constant pressure."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity
from dynrefine.units import GRAM_PER_CUBIC_CENTIMETRE


def density(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, ""]:
    """Mass density of all atoms, g/cm³."""
    return jnp.sum(system.masses) / (GRAM_PER_CUBIC_CENTIMETRE * point.volume)


QUANTITY = Quantity(density, "g/cm³")
