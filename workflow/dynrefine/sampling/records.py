"""Quantities at the records of the chains that sampled an ensemble: many more than its starting points."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.steps import SimulationSettings
from dynrefine.dynamics.force_field import ForceField, force_field, over_points
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, system_of
from dynrefine.quantities.base import Observer
from dynrefine.surfaces.base import Surface


def observe_records(
    potential: Model, ensemble: Ensemble, settings: SimulationSettings, observer: Observer
) -> dict[str, Float[Array, "R records ..."]]:
    """What is observed at the records of the chains of a chunk, by name.

    Velocities, which are independent of positions in the canonical ensemble, are those of the starting points.

    Arguments:
        potential: at which the chains ran.
        ensemble: of the chains.
        settings: elements and neighbour lists.
        observer: of the quantities.
    """
    records, chains = ensemble.recorded_positions.shape[:2]
    samples = len(ensemble.velocities) // chains
    drawn = np.arange(records) * samples // records
    velocities = ensemble.velocities.reshape(chains, samples, *ensemble.velocities.shape[1:])[:, drawn]
    each = ensemble.recorded_positions.swapaxes(0, 1), velocities, ensemble.recorded_cells.swapaxes(0, 1)
    flat = [jnp.asarray(array.reshape(-1, *array.shape[2:]), potential.dtype) for array in each]
    system = system_of(ensemble.species, settings.elements, potential.dtype)
    field = force_field(potential.architecture, np.asarray(flat[2]), len(ensemble.species), settings.ensemble)

    def one(field: ForceField, parameters: Mapping[str, Any], point: Point, neighbours: NeighbourList) -> Any:
        return observer(Surface(field.architecture, parameters), system, point, neighbours)

    found = over_points(one, field, potential.parameters, Point(*flat))
    return {name: values.reshape(chains, records, *values.shape[1:]) for name, values in found.items()}
