"""A potential and other surfaces with one tree of parameters, so that they are refined together.

A gradient by these parameters has a branch for each surface. Forces and probabilities of configurations depend only
on the branch of the potential, observed quantities on those of the surfaces that they are computed with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import Element
from dynrefine.config.surfaces.joined import JoinedSettings
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.registry import plug_in
from dynrefine.surfaces.base import Surface

# A value, and the function that pulls its cotangent back to positions and parameters.
Pullback = Callable[..., tuple[jax.Array, Callable[[jax.Array], tuple[jax.Array, Any]]]]


@dataclass(frozen=True)
class JoinedSurfaces:
    """Architecture of a potential with other surfaces.

    Attributes:
        potential: its architecture.
        beside: architectures of the other surfaces, by name.
    """

    potential: Any
    beside: tuple[tuple[str, Any], ...]

    @classmethod
    def from_settings(cls, settings: JoinedSettings, elements: Sequence[Element]) -> "JoinedSurfaces":
        """The architecture of the surfaces of these settings."""
        own = {
            name: plug_in("surfaces", each.kind).SURFACE.from_settings(each, elements)
            for name, each in settings.surfaces.items()
        }
        return cls(own.pop("potential"), tuple(own.items()))

    @property
    def cutoff(self) -> float:
        """The cutoff of the potential, Å."""
        return self.potential.cutoff

    @property
    def architectures(self) -> dict[str, Any]:
        """The architectures of all surfaces, by name."""
        return {"potential": self.potential, **dict(self.beside)}

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """The initial parameters of all surfaces, by name."""
        own = {name: each.initial_parameters(key) for name, each in self.architectures.items()}
        return joined_parameters(own)

    def surfaces(self, parameters: Mapping[str, Any]) -> dict[str, Surface]:
        """Each surface with its own parameters, by name."""
        return {name: Surface(each, _own(parameters, name)) for name, each in self.architectures.items()}

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """The energy of the potential, eV."""
        return self.potential.energy(_own(parameters, "potential"), species, positions, cell, neighbours)

    @property
    def atomic_energies(self) -> Callable[..., jax.Array]:
        """The atomic energies of the potential [N], where it has any, eV."""
        of_potential = self.potential.atomic_energies
        return lambda parameters, *arguments: of_potential(_own(parameters, "potential"), *arguments)

    @property
    def relative_width(self) -> Callable[[np.ndarray], np.ndarray]:
        """That of the potential, where it has one."""
        return self.potential.relative_width

    @property
    def forces_and_pullback(self) -> Pullback:
        """That of the potential, where it has one."""
        return self._for_all(self.potential.forces_and_pullback)

    @property
    def strain_derivative_and_pullback(self) -> Pullback:
        """That of the potential, where it has one."""
        return self._for_all(self.potential.strain_derivative_and_pullback)

    def _for_all(self, of_potential: Pullback) -> Pullback:
        """The same with products by the parameters of all surfaces; those of the other surfaces are zero."""

        def for_all(parameters: Mapping[str, Any], *arguments: Any) -> tuple[jax.Array, Any]:
            value, pull = of_potential(_own(parameters, "potential"), *arguments)
            others = {name: parameters["trainable"][name] for name, _ in self.beside}

            def pull_all(cotangent: jax.Array) -> tuple[jax.Array, Any]:
                by_positions, by_potential = pull(cotangent)
                return by_positions, {"potential": by_potential, **jax.tree.map(jnp.zeros_like, others)}

            return value, pull_all

        return for_all


def joined_parameters(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One tree {"trainable", "constants"} of the parameters of several surfaces, by name."""
    return {
        branch: {name: own[branch] for name, own in parameters.items()}
        for branch in ("trainable", "constants")
    }


def surfaces_of(potential: Surface) -> dict[str, Surface]:
    """The surfaces that come with a potential: itself and those that are refined with it, by name."""
    if isinstance(potential.architecture, JoinedSurfaces):
        return potential.architecture.surfaces(potential.parameters)
    return {"potential": potential}


def architectures_of(potential: Any) -> list[Any]:
    """The architectures of the surfaces that a potential's observations may need, its own first."""
    beside = potential.beside if isinstance(potential, JoinedSurfaces) else ()
    return [potential, *(architecture for _, architecture in beside)]


def _own(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {branch: parameters[branch][name] for branch in ("trainable", "constants")}


SURFACE = JoinedSurfaces
