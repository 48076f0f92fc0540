"""A potential with the neighbour lists that dynamics needs, and the repair of lists that did not suffice."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

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
from dynrefine.geometry.system import Point
from dynrefine.surfaces.forward_mode import jvp

logger = logging.getLogger(__name__)

_ATTEMPTS = 8


@dataclass(frozen=True)
class ForceField:
    """A potential and how its neighbour lists are kept; static under jit.

    Attributes:
        architecture: of the potential.
        skin: added to the cutoff in the lists, Å.
        capacity: neighbours per atom that fit.
        images: periodic images along each cell vector.
        rebuild_interval: steps for which a list serves.
        grid: cells that a large box is divided into for the search; none where all pairs are looked at.
        farther: cutoff of a surface that sees farther than the potential, Å; none where no surface does.
    """

    architecture: Any
    skin: float
    capacity: int
    images: tuple[int, int, int]
    rebuild_interval: int
    grid: CellGrid | None = None
    farther: float | None = None

    def with_capacity(self, capacity: int) -> "ForceField":
        """The same force field with room for `capacity` neighbours per atom."""
        return replace(self, capacity=capacity)

    def with_more_room(self) -> "ForceField":
        """The same force field with lists, and cells where there are any, that hold a quarter more."""
        grid = self.grid and replace(self.grid, capacity=_a_quarter_more(self.grid.capacity))
        return replace(self, capacity=_a_quarter_more(self.capacity), grid=grid)

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

        The Hessian is symmetric, so both products are derivatives of the energy's gradients along g: forward over
        reverse mode, which is faster than reverse over reverse and gives the force on the way; potentials that
        forward mode does not go through are differentiated backwards twice. A potential may know how to do it faster.
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


@partial(jax.tree_util.register_dataclass, data_fields=["overflow", "outrun"], meta_fields=[])
@dataclass(frozen=True)
class ListFaults:
    """What went wrong with neighbour lists on the way, bool each.

    Attributes:
        overflow: an atom had more neighbours than fit.
        outrun: an atom moved by more than half the skin while a list served.
    """

    overflow: jax.Array
    outrun: jax.Array

    def __or__(self, other: "ListFaults") -> "ListFaults":
        return ListFaults(self.overflow | other.overflow, self.outrun | other.outrun)

    @classmethod
    def none(cls) -> "ListFaults":
        """No fault so far."""
        return cls(jnp.asarray(False), jnp.asarray(False))


def list_faults(
    neighbours: NeighbourList, built_at: jax.Array, positions: jax.Array, skin: float
) -> ListFaults:
    """Faults of a list that was built at some positions and served until others [N, 3], Å."""
    farthest = jnp.max(jnp.sum((positions - built_at) ** 2, axis=-1))
    return ListFaults(neighbours.overflow, farthest > (0.5 * skin) ** 2)


def over_points(
    function: Callable[..., Any], field: ForceField, common: Any, points: Point, *others: Any
) -> Any:
    """Map function(field, common, point, neighbours, *others) over points, each with a fresh list.

    Arguments:
        function: of one point; one of a module is compiled once for all calls.
        field: force field.
        common: a tree of arrays that all points have in common, such as the parameters of the potential.
        points: S of them.
        others: trees of arrays [S, ...] with something more for each point.

    Raises:
        CampaignError: the lists cannot be made long enough.
    """
    return with_sufficient_lists(lambda field: _map_points(function, field, common, (points, *others)), field)


def fold_points(
    function: Callable[..., Any], total: Any, field: ForceField, common: Any, points: tuple[Any, ...]
) -> Any:
    """total <- function(total, field, common, point, neighbours, *others) for each point in turn.

    Nothing is kept of a point: memory does not grow with their number.

    Arguments:
        function: of the total so far and one point; one of a module is compiled once for all calls.
        total: at first, a tree of arrays.
        field: force field.
        common: a tree of arrays that all points have in common, such as the parameters of the potential.
        points: S of them, and trees of arrays [S, ...] with something more for each.

    Raises:
        CampaignError: the lists cannot be made long enough.
    """
    return with_sufficient_lists(lambda field: _fold_points(function, field, total, common, points), field)


@partial(jax.jit, static_argnames=("function", "field"))
def _map_points(
    function: Callable[..., Any], field: ForceField, common: Any, points: tuple[Any, ...]
) -> tuple[Any, ListFaults]:
    def one(own: tuple[Any, ...]) -> tuple[Any, ListFaults]:
        point, *others = own
        neighbours, faults = _fresh_list(field, point)
        return function(field, common, point, neighbours, *others), faults

    return jax.lax.map(one, points)


@partial(jax.jit, static_argnames=("function", "field"))
def _fold_points(
    function: Callable[..., Any], field: ForceField, total: Any, common: Any, points: tuple[Any, ...]
) -> tuple[Any, ListFaults]:
    def one(total: Any, own: tuple[Any, ...]) -> tuple[Any, ListFaults]:
        point, *others = own
        neighbours, faults = _fresh_list(field, point)
        return function(total, field, common, point, neighbours, *others), faults

    return jax.lax.scan(one, total, points)


def _fresh_list(field: ForceField, point: Point) -> tuple[NeighbourList, ListFaults]:
    neighbours = field.neighbours(point.positions, point.cell)
    return neighbours, list_faults(neighbours, point.positions, point.positions, field.skin)


def force_field(
    surfaces: Sequence[Any],
    cells: Float[np.ndarray, "S 3 3"],
    atoms: int,
    settings: NeighbourSettings,
    least: float = 1.0,
) -> ForceField:
    """A force field with lists sized for a liquid in these cells, unless their capacity is set.

    Arguments:
        surfaces: architectures of the potential and, after it, of those that are evaluated with the same lists.
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


