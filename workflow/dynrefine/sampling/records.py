"""Quantities at the records of the chains that sampled an ensemble, many more than its starting points."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.steps import SimulationSettings
from dynrefine.dynamics.force_field import ForceField, force_field
from dynrefine.dynamics.sufficient_lists import over_points
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, system_of
from dynrefine.quantities.base import Observer
from dynrefine.surfaces.base import Surface
from dynrefine.surfaces.joined import architectures_of


def observe_records(
    potential: Model, ensemble: Ensemble, settings: SimulationSettings, observer: Observer
) -> dict[str, Float[Array, "R records ..."]]:
    """What is observed at the records of the chains of a chunk, by name.

    Velocities, which are independent of positions in the canonical ensemble, are those of the starting points.

    Arguments:
        potential: with which the chains ran.
        ensemble: of the chains.
        settings: elements and neighbour lists.
        observer: of the quantities.
    """
    records, chains = ensemble.recorded_positions.shape[:2]
    samples = len(ensemble.velocities) // chains
    drawn = np.arange(records) * samples // records
    by_sample = ensemble.velocities.reshape(samples, chains, *ensemble.velocities.shape[1:])
    velocities = by_sample[drawn].swapaxes(0, 1)
    each = ensemble.recorded_positions.swapaxes(0, 1), velocities, ensemble.recorded_cells.swapaxes(0, 1)
    points = Point(*(jnp.asarray(array, potential.dtype) for array in each))
    return observe_points(potential, ensemble.species, points, settings, observer)


def observe_points(
    potential: Model,
    species: Int[np.ndarray, " N"],
    points: Point,
    settings: SimulationSettings,
    observer: Observer,
) -> dict[str, Float[Array, "R records ..."]]:
    """What is observed at points of the same atoms with two leading axes, by name.

    Arguments:
        potential: of the observer.
        species: element index of each atom.
        points: with axes of chains and of records before their own.
        settings: elements and neighbour lists.
        observer: of the quantities.
    """
    leading = points.positions.shape[:2]
    flat = jax.tree.map(lambda each: each.reshape(-1, *each.shape[2:]), points)
    system = system_of(species, settings.elements, potential.dtype)
    seen = [*architectures_of(potential.architecture), *observer.architectures]
    field = force_field(seen, np.asarray(flat.cell), len(species), settings.ensemble)
    found = over_points(_observing(observer), field, (potential.parameters, system), flat)
    return {name: values.reshape(*leading, *values.shape[1:]) for name, values in found.items()}


@cache
def _observing(observer: Observer) -> Callable[..., dict[str, jax.Array]]:
    """What is observed at one point; the same function for all chunks, so that it is compiled once."""

    def one(field: ForceField, common: Any, point: Point, neighbours: NeighbourList) -> dict[str, jax.Array]:
        parameters, system = common
        return observer(Surface(field.architecture, parameters), system, point, neighbours)

    return one
