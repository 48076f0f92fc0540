"""A Verlet list that is reused until atoms or cell have moved too far, with or without periodic boundaries."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ase.geometry import complete_cell

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.dynamics.force_field import ForceField, force_field
from dynrefine.errors import CampaignError
from dynrefine.geometry.cell import volume
from dynrefine.geometry.list_validity import is_valid
from dynrefine.geometry.neighbours import NeighbourList, expected_capacity

logger = logging.getLogger(__name__)

_FARTHEST = 30  # cells that an atom may be away; a list counts up to 63 between two atoms
_MARGIN = 2.0  # Å around isolated atoms, where their density is estimated

_find = jax.jit(ForceField.neighbours, static_argnums=0)


@dataclass(frozen=True)
class _Built:
    """A list and what it was built for: atoms [N, 3] in a cell [3, 3], Å, and the vectors that are periodic."""

    neighbours: NeighbourList
    positions: np.ndarray
    cell: np.ndarray
    periodic: np.ndarray


class VerletList:
    """The neighbours of moving atoms.

    Arguments:
        architecture: its `cutoff` is used, Å.
        skin: added to the cutoff, Å.
    """

    def __init__(self, architecture: Any, skin: float) -> None:
        self._architecture = architecture
        self._skin = skin
        self._capacity: int | None = None
        self._built: _Built | None = None
        self.builds = 0

    def of(
        self, positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, dtype: Any
    ) -> tuple[NeighbourList, np.ndarray]:
        """Neighbours, and the cell they refer to, which encloses all atoms along vectors without images.

        Arguments:
            positions: [N, 3], Å.
            cell: vectors as rows [3, 3], Å; those without images may be zero.
            periodic: along which vectors there are images, bool [3].
            dtype: of the positions in the search.

        Raises:
            CampaignError: the cell is flat, or an atom is many cells away.
        """
        surrounding = _surrounding_cell(positions, cell, periodic, self._architecture.cutoff + self._skin)
        if self._built is None or not self._serves(self._built, positions, surrounding, periodic):
            self._built = self._build(positions, surrounding, periodic, dtype)
            self.builds += 1
        built = self._built
        return built.neighbours, np.where(periodic[:, None], surrounding, built.cell)

    def _serves(self, built: _Built, positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray) -> bool:
        """Whether the list is for these atoms, and no pair can have come within the cutoff from beyond the skin."""
        if positions.shape != built.positions.shape or not np.array_equal(periodic, built.periodic):
            return False
        cell = np.where(periodic[:, None], cell, built.cell)
        reach = self._architecture.cutoff, self._skin
        return bool(is_valid((built.positions, built.cell), positions, cell, *reach))

    def _build(self, positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, dtype: Any) -> _Built:
        """A fresh list with the former capacity, which avoids recompilation, or a larger one if it overflows."""
        _require_near(positions @ np.linalg.inv(cell))
        expected = self._expected_room(positions, cell, periodic)
        settings = NeighbourSettings(neighbour_skin=self._skin, neighbour_capacity=self._capacity or expected)
        field = force_field([self._architecture], cell[None], len(positions), settings)
        while True:
            neighbours = _find(field, jnp.asarray(positions, dtype), jnp.asarray(cell, dtype))
            if not bool(neighbours.overflow):
                break
            field = field.with_more_room()
            field = field.with_capacity(max(field.capacity, expected))
            logger.info("a neighbour list overflowed: rebuilding it with room for %d", field.capacity)
        self._capacity = field.capacity
        return _Built(neighbours, positions.copy(), cell, periodic.copy())

    def _expected_room(self, positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray) -> int:
        """Expected neighbours per atom at the density of the atoms, at most all others without periodic images."""
        occupied = _surrounding_cell(positions, cell, periodic, _MARGIN)
        reach = self._architecture.cutoff + self._skin
        expected = expected_capacity(len(positions), volume(occupied), reach)
        if periodic.any():
            return expected
        return min(expected, 8 * math.ceil(max(len(positions) - 1, 1) / 8))


def _surrounding_cell(
    positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, room: float
) -> np.ndarray:
    """The cell; vectors without images are perpendicular to the others and exceed the atoms by `room` (Å)."""
    absent = np.any(periodic & ~cell.any(axis=1))  # complete_cell would treat these as vectors without images
    if periodic.all():
        completed = cell
    else:
        completed = complete_cell(np.where(periodic[:, None], cell, 0.0))
        extents = np.ptp(positions @ completed.T, axis=0) + room
        completed = np.where(periodic[:, None], completed, completed * extents[:, None])
    if absent or volume(completed) < 1e-6:
        raise CampaignError(
            f"the cell {np.round(cell, 3).tolist()} is flat, expected three independent vectors where there are "
            "periodic images: set atoms.cell, or atoms.pbc = False for isolated atoms."
        )
    return completed


def _require_near(fractional: np.ndarray) -> None:
    farthest = np.abs(fractional - np.round(fractional.mean(axis=0))).max()
    if farthest > _FARTHEST:
        raise CampaignError(
            f"an atom is {farthest:.0f} cells away from the others, expected at most {_FARTHEST}: call atoms.wrap()."
        )
