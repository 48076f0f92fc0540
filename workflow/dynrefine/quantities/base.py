"""Quantities, and functions that observe several of them at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.registry import plug_in
from dynrefine.surfaces.base import Surface
from dynrefine.surfaces.joined import surfaces_of


@dataclass(frozen=True)
class Quantity:
    """Something observed at a point of phase space.

    Attributes:
        function: (surfaces, system, point, neighbours) -> array. The surfaces come by name, the potential among them,
            and the gradient has the part that goes through the parameters here that are refined.
        unit: of the array.
        surfaces: those it needs beside the potential.
    """

    function: Callable[[Mapping[str, Any], System, Point, NeighbourList], jax.Array]
    unit: str
    surfaces: tuple[str, ...] = ()


def quantity(name: str) -> Quantity:
    """The quantity of this name, in the library or of a module outside it.

    Raises:
        CampaignError: there is none.
    """
    return plug_in("quantities", name).QUANTITY


@dataclass(frozen=True, eq=False)
class Observer:
    """A function (potential, system, point, neighbours) -> values by name that observes several quantities.

    Attributes:
        quantities: by name.
        surfaces: those beside the potential that the quantities need, by name.
    """

    quantities: Mapping[str, Quantity]
    surfaces: Mapping[str, Any]

    @classmethod
    def of(cls, names: Sequence[str], surfaces: Mapping[str, Any]) -> "Observer":
        """Of the quantities with these names.

        Raises:
            CampaignError: there is no such quantity.
        """
        return cls({name: quantity(name) for name in names}, surfaces)

    def __call__(
        self, potential: Surface, system: System, point: Point, neighbours: NeighbourList
    ) -> dict[str, jax.Array]:
        """The values at a point, by name."""
        surfaces = {**self.surfaces, **surfaces_of(potential)}
        return {
            name: each.function(surfaces, system, point, neighbours) for name, each in self.quantities.items()
        }

    @property
    def architectures(self) -> list[Any]:
        """Of the surfaces, which neighbour lists have to reach as far as."""
        return [surface.architecture for surface in self.surfaces.values()]

    @property
    def units(self) -> dict[str, str]:
        """Of the quantities, by name."""
        return {name: each.unit for name, each in self.quantities.items()}