def _a_quarter_more(capacity: int) -> int:
    """Rounded up to a multiple of 8."""
    return 8 * (capacity * 5 // 32 + 1)


Result = TypeVar("Result")


def with_sufficient_lists(
    run: Callable[[ForceField], tuple[Result, ListFaults]], field: ForceField
) -> Result:
    """Run dynamics; where a neighbour list did not suffice, make it longer or fresher and run again.

    Raises:
        CampaignError: repeated repairs did not help, as when the atoms have flown apart.
    """
    for _ in range(_ATTEMPTS):
        result, faults = run(field)
        if bool(jnp.any(faults.overflow)):
            field = field.with_more_room()
            logger.info("a neighbour list overflowed: running again with room for %d", field.capacity)
        elif bool(jnp.any(faults.outrun)) and field.rebuild_interval > 1:
            field = replace(field, rebuild_interval=max(field.rebuild_interval // 2, 1))
            logger.info("atoms outran the skin: running again with lists of %d steps", field.rebuild_interval)
        elif bool(jnp.any(faults.outrun)):
            break
        else:
            return result
    raise CampaignError(
        f"atoms move so fast that neighbour lists cannot follow (skin {field.skin} Å, {field.rebuild_interval} "
        f"steps, room for {field.capacity}): the potential has probably blown up; shorten the time step, "
        "or train on more frames (labelling.geometries)."
    )


def require_finite(energies: jax.Array, timestep: float) -> None:
    """Make sure that no replica blew up, from energies [S, ...] in eV and the time step in fs.

    Raises:
        CampaignError: an energy is not finite.
    """
    finite = np.isfinite(np.asarray(energies)).reshape(len(energies), -1).all(axis=1)
    if not finite.all():
        raise CampaignError(
            f"replica {int(np.argmin(finite))} blew up: its energy is not finite; shorten the time step (now "
            f"{timestep} fs) or train the potential on more frames (labelling.geometries)."
        )


def _computed_once(vectors: jax.Array) -> jax.Array:
    """The same vectors [N, 3] to the bit, which XLA would otherwise compute again for every pair.

    It fuses all that leads to them into the gather, an optimization barrier notwithstanding, but no matrix product.
    """
    return jnp.dot(vectors, jnp.eye(3, dtype=vectors.dtype), precision="highest")
