"""Potential energy of the cell."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def potential_energy(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, ""]:
    """Potential energy, eV; for a trained potential without the energies of elements subtracted from the labels."""
    architecture, parameters = surfaces["potential"]
    return architecture.energy(
        parameters, system.species, point.positions, point.cell, neighbours.of_potential
    )


QUANTITY = Quantity(potential_energy, "eV")
