"""Dipole of the cell with its molecules whole: on one branch, whichever images of the atoms are given."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def whole_dipole(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, " 3"]:
    """M = Σ q_i (x_i - x_c(i)) + Σ Δμ_i in e Å, c(i) the centre of atom i in its nearest image.

    Centres are the atoms of the element with the lowest formal charge; every other atom belongs to the nearest one.
    Where each has neutral company, as the oxygen of water has, this is the dipole Σ q_i x_i + Σ Δμ_i of whole
    molecules; company that bears a charge adds its dipole about its centre. Where there is no dipole surface, charges
    are those of the potential.
    """
    architecture, parameters = surfaces["dipole" if "dipole" in surfaces else "potential"]
    geometry = point.positions, point.cell, neighbours
    charges = architecture.atomic_charges(parameters, system.species, point.positions.dtype)
    return charges @ from_centres(charges, point) + architecture.learned_dipole(
        parameters, system.species, *geometry
    )


def from_centres(charges: Float[Array, " N"], point: Point) -> Float[Array, "N 3"]:
    """The vector to each atom from its centre, Å; zero for the centres themselves."""
    fractional = to_fractional(point.positions.T, point.cell)
    separation = fractional[:, :, None] - fractional[:, None, :]
    vectors = to_cartesian(separation - jnp.round(separation), point.cell)
    is_centre = charges == jnp.min(charges)
    squared = jnp.where(is_centre, jnp.sum(jax.lax.stop_gradient(vectors) ** 2, axis=0), jnp.inf)
    nearest = jnp.where(is_centre, jnp.arange(len(charges)), jnp.argmin(squared, axis=1))
    return vectors[:, jnp.arange(len(charges)), nearest].T


QUANTITY = Quantity(whole_dipole, "e Å", surfaces=("dipole",))
