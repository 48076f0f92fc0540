"""The potential energy, which depends on the potential."""

from dynrefine.quantities.base import Quantity


def energy(surfaces, system, point, neighbours):
    """eV."""
    architecture, parameters = surfaces["potential"]
    return architecture.energy(parameters, system.species, point.positions, point.cell, neighbours)


QUANTITY = Quantity(energy, "eV")
