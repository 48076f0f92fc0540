"""Repeats runs whose neighbour lists did not suffice, with longer or fresher ones."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from dynrefine.dynamics.force_field import ForceField
from dynrefine.errors import CampaignError
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point

logger = logging.getLogger(__name__)

_ATTEMPTS = 8


@partial(jax.tree_util.register_dataclass, data_fields=["overflow", "outrun", "needed"], meta_fields=[])
@dataclass(frozen=True)
class ListFaults:
    """What went wrong with the neighbour lists of a run.

    Attributes:
        overflow: whether an atom had more neighbours than fit.
        outrun: whether an atom moved by more than half the skin while a list was in use.
        needed: the largest `NeighbourList.needed`, int32 [..., 2].
    """

    overflow: jax.Array
    outrun: jax.Array
    needed: jax.Array

    def __or__(self, other: "ListFaults") -> "ListFaults":
        most = jnp.maximum(self.needed, other.needed)
        return ListFaults(self.overflow | other.overflow, self.outrun | other.outrun, most)

    @classmethod
    def none(cls) -> "ListFaults":
        """No fault so far."""
        return cls(jnp.asarray(False), jnp.asarray(False), jnp.zeros(2, jnp.int32))

    def together(self) -> "ListFaults":
        """The faults of many lists combined into one."""
        most = jnp.max(self.needed.reshape(-1, 2), axis=0)
        return ListFaults(jnp.any(self.overflow), jnp.any(self.outrun), most)


def list_faults(
    neighbours: NeighbourList, built_at: jax.Array, positions: jax.Array, skin: float
) -> ListFaults:
    """Faults of a list that was built at some positions and used until others [N, 3], Å."""
    farthest = jnp.max(jnp.sum((positions - built_at) ** 2, axis=-1))
    assert neighbours.needed is not None  # lists for dynamics are always searched for
    return ListFaults(neighbours.overflow, farthest > (0.5 * skin) ** 2, neighbours.needed)


Result = TypeVar("Result")


def with_sufficient_lists(
    run: Callable[[ForceField], tuple[Result, ListFaults]], field: ForceField
) -> Result:
    """Run dynamics; if a neighbour list does not suffice, make it longer or rebuild it more often, and run again.

    Raises:
        CampaignError: repeated attempts did not help, as when atoms fly apart or crowd together.
    """
    for _ in range(_ATTEMPTS):
        result, faults = run(field)
        faults = faults.together()
        if not faults.overflow and not faults.outrun:
            return result
        if faults.overflow:
            # Where atoms outran the lists, the counts of these say nothing.
            needed = (0, 0) if faults.outrun else faults.needed.tolist()
            tried, field = field, field.with_more_room(*needed)
            logger.info("a neighbour list overflowed: running again with room for %d", field.capacity)
        elif field.rebuild_interval > 1:
            field = replace(field, rebuild_interval=max(field.rebuild_interval // 2, 1))
            logger.info("atoms outran the skin: running again with lists of %d steps", field.rebuild_interval)
        else:
            break
    if faults.overflow and not faults.outrun:
        raise CampaignError(
            f"an atom had {faults.needed[0]} neighbours within cutoff and skin, where the lists had room for "
            f"{tried.capacity} after {_ATTEMPTS} attempts: atoms crowd together, so the potential has "
            "probably collapsed; train on more frames (labelling.geometries), or set neighbour_capacity if they "
            "should."
        )
    raise CampaignError(
        f"atoms move so fast that neighbour lists cannot follow (skin {field.skin} Å, {field.rebuild_interval} "
        f"steps, room for {field.capacity}): the potential has probably blown up; shorten the time step, "
        "or train on more frames (labelling.geometries)."
    )


def over_points(
    function: Callable[..., Any], field: ForceField, common: Any, points: Point, *others: Any
) -> Any:
    """Map function(field, common, point, neighbours, *others) over points, each with a fresh list.

    Arguments:
        function: of one point; if defined in a module, it is compiled once for all calls.
        field: force field.
        common: a tree of arrays shared by all points, such as the parameters of the potential.
        points: S of them.
        others: trees of arrays [S, ...] with further values for each point.

    Raises:
        CampaignError: the lists cannot be made long enough.
    """
    return with_sufficient_lists(lambda field: _map_points(function, field, common, (points, *others)), field)


def fold_points(
    function: Callable[..., Any], total: Any, field: ForceField, common: Any, points: tuple[Any, ...]
) -> Any:
    """total <- function(total, field, common, point, neighbours, *others) for each point in turn.

    Nothing is kept for a point, so memory does not grow with their number.

    Arguments:
        function: of the total so far and one point; if defined in a module, it is compiled once for all calls.
        total: initial value, a tree of arrays.
        field: force field.
        common: a tree of arrays shared by all points, such as the parameters of the potential.
        points: S of them, and trees of arrays [S, ...] with further values for each.

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
