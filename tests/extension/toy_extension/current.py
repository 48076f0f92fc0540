"""Time derivative of the dipole of the bonds [3], and what the potential has to do with it: its energy times that."""

import jax

from dynrefine.quantities.base import Quantity


def current(surfaces, system, point, neighbours):
    """[3] in e Å/fs."""
    architecture, parameters = surfaces["bonds"].architecture, surfaces["bonds"].parameters

    def dipole(positions):
        return architecture.dipole(parameters, system.species, positions, point.cell, neighbours)

    return jax.jvp(dipole, (point.positions,), (point.velocities,))[1]


QUANTITY = Quantity(current, "e Å/fs", surfaces=("bonds",))
