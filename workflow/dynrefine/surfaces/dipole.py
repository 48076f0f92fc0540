"""An environment-dependent dipole surface: formal charges plus a learned, translation-invariant vector.

The total dipole is M = Σ q_i x_i + Σ Δμ_i with integer formal charges q, so that M changes by whole polarisation
quanta when atoms cross the boundary, as the Berry-phase dipole does (Resta, Phys. Rev. Lett. 80, 1800 (1998)).
Δμ_i is built as in the tensorial embedded atom network of Zhang et al., J. Phys. Chem. B 124, 7284 (2020): the
l = 1 orbitals of the atom, weighted by a network of its invariant densities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.config.data import Element
from dynrefine.config.surfaces.embedded_atoms import DipoleSettings
from dynrefine.geometry.neighbours import NeighbourList, displacements, with_nearest
from dynrefine.surfaces.networks.environment_network import (
    EnvironmentNetwork,
    Environments,
    NetworkSurface,
    described_invariants,
)
from dynrefine.surfaces.networks.time_derivative import sum_of, time_derivative

_VECTOR = slice(1, 4)  # the l = 1 monomials follow the single one of l = 0


@dataclass(frozen=True)
class DipoleSurface(NetworkSurface):
    """Architecture of the dipole surface.

    Attributes:
        network: from neighbours to the weights of each atom's l = 1 orbitals, e Å.
        charges: formal charge of each element, e.
    """

    charges: tuple[float, ...]

    @classmethod
    def from_settings(cls, settings: DipoleSettings, elements: Sequence[Element]) -> "DipoleSurface":
        """The architecture that the configuration sections `dipole` and `elements` describe."""
        invariants = described_invariants(settings, len(elements))
        network = EnvironmentNetwork(invariants, tuple(settings.hidden_layers), settings.radial_functions)
        return cls(network, tuple(float(element.charge) for element in elements))

    def learned_dipole(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Σ Δμ_i [3] in e Å; arguments as for a potential's `energy`."""
        geometry = positions, cell, neighbours
        return sum_of(self.network, self._dipole_of_atoms, parameters, species, geometry)

    def local_dipoles(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Δμ_i of each atom [N, 3] in e Å; arguments as for a potential's `energy`."""
        vectors = tuple(displacements(positions, cell, neighbours))
        return self._dipoles(parameters, Environments(species, species[neighbours.indices], vectors))

    def _dipoles(self, parameters: Mapping[str, Any], atoms: Environments) -> jax.Array:
        density, weights = self.network.evaluate(parameters, atoms)
        return jnp.einsum("ixn,in->ix", density[:, _VECTOR], weights)

    def _dipole_of_atoms(self, parameters: Mapping[str, Any], atoms: Environments) -> jax.Array:
        return jnp.sum(self._dipoles(parameters, atoms), axis=0)

    def atomic_charges(
        self, parameters: Mapping[str, Any], species: jax.Array, dtype: jnp.dtype
    ) -> jax.Array:
        """Formal charge of each atom [N] in e; zero for padding."""
        return jnp.where(species >= 0, jnp.asarray(self.charges, dtype)[species], 0)

    def dipole(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Total dipole [3] in e Å, defined modulo e times the cell vectors."""
        charges = self.atomic_charges(parameters, species, positions.dtype)
        return charges @ positions + self.learned_dipole(parameters, species, positions, cell, neighbours)

    def dipole_derivative(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        velocities: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """dM/dt [3] in e Å/fs along velocities [N, 3] in Å/fs, exact and free of the polarisation quantum."""
        formal = self.atomic_charges(parameters, species, positions.dtype) @ velocities

        def learned(neighbours: NeighbourList) -> jax.Array:
            geometry = positions, cell, neighbours
            return time_derivative(
                self.network, self._dipole_of_atoms, parameters, species, geometry, velocities
            )

        return formal + with_nearest(learned, positions, cell, neighbours, self.cutoff)

    def atomic_dipole_derivatives(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        velocities: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """d/dt (q_i x_i + Δμ_i) of each atom [N, 3] in e Å/fs; they add up to `dipole_derivative`."""
        formal = self.atomic_charges(parameters, species, positions.dtype)[:, None] * velocities

        def learned(neighbours: NeighbourList) -> jax.Array:
            def dipoles(positions: jax.Array) -> jax.Array:
                return self.local_dipoles(parameters, species, positions, cell, neighbours)

            return jax.jvp(dipoles, (positions,), (velocities,))[1]

        return formal + with_nearest(learned, positions, cell, neighbours, self.cutoff)


SURFACE = DipoleSurface
