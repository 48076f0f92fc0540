"""Atomic environments as embedded densities of Gaussian-type orbitals, shared by potential and dipole surface.

Equations: Zhang, Hu, Jiang, J. Phys. Chem. Lett. 10, 4962 (2019), eqs. 2-5, with unit vectors in the angular
monomials so that all orbitals have the same scale.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class OrbitalBasis:
    """Size of the orbital basis around each atom.

    Attributes:
        elements: number of chemical elements.
        cutoff: Å.
        radial_functions: Gaussians per angular momentum.
        angular_momentum: largest l.
    """

    elements: int
    cutoff: float
    radial_functions: int
    angular_momentum: int

    @property
    def features(self) -> int:
        """Invariant densities per atom."""
        return self.radial_functions * (self.angular_momentum + 1)

    def initial_parameters(self, key: jax.Array) -> dict[str, jax.Array]:
        """Evenly spread Gaussians and random element coefficients.

        Returns:
            centres [n] Å, exponents [n] 1/Å², coefficients [elements, n].
        """
        first = min(0.9, 0.2 * self.cutoff)
        centres = jnp.linspace(first, 0.9 * self.cutoff, self.radial_functions)
        spacing = centres[1] - centres[0] if self.radial_functions > 1 else self.cutoff / 2
        exponents = jnp.full(self.radial_functions, 1.0 / spacing**2)
        coefficients = jax.random.normal(key, (self.elements, self.radial_functions))
        return {"centres": centres, "exponents": exponents, "coefficients": coefficients}


def monomials(angular_momentum: int) -> list[tuple[int, tuple[int, int, int], float]]:
    """Exponents (x, y, z) for each l with the square root of their multinomial weight."""
    result = []
    for degree in range(angular_momentum + 1):
        for x in range(degree, -1, -1):
            for y in range(degree - x, -1, -1):
                z = degree - x - y
                weight = math.factorial(degree) / (math.factorial(x) * math.factorial(y) * math.factorial(z))
                result.append((degree, (x, y, z), math.sqrt(weight)))
    return result


def cosine_cutoff(distance: jax.Array, cutoff: float) -> jax.Array:
    """Squared cosine cutoff, zero with its first three derivatives at the cutoff (Å in, Å in)."""
    inside = jnp.minimum(distance, cutoff)
    return (0.5 * (1.0 + jnp.cos(jnp.pi * inside / cutoff))) ** 2


def orbitals(
    basis: OrbitalBasis,
    parameters: dict[str, Any],
    species: jax.Array,
    displacements: jax.Array,
    indices: jax.Array,
) -> jax.Array:
    """Orbitals of all neighbours summed at each atom.

    Arguments:
        basis: its size.
        parameters: from `OrbitalBasis.initial_parameters`.
        species: element index of each atom [N].
        displacements: to the neighbours [N, K, 3], Å.
        indices: of the neighbours [N, K].

    Returns:
        [N, A, n]: A angular monomials (times the root of their weight) by n radial functions.
    """
    distance = jnp.sqrt(jnp.sum(displacements**2, axis=-1))
    direction = displacements / distance[..., None]
    radial = jnp.exp(-parameters["exponents"] * (distance[..., None] - parameters["centres"]) ** 2)
    radial = radial * cosine_cutoff(distance, basis.cutoff)[..., None]
    radial = radial * parameters["coefficients"][species[indices]]
    powers = _powers(direction, basis.angular_momentum)
    angular = jnp.stack(
        [
            weight * powers[x][..., 0] * powers[y][..., 1] * powers[z][..., 2]
            for _, (x, y, z), weight in monomials(basis.angular_momentum)
        ],
        axis=-2,
    )
    return jnp.einsum("iak,ikn->ian", angular, radial)


def invariant_densities(basis: OrbitalBasis, orbitals: jax.Array) -> jax.Array:
    """Squared orbitals summed over each l: rotation-invariant features [N, n (l_max + 1)]."""
    degrees = np.array([degree for degree, _, _ in monomials(basis.angular_momentum)])
    squared = orbitals**2
    per_degree = [
        jnp.sum(squared[:, degrees == degree], axis=1) for degree in range(basis.angular_momentum + 1)
    ]
    return jnp.concatenate(per_degree, axis=-1)


def _powers(direction: jax.Array, highest: int) -> list[jax.Array]:
    result = [jnp.ones_like(direction)]
    for _ in range(highest):
        result.append(result[-1] * direction)
    return result
