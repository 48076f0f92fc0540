"""Coulomb energy of point charges under periodic boundaries.

Both methods give the energy of the charges with each other and their surroundings, without that of a charge with
itself. The bare 1/r within molecules is included; potentials subtract it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc

from dynrefine.config.surfaces.flexible_water import waves_per_length
from dynrefine.geometry.coordinates import inverse
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.surfaces.pair_sums import sum_over_pairs
from dynrefine.units import COULOMB

_SLOPE = 2.0 / math.sqrt(math.pi)  # of erf(x) at 0


@dataclass(frozen=True)
class DampedShiftedForce:
    """Each charge is neutralised on the sphere of the cutoff, where energy and force are zero.

    Source: Fennell & Gezelter, J. Chem. Phys. 124, 234104 (2006).

    Attributes:
        cutoff: Å.
        alpha: damping, 1/Å.
    """

    cutoff: float
    alpha: float

    def energy(
        self, charges: jax.Array, positions: jax.Array, cell: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        """Of charges [N] in e at positions [N, 3] in Å, eV; the list holds each pair from both sides."""
        pairs = sum_over_pairs(self.pair_energy, {}, charges, positions, cell, neighbours)
        at_end, slope = self._at_end
        own = -_SLOPE * self.alpha - at_end + slope * self.cutoff
        return pairs + 0.5 * COULOMB * own * jnp.sum(charges**2)

    def pair_energy(self, numbers: Mapping[str, jax.Array], squared: jax.Array) -> jax.Array:
        """Energy of two unit charges, eV, from r² in Å²."""
        inside = squared < self.cutoff**2
        distance = jnp.sqrt(jnp.where(inside, squared, self.cutoff**2))
        at_end, slope = self._at_end
        energy = erfc(self.alpha * distance) / distance - at_end - slope * (distance - self.cutoff)
        return jnp.where(inside, COULOMB * energy, 0.0)

    def relative_width(self, cells: np.ndarray) -> np.ndarray:
        """Zero for cells [..., 3, 3], which may be of any width [...]."""
        return np.zeros(cells.shape[:-2])

    @property
    def _at_end(self) -> tuple[float, float]:
        """erfc(αr)/r and its slope at the cutoff, 1/Å and 1/Å²."""
        reduced = self.alpha * self.cutoff
        value = math.erfc(reduced) / self.cutoff
        return value, -(value + _SLOPE * self.alpha * math.exp(-(reduced**2))) / self.cutoff


@dataclass(frozen=True)
class Ewald:
    """All periodic images of a neutral cell, in a conductor.

    Source: Allen & Tildesley, Computer Simulation of Liquids, 2nd ed. (2017), section 6.2.

    Attributes:
        cutoff: of the part in real space, Å.
        alpha: inverse width of the Gaussian charges, 1/Å.
        waves: largest multiple of each reciprocal cell vector; the waves within this ellipsoid are summed.
    """

    cutoff: float
    alpha: float
    waves: tuple[int, int, int]

    def relative_width(self, cells: np.ndarray) -> np.ndarray:
        """Width of cells [..., 3, 3], Å, in units of the widest one that the waves suffice for [...].

        The smallest wave number on the ellipsoid is 2π over the largest singular value of the cell vectors, each
        divided by its number of waves.
        """
        of_wave = np.linalg.norm(cells / np.array(self.waves)[:, None], ord=2, axis=(-2, -1))
        return waves_per_length(self.alpha, self.cutoff) * of_wave

    def energy(
        self, charges: jax.Array, positions: jax.Array, cell: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        """Of charges [N] in e at positions [N, 3] in Å, eV; the list holds each pair from both sides."""
        pairs = sum_over_pairs(self.pair_energy, {}, charges, positions, cell, neighbours)
        own = 0.5 * _SLOPE * self.alpha * COULOMB * jnp.sum(charges**2)
        return pairs + self._of_waves(charges, positions, cell) - own

    def pair_energy(self, numbers: Mapping[str, jax.Array], squared: jax.Array) -> jax.Array:
        """Energy of two unit charges minus that of their Gaussians, eV, from r² in Å²."""
        inside = squared < self.cutoff**2
        distance = jnp.sqrt(jnp.where(inside, squared, self.cutoff**2))
        return jnp.where(inside, COULOMB * erfc(self.alpha * distance) / distance, 0.0)

    def _of_waves(self, charges: jax.Array, positions: jax.Array, cell: jax.Array) -> jax.Array:
        """2π/V Σ over k of exp(-k²/4α²)/k² |Σ_i q_i exp(ik·r_i)|², eV.

        Half of the waves are summed, the other half being their complex conjugates; the sums over the atoms are
        matrix products of factors along the cell vectors.
        """
        reciprocal = inverse(cell)
        phases = 2.0 * math.pi * _product(positions, reciprocal)
        first, second, third = (
            jnp.arange(0 if axis == 0 else -count, count + 1, dtype=cell.dtype)
            for axis, count in enumerate(self.waves)
        )
        along = [jnp.outer(phase, n) for phase, n in zip(phases.T, (first, second, third), strict=True)]
        both = along[0][:, :, None] + along[1][:, None, :]
        both = both.reshape(charges.shape[0], -1)
        cosines, sines = jnp.cos(both).T * charges[None], jnp.sin(both).T * charges[None]
        real = _product(cosines, jnp.cos(along[2])) - _product(sines, jnp.sin(along[2]))
        imaginary = _product(sines, jnp.cos(along[2])) + _product(cosines, jnp.sin(along[2]))
        numbers = jnp.stack([each.ravel() for each in jnp.meshgrid(first, second, third, indexing="ij")])
        squared = jnp.sum((2.0 * math.pi * _product(reciprocal, numbers)) ** 2, axis=0)
        counted = jnp.asarray(self._counted().ravel(), cell.dtype)
        factors = counted * jnp.exp(-squared / (4.0 * self.alpha**2)) / jnp.where(counted > 0, squared, 1.0)
        densities = (real**2 + imaginary**2).ravel()
        return 2.0 * math.pi * COULOMB / jnp.abs(jnp.linalg.det(cell)) * jnp.sum(factors * densities)

    def _counted(self) -> np.ndarray:
        """How often each wave counts: 2 for itself and its conjugate, 1 in the plane that holds both, 0 outside."""
        ranges = [np.arange(0 if axis == 0 else -count, count + 1) for axis, count in enumerate(self.waves)]
        first, second, third = np.meshgrid(*ranges, indexing="ij")
        radius = sum((n / count) ** 2 for n, count in zip((first, second, third), self.waves, strict=True))
        return np.where((radius > 0) & (radius <= 1.0), np.where(first == 0, 1.0, 2.0), 0.0)


def _product(first: jax.Array, second: jax.Array) -> jax.Array:
    """A matrix product in full precision."""
    return jnp.matmul(first, second, precision="highest")
