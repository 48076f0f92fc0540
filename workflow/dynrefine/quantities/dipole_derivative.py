"""Time derivative of the cell's dipole."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float

from dynrefine.errors import CampaignError
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def dipole_derivative(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, " 3"]:
    """dM/dt of the cell in e Å/fs, from the dipole surface or, if there is none, from the potential's charges."""
    dipole = surfaces.get("dipole", surfaces["potential"])
    return dipole.architecture.dipole_derivative(
        dipole.parameters, system.species, point.positions, point.velocities, point.cell, neighbours
    )


def of_atoms(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, "N 3"]:
    """The contribution of each atom, e Å/fs.

    Raises:
        CampaignError: the dipole surface is not a sum over atoms.
    """
    dipole = surfaces.get("dipole", surfaces["potential"])
    if not hasattr(dipole.architecture, "atomic_dipole_derivatives"):
        raise CampaignError(
            f"gradient.locality is set, but {type(dipole.architecture).__name__} has no dipoles of single atoms "
            "(atomic_dipole_derivatives): leave it out."
        )
    return dipole.architecture.atomic_dipole_derivatives(
        dipole.parameters, system.species, point.positions, point.velocities, point.cell, neighbours
    )


QUANTITY = Quantity(dipole_derivative, "e Å/fs", surfaces=("dipole",), of_atoms=of_atoms)
