"""Quantities that can be observed along a trajectory, by name: one function and one line in the registry each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax

from dynrefine.errors import CampaignError
from dynrefine.models import Model
from dynrefine.neighbours import NeighbourList
from dynrefine.surfaces import Surface
from dynrefine.system import System


@dataclass(frozen=True)
class Series:
    """A quantity per frame.

    Attributes:
        function: (surfaces, system, positions, velocities, neighbours) -> array; the surfaces by name, the potential
            among them, whose parameters the adjoint differentiates with respect to.
        unit: of the array.
    """

    function: Callable[..., jax.Array]
    unit: str


def dipole_derivative(
    surfaces: Mapping[str, Model | Surface],
    system: System,
    positions: jax.Array,
    velocities: jax.Array,
    neighbours: NeighbourList,
) -> jax.Array:
    """dM/dt of the cell [3] in e Å/fs."""
    dipole = surfaces["dipole"]
    return dipole.architecture.dipole_derivative(
        dipole.parameters, system.species, positions, velocities, system.cell, neighbours
    )


def velocities(
    surfaces: Mapping[str, Model | Surface],
    system: System,
    positions: jax.Array,
    velocities: jax.Array,
    neighbours: NeighbourList,
) -> jax.Array:
    """Velocities of all atoms [N, 3] in Å/fs."""
    return velocities


SERIES = {
    "dipole_derivative": Series(dipole_derivative, "e Å/fs"),
    "velocities": Series(velocities, "Å/fs"),
}


def observer(names: Sequence[str], models: Mapping[str, Model]) -> Callable[..., dict[str, jax.Array]]:
    """A function (potential, system, positions, velocities, neighbours) that observes the named series at a point.

    Arguments:
        names: of the series.
        models: the surfaces beside the potential that the series need, by name.

    Raises:
        CampaignError: a series is unknown.
    """
    unknown = sorted(set(names) - set(SERIES))
    if unknown:
        raise CampaignError(f"unknown series {', '.join(unknown)}: known are {', '.join(SERIES)}.")

    def observe(
        potential: Surface,
        system: System,
        positions: jax.Array,
        velocities: jax.Array,
        neighbours: NeighbourList,
    ) -> dict[str, jax.Array]:
        surfaces = {**models, "potential": potential}
        return {
            name: SERIES[name].function(surfaces, system, positions, velocities, neighbours) for name in names
        }

    return observe
