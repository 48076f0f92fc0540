"""Quantities, and observers of several of them at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax

from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point, System
from dynrefine.registry import plug_in
from dynrefine.surfaces.base import Surface
from dynrefine.surfaces.joined import surfaces_of

Function = Callable[[Mapping[str, Any], System, Point, NeighbourList], jax.Array]


@dataclass(frozen=True)
class Quantity:
    """Something observed at a point of phase space.

    Attributes:
        function: (surfaces, system, point, neighbours) -> array. The surfaces are given by name, with the potential
            among them. The gradient includes its dependence on those of their parameters that are refined.
        unit: of the array.
        surfaces: those it needs beside the potential.
        of_atoms: contributions of the atoms, as rows that add up to the quantity; the same as `function` where that
            has a row for each atom; None where the quantity is not a sum over atoms.
    """

    function: Function
    unit: str
    surfaces: tuple[str, ...] = ()
    of_atoms: Function | None = None

    @property
    def has_rows_of_atoms(self) -> bool:
        """Whether the quantity itself has a row for each atom."""
        return self.of_atoms is self.function


def quantity(name: str) -> Quantity:
    """The quantity of this name, from the library or from a module outside it.

    Raises:
        CampaignError: there is none.
    """
    return plug_in("quantities", name).QUANTITY


def name_of_parts(name: str) -> str:
    """The name under which the contributions of atoms to a quantity are recorded."""
    return f"{name}_of_atoms"


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
        """An observer of the quantities with these names.

        Raises:
            CampaignError: there is no such quantity.
        """
        return cls({name: quantity(name) for name in names}, surfaces)

    def by_atom(self) -> "Observer":
        """An observer that splits sums over atoms into the contributions of the atoms, with names of their own."""
        quantities = {}
        for name, own in self.quantities.items():
            if own.of_atoms is None or own.has_rows_of_atoms:
                quantities[name] = own
            else:
                quantities[name_of_parts(name)] = replace(own, function=own.of_atoms)
        return replace(self, quantities=quantities)

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
        """Architectures of the surfaces, whose cutoffs the neighbour lists must cover."""
        return [surface.architecture for surface in self.surfaces.values()]

    @property
    def units(self) -> dict[str, str]:
        """Units of the quantities, by name."""
        return {name: each.unit for name, each in self.quantities.items()}
