"""Dipole of the cell with whole molecules: always on the same branch, whichever images of the atoms are given."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ase.data import covalent_radii
from jaxtyping import Array, Bool, Float, Int

from dynrefine.datasets.pairs import BONDED, NONMETALS
from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.geometry.neighbours import NeighbourList, lengths
from dynrefine.geometry.system import Point, System
from dynrefine.quantities.base import Quantity


def whole_dipole(
    surfaces: Mapping[str, Any], system: System, point: Point, neighbours: NeighbourList
) -> Float[Array, " 3"]:
    """M = Σ q_i (x_i - x_h(i)) + Σ Δμ_i in e Å, along the bonds from h(i), the heaviest atom of i's molecule.

    For neutral molecules, this is the dipole; a charged molecule adds its dipole about its heaviest atom. Where there
    is no dipole surface, the charges are those of the potential.
    """
    architecture, parameters = surfaces["dipole" if "dipole" in surfaces else "potential"]
    geometry = point.positions, point.cell, neighbours
    charges = architecture.atomic_charges(parameters, system.species, point.positions.dtype)
    return charges @ within_molecules(system.numbers, point) + architecture.learned_dipole(
        parameters, system.species, *geometry
    )


def within_molecules(numbers: Int[Array, " N"], point: Point) -> Float[Array, "N 3"]:
    """The vector to each atom from the heaviest of its molecule, Å; zero for the latter and for unbonded atoms."""
    fractions = to_fractional(point.positions.T, point.cell)
    separation = fractions[:, :, None] - fractions[:, None, :]
    images = jnp.round(separation)
    nearest = jax.lax.stop_gradient(to_cartesian(separation - images, point.cell))
    bonded = _bonds(numbers, lengths(nearest))
    heaviest, shifts = _followed(numbers, images.astype(jnp.int32), bonded)
    along_bonds = fractions + shifts.astype(fractions.dtype) - fractions[:, heaviest]
    return to_cartesian(along_bonds, point.cell).T


def _bonds(numbers: Int[Array, " N"], distances: Float[Array, "N N"]) -> Bool[Array, "N N"]:
    """Whether atoms are bonded: nonmetals that are close, but each hydrogen only to the nearest other nonmetal."""
    nonmetal = np.zeros(len(covalent_radii), bool)
    nonmetal[NONMETALS] = True
    radii, hydrogen = jnp.asarray(covalent_radii, distances.dtype)[numbers], numbers == 1
    heavier = jnp.asarray(nonmetal)[numbers] & ~hydrogen
    near = distances < BONDED * (radii[:, None] + radii[None])
    to_heavier = jnp.where(heavier[None], distances, jnp.inf)
    nearest = (to_heavier == jnp.min(to_heavier, axis=1, keepdims=True)) & heavier[None]
    owned = hydrogen[:, None] & nearest
    return (heavier[:, None] & heavier[None] & near) | owned | owned.T


def _followed(
    numbers: Int[Array, " N"], images: Int[Array, "3 N N"], bonded: Bool[Array, "N N"]
) -> tuple[Int[Array, " N"], Int[Array, "3 N"]]:
    """The heaviest atom of each atom's molecule, and the image of the atom that is reached from there along bonds.

    Arguments:
        numbers: atomic numbers.
        images: image of the second atom of each pair that is nearest to the first, in cell vectors.
        bonded: which pairs are bonded.
    """
    count = len(numbers)
    order = jnp.argsort(-numbers)  # the heaviest first; among equal ones, the first
    ranks = jnp.zeros(count, jnp.int32).at[order].set(jnp.arange(count, dtype=jnp.int32))
    linked = bonded | jnp.eye(count, dtype=bool)

    def step(found: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        ranks, shifts, _ = found
        of_linked = jnp.where(linked, ranks[None], count)
        via = jnp.argmin(of_linked, axis=1)
        lower = ranks[via] < ranks
        through = shifts[:, via] - images[:, jnp.arange(count), via]
        return jnp.where(lower, ranks[via], ranks), jnp.where(lower[None], through, shifts), lower.any()

    begun = ranks, jnp.zeros((3, count), jnp.int32), jnp.asarray(True)
    ranks, shifts, _ = jax.lax.while_loop(lambda found: found[2], step, begun)
    return order[ranks], shifts


QUANTITY = Quantity(whole_dipole, "e Å", surfaces=("dipole",))
