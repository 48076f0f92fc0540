"""Lennard-Jones 12-6 potential of one element: U = Σ over pairs of 4ε [(σ/r)¹² - (σ/r)⁶]."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import Element
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.geometry.neighbours import NeighbourList, displacements
from dynrefine.surfaces.pair_sums import along_number, dot, sum_over_pairs, twice_over_neighbours
from dynrefine.units import KILOJOULE_PER_MOLE

Parameters = Mapping[str, jax.Array]


@dataclass(frozen=True)
class LennardJones:
    """The potential with its truncation.

    Attributes:
        cutoff: Å.
        truncation: what happens at the cutoff: "truncated", "shifted" (energy zero there), "force_shifted" (energy
            and force zero) or "switched" (both fall to zero smoothly over the last part).
        switching_width: width of that last part, Å.
        tail_correction: whether the energy lost by truncation is added, as for a uniform liquid.
        sigma: at the start, Å.
        epsilon: at the start, eV.
    """

    cutoff: float
    truncation: str
    switching_width: float
    tail_correction: bool
    sigma: float
    epsilon: float

    @classmethod
    def from_settings(
        cls, settings: LennardJonesSettings | FlexibleWaterSettings, elements: Sequence[Element]
    ) -> "LennardJones":
        """The potential that the configuration section `potential` describes."""
        return cls(
            settings.cutoff,
            settings.truncation,
            settings.switching_width,
            settings.tail_correction,
            settings.sigma,
            settings.epsilon * KILOJOULE_PER_MOLE,
        )

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """σ in Å and ε in eV as the configuration gives them; nothing is random."""
        trainable = {"sigma": jnp.asarray(self.sigma), "epsilon": jnp.asarray(self.epsilon)}
        return {"trainable": trainable, "constants": {}}

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Potential energy, eV; arguments as for any potential. The list holds each pair from both sides."""
        trainable = parameters["trainable"]
        energy = sum_over_pairs(self.pair_energy, trainable, None, positions, cell, neighbours)
        return energy + self.tail(trainable, _atoms(species, cell), cell) if self.tail_correction else energy

    def atomic_energies(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Half of the energy of the pairs of each atom, and its share of the tail [N], eV."""
        trainable, vectors = parameters["trainable"], displacements(positions, cell, neighbours)
        energies = 0.5 * jnp.sum(self.pair_energy(trainable, dot(vectors, vectors)), axis=1)
        if not self.tail_correction:
            return energies
        atoms = _atoms(species, cell)
        return energies + jnp.where(species >= 0, self.tail(trainable, atoms, cell) / atoms, 0.0)

    def forces_and_pullback(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> tuple[jax.Array, Callable[[jax.Array], tuple[jax.Array, Any]]]:
        """Forces [N, 3] in eV/Å, and g [N, 3] -> (∂F/∂x)ᵀ g, (∂F/∂θ)ᵀ g; arguments as for `energy`.

        With d = x_j - x_i, γ = g_j - g_i and derivatives u' and u'' by r²: F_i = Σ_j 2u' d, the first product is
        Σ_j 2u' γ + 4u'' (d·γ) d and the second -Σ_ij ∂u'/∂θ d·γ.
        """
        force, _, along_pairs = self._pairs(parameters["trainable"], positions, cell, neighbours)

        def pullback(g: jax.Array) -> tuple[jax.Array, Any]:
            components = g.T
            relative = components[:, neighbours.indices] - components[:, :, None]
            by_positions, by_parameters = along_pairs(relative)
            return by_positions, jax.tree.map(jnp.negative, by_parameters)

        return force, pullback

    def strain_derivative_and_pullback(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> tuple[jax.Array, Callable[[jax.Array], tuple[jax.Array, Any]]]:
        """W = ∂U/∂strain [3, 3] in eV, and s [3, 3] -> derivatives of W:s by positions and θ.

        Arguments are as for `energy`. W is Σ_ij u' d dᵀ. A symmetric s strains the pairs by γ = s d: the derivative
        by x_i is -Σ_j 4u' γ + 4u'' (d·γ) d and that by θ is Σ_ij ∂u'/∂θ d·γ.
        """
        trainable = parameters["trainable"]
        force, derivative, along_pairs = self._pairs(trainable, positions, cell, neighbours)
        tail = partial(self._tail_along_strain, atoms=_atoms(species, cell), cell=cell)
        if self.tail_correction:
            derivative += tail(trainable) * jnp.eye(3, dtype=cell.dtype)

        def pullback(strain: jax.Array) -> tuple[jax.Array, Any]:
            vectors = displacements(positions, cell, neighbours)
            by_positions, by_parameters = along_pairs(_strained(vectors, strain))
            if self.tail_correction:
                slopes = jax.grad(tail)(trainable)
                trace = jnp.trace(strain)
                by_parameters = {name: by_parameters[name] + trace * slope for name, slope in slopes.items()}
            return -by_positions - _strained(force.T, strain).T, by_parameters

        return derivative, pullback

    def _pairs(
        self, trainable: Parameters, positions: jax.Array, cell: jax.Array, neighbours: NeighbourList
    ) -> tuple[jax.Array, jax.Array, Callable[[jax.Array], tuple[jax.Array, Any]]]:
        """Forces [N, 3], Σ_ij u' d dᵀ [3, 3], and what both pullbacks need for changes γ of the pairs [3, N, K].

        That is Σ_j 2u' γ + 4u'' (d·γ) d [N, 3], and Σ_ij ∂u'/∂θ d·γ.
        """
        vectors = displacements(positions, cell, neighbours)
        squared = dot(vectors, vectors)
        slopes, curvatures = jax.jvp(partial(_slope, self, trainable), (squared,), (jnp.ones_like(squared),))

        def along_pairs(relative: jax.Array) -> tuple[jax.Array, Any]:
            along = dot(vectors, relative)
            second = 2.0 * curvatures * along
            pairs = [slopes * one + second * other for one, other in zip(relative, vectors, strict=True)]
            slope = partial(_slope, self, squared=squared)
            by_parameters = {
                name: jnp.sum(along * along_number(slope, trainable, name)) for name in trainable
            }
            return twice_over_neighbours(pairs), by_parameters

        force = twice_over_neighbours([slopes * component for component in vectors])
        # Separate sums of products would compute the slopes again in each of their loops.
        derivative = jnp.einsum("aik,bik->ab", vectors, slopes[None] * vectors, precision="highest")
        return force, derivative, along_pairs

    def pair_energy(self, trainable: Parameters, squared: jax.Array) -> jax.Array:
        """u(r) in eV from r² in Å², any shape."""
        end = self.cutoff**2
        inside = squared < end
        energy = _untruncated(trainable, jnp.where(inside, squared, end))
        if self.truncation == "switched":
            energy *= self._switch(squared)
        elif self.truncation != "truncated":
            at_end, slope = jax.value_and_grad(_untruncated, argnums=1)(
                trainable, jnp.asarray(end, squared.dtype)
            )
            energy -= at_end
            if self.truncation == "force_shifted":
                energy -= 2.0 * self.cutoff * slope * (jnp.sqrt(squared) - self.cutoff)
        return jnp.where(inside, energy, 0.0)

    def _switch(self, squared: jax.Array) -> jax.Array:
        """(c² - r²)² (c² + 2r² - 3s²) / (c² - s²)³ from the distance s to the cutoff c, one below s.

        Source: Brooks et al., J. Comput. Chem. 4, 187 (1983).
        """
        start, end = (self.cutoff - self.switching_width) ** 2, self.cutoff**2
        falling = (end - squared) ** 2 * (end + 2.0 * squared - 3.0 * start) / (end - start) ** 3
        return jnp.where(squared > start, falling, 1.0)

    def tail(self, trainable: Parameters, atoms: jax.Array, cell: jax.Array) -> jax.Array:
        """The energy lost by truncation where g(r) = 1, eV: 2π N ρ ∫ [u_full(r) - u(r)] r² dr.

        Source: Allen & Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 2.8. If u jumps at the
        cutoff, its derivative by the volume misses the force of the jump. Straining the cutoff with the cell, so that
        no pair crosses it, gives the usual correction of the pressure.
        """
        volume = jnp.abs(jnp.linalg.det(cell))
        end = jnp.asarray(self.cutoff, volume.dtype)
        if self.truncation == "truncated":
            end *= (volume / jax.lax.stop_gradient(volume)) ** (1.0 / 3.0)
        third = (trainable["sigma"] / end) ** 3
        missing = 4.0 * trainable["epsilon"] * trainable["sigma"] ** 3 * (third**3 / 9.0 - third / 3.0)
        if self.truncation == "switched":
            nodes, weights = np.polynomial.legendre.leggauss(12)
            distance = self.cutoff - 0.5 * self.switching_width * (1.0 - nodes)
            weights = jnp.asarray(0.5 * self.switching_width * weights * distance**2, volume.dtype)
            squared = jnp.asarray(distance**2, volume.dtype)
            taken = _untruncated(trainable, squared) - self.pair_energy(trainable, squared)
            missing += jnp.sum(weights * taken)
        return 2.0 * math.pi * atoms**2 / volume * missing

    def _tail_along_strain(self, trainable: Parameters, atoms: jax.Array, cell: jax.Array) -> jax.Array:
        """The derivative of the tail by a strain along one axis, eV; it depends on the volume alone."""
        one = jnp.ones((), cell.dtype)
        _, slope = jax.jvp(lambda scale: self.tail(trainable, atoms, scale * cell), (one,), (one,))
        return slope / 3.0


def _atoms(species: jax.Array, cell: jax.Array) -> jax.Array:
    """Number of atoms without padding, in the precision of the cell."""
    return jnp.sum(species >= 0).astype(cell.dtype)


def _untruncated(trainable: Parameters, squared: jax.Array) -> jax.Array:
    sixth = (trainable["sigma"] ** 2 / squared) ** 3
    return 4.0 * trainable["epsilon"] * (sixth * sixth - sixth)


def _slope(potential: LennardJones, trainable: Parameters, squared: jax.Array) -> jax.Array:
    """du/d(r²) in eV/Å², any shape."""
    energy = partial(potential.pair_energy, trainable)
    return jax.jvp(energy, (squared,), (jnp.ones_like(squared),))[1]


def _strained(vectors: jax.Array, strain: jax.Array) -> jax.Array:
    """Changes of vectors [3, ...] under a symmetric strain [3, 3], without a matrix product, which may be rounded."""
    return jnp.stack([dot(strain[axis], vectors) for axis in range(3)])


SURFACE = LennardJones
