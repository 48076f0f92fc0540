"""Energies, forces and stresses of a potential for all beads of a ring polymer at once."""

import logging
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.dynamics.force_field import ForceField, force_field
from dynrefine.dynamics.mapping import for_each
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model
from dynrefine.geometry.list_validity import is_valid
from dynrefine.ipi.protocol import Labels
from dynrefine.surfaces.base import energy_forces_stress, require_no_wider

logger = logging.getLogger(__name__)

_LEAST = 0.9  # factor to which the edges of a cell may shrink before its lists lack images


class BeadForces:
    """The labels that `serve` needs, for structures of the same atoms; neighbour lists are reused over several calls.

    Arguments:
        potential: for all structures; it computes in its own precision.
        species: element index of each atom [N].
        settings: of neighbour lists.
        offset: added to the energies, eV.
    """

    def __init__(
        self, potential: Model, species: np.ndarray, settings: NeighbourSettings, offset: float = 0.0
    ) -> None:
        self._potential = potential
        self._species = jnp.asarray(species, jnp.int32)
        self._settings = settings
        self._offset = offset
        self._field: ForceField | None = None
        self._made_for: np.ndarray | None = None
        self._built: tuple[np.ndarray, np.ndarray] | None = None
        self._neighbours: Any = None
        self.lists_built = 0

    def __call__(self, cells: np.ndarray, positions: np.ndarray) -> Labels:
        """Energies in eV, forces in eV/Å and stresses in eV/Å³.

        Arguments:
            cells: cell vectors as rows [B, 3, 3], Å.
            positions: [B, N, 3], Å.

        Raises:
            CampaignError: an energy is not finite, a cell is too wide, or lists cannot be made long enough.
        """
        require_no_wider(self._potential.architecture, cells)
        potential, reach = (
            self._potential,
            (self._potential.architecture.cutoff, self._settings.neighbour_skin),
        )
        given = [jnp.asarray(each, potential.dtype) for each in (positions, cells)]
        if self._built is None or not np.all(is_valid(self._built, positions, cells, *reach)):
            self._build(cells, *given)
            self._built = positions, cells
        found = _labels(potential.architecture, potential.parameters, self._species, *given, self._neighbours)
        energies, forces, stresses = (np.asarray(each, np.float64) for each in jax.device_get(found))
        if not (np.isfinite(energies).all() and np.isfinite(forces).all()):
            raise CampaignError(
                "a structure blew up: its energy or forces are not finite; shorten the time step or train the "
                "potential on more frames."
            )
        return Labels(energies + self._offset, forces, stresses)

    def _build(self, cells: np.ndarray, *given: jax.Array) -> None:
        """Build fresh lists, with more room if they overflow."""
        field = self._field_for(cells)
        while True:
            self._neighbours = _find(field, *given)
            self.lists_built += 1
            if not bool(jnp.any(self._neighbours.overflow)):
                break
            field = field.with_more_room()
            logger.info("a neighbour list overflowed: rebuilding it with room for %d", field.capacity)
        self._field = field

    def _field_for(self, cells: np.ndarray) -> ForceField:
        """The present force field, or a new one if a cell has become too narrow for it."""
        if self._field is not None and self._made_for is not None:
            stretch = np.linalg.svd(np.linalg.solve(self._made_for, cells), compute_uv=False)
            if stretch.min() > _LEAST:
                return self._field
        self._made_for = cells.copy()
        return force_field(
            [self._potential.architecture], cells, len(self._species), self._settings, least=_LEAST
        )


@partial(jax.jit, static_argnums=0)
def _find(field: ForceField, positions: jax.Array, cells: jax.Array) -> Any:
    return for_each(field.neighbours)(positions, cells)


@partial(jax.jit, static_argnums=0)
def _labels(architecture: Any, parameters: Any, species: jax.Array, *structures: Any) -> Any:
    return for_each(partial(energy_forces_stress, architecture, parameters, species))(*structures)
