"""A potential with the neighbour lists that dynamics needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.errors import CampaignError
from dynrefine.geometry.cell import volume
from dynrefine.geometry.cell_lists import CellGrid, cell_grid, cell_list
from dynrefine.geometry.neighbours import (
    NeighbourList,
    expected_capacity,
    images_per_axis,
    neighbour_list,
    with_nearer,
)
from dynrefine.surfaces.forward_mode import jvp


@dataclass(frozen=True)
class ForceField:
    """A potential and the settings of its neighbour lists; static under jit.

    Attributes:
        architecture: of the potential.
        skin: added to the cutoff in the lists, Å.
        capacity: neighbours per atom that fit.
        images: periodic images along each cell vector.
        rebuild_interval: steps for which a list serves.
        grid: cells that a large box is divided into for the search; None where all pairs are searched.
        farther: cutoff of a surface that sees farther than the potential, Å; None where none does.
    """

    architecture: Any
    skin: float
    capacity: int
    images: tuple[int, int, int]
    rebuild_interval: int
    grid: CellGrid | None = None
    farther: float | None = None

    def with_capacity(self, capacity: int, per_cell: int = 0) -> "ForceField":
        """The same force field with room for so many neighbours per atom and, if given, atoms per cell."""
        grid = self.grid and replace(self.grid, capacity=per_cell or self.grid.capacity)
        return replace(self, capacity=capacity, grid=grid)

    @property
    def per_cell(self) -> int:
        """Atoms in a cell of the search that fit; zero where there are no cells."""
        return self.grid.capacity if self.grid else 0

    def with_more_room(self, neighbours: int = 0, per_cell: int = 0) -> "ForceField":
        """The same force field with longer lists, and larger cells where there are any.

        Arguments:
            neighbours: of an atom that a list must hold; at least a quarter more than now is taken.
            per_cell: atoms that a cell of the search must hold; at least a quarter more than now is taken.
        """
        grid = self.grid and replace(self.grid, capacity=_more(self.grid.capacity, per_cell))
        return replace(self, capacity=_more(self.capacity, neighbours), grid=grid)

    def neighbours(self, positions: jax.Array, cell: jax.Array) -> NeighbourList:
        """A fresh list for positions [N, 3] in Å."""
        if self.farther is None:
            return self._within(self.architecture.cutoff + self.skin, positions, cell)
        found = self._within(self.farther + self.skin, positions, cell)
        return with_nearer(positions, cell, found, self.architecture.cutoff + self.skin)

    def _within(self, cutoff: float, positions: jax.Array, cell: jax.Array) -> NeighbourList:
        if self.grid is not None:
            return cell_list(positions, cell, cutoff, self.capacity, self.grid)
        return neighbour_list(positions, cell, cutoff, self.capacity, self.images)

    def energy_and_forces(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> tuple[jax.Array, jax.Array]:
        """Energy in eV and forces [N, 3] in eV/Å."""
        energy, gradient = jax.value_and_grad(self.architecture.energy, argnums=2)(
            parameters, species, positions, cell, neighbours.of_potential
        )
        return energy, -gradient

    def forces_and_products(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
        g: jax.Array,
    ) -> tuple[jax.Array, jax.Array, Any]:
        """Forces [N, 3] in eV/Å, and for g [N, 3] the products (∂F/∂x)ᵀ g and (∂F/∂θ)ᵀ g.

        Since the Hessian is symmetric, both products are derivatives of the energy's gradients along g. Forward over
        reverse mode is faster than reverse over reverse and gives the force on the way. Potentials that forward mode
        cannot differentiate are differentiated backwards twice. A potential may have a faster method of its own.
        """
        g, neighbours = _computed_once(g), neighbours.of_potential
        if hasattr(self.architecture, "forces_and_pullback"):
            force, pull = self.architecture.forces_and_pullback(
                parameters, species, positions, cell, neighbours
            )
            return force, *pull(g)

        def gradients(positions: jax.Array) -> tuple[jax.Array, Any]:
            def energy(positions: jax.Array, trainable: Any) -> jax.Array:
                own = {**parameters, "trainable": trainable}
                return self.architecture.energy(own, species, positions, cell, neighbours)

            return jax.grad(energy, argnums=(0, 1))(positions, parameters["trainable"])

        (gradient, _), along = jvp(gradients, (positions,), (g,))
        return -gradient, *jax.tree.map(jnp.negative, along)


def force_field(
    surfaces: Sequence[Any],
    cells: Float[np.ndarray, "S 3 3"],
    atoms: int,
    settings: NeighbourSettings,
    least: float = 1.0,
) -> ForceField:
    """A force field with lists sized for a liquid in these cells, unless their capacity is set.

    Arguments:
        surfaces: architectures of the potential and then of the surfaces evaluated with the same lists.
        cells: cell vectors as rows, Å.
        atoms: in each cell.
        settings: of neighbour lists.
        least: factor by which the edges of the cells may shrink.
    """
    potential, farthest = surfaces[0], max(each.cutoff for each in surfaces)
    reach = farthest + settings.neighbour_skin
    smallest = min(np.asarray(cells, float), key=volume)
    capacity = settings.neighbour_capacity or expected_capacity(atoms, volume(smallest), reach)
    images, grid = images_per_axis(least * smallest, reach), cell_grid(atoms, least * smallest, reach)
    farther = farthest if farthest > potential.cutoff else None
    return ForceField(
        potential, settings.neighbour_skin, capacity, images, settings.rebuild_interval, grid, farther
    )


def require_finite(energies: jax.Array, timestep: float) -> None:
    """Check that no replica blew up, from energies [S, ...] in eV and the time step in fs.

    Raises:
        CampaignError: an energy is not finite.
    """
    finite = np.isfinite(np.asarray(energies)).reshape(len(energies), -1).all(axis=1)
    if not finite.all():
        raise CampaignError(
            f"replica {int(np.argmin(finite))} blew up: its energy is not finite; shorten the time step (now "
            f"{timestep} fs) or train the potential on more frames (labelling.geometries)."
        )


def _more(capacity: int, needed: int) -> int:
    """A quarter more, or what is needed if that is larger; multiples of 8."""
    return 8 * max(capacity * 5 // 32 + 1, math.ceil(needed / 8))


def _computed_once(vectors: jax.Array) -> jax.Array:
    """The same vectors [N, 3] to the bit, which XLA would otherwise compute again for every pair.

    Even past an optimization barrier, it fuses all that leads to them into the gather, except a matrix product.
    """
    return jnp.dot(vectors, jnp.eye(3, dtype=vectors.dtype), precision="highest")
