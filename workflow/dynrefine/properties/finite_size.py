"""How much periodic images lower the self-diffusion of a liquid."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import erfc

from dynrefine.geometry.cell import volume
from dynrefine.units import BOLTZMANN, ELECTRONVOLT

_NEGLIGIBLE = 6.0  # erfc(6) and exp(-36) are less than 3e-16


def finite_size_correction(kelvin: float, viscosity: float, cell: Float[np.ndarray, "3 3"]) -> float:
    """How much a periodic cell lowers D, averaged over directions: ξ kT / (6 π η V^(1/3)).

    Arguments:
        kelvin: temperature, K.
        viscosity: of the liquid, mPa s.
        cell: cell vectors as rows, Å.

    Returns:
        to be added to the simulated D, 1e-9 m²/s. Source: Yeh & Hummer, J. Phys. Chem. B 108, 15873 (2004).
    """
    edge = volume(cell) ** (1.0 / 3.0) * 1e-10
    energy = BOLTZMANN * kelvin * ELECTRONVOLT
    return 1e9 * lattice_constant(cell) * energy / (6.0 * math.pi * 1e-3 * viscosity * edge)


def lattice_constant(cell: Float[np.ndarray, "3 3"]) -> float:
    """ξ of a lattice by Ewald summation: 2.837297 for a cube, less for long cells, negative for very long ones.

    Averaged over directions, the Oseen tensor is the Coulomb potential times a factor. So -ξ / V^(1/3) is the
    potential of the images of a unit charge, and of their background, at the charge.

    Arguments:
        cell: cell vectors as rows.
    """
    size = volume(cell)
    split = math.sqrt(math.pi) / size ** (1.0 / 3.0)
    images = _lattice_lengths(cell, _NEGLIGIBLE / split)
    waves = _lattice_lengths(2.0 * math.pi * np.linalg.inv(cell).T, 2.0 * _NEGLIGIBLE * split)
    potential = np.sum(erfc(split * images) / images)
    potential += 4.0 * math.pi / size * np.sum(np.exp(-((0.5 * waves / split) ** 2)) / waves**2)
    potential -= 2.0 * split / math.sqrt(math.pi) + math.pi / (split**2 * size)
    return -float(potential) * size ** (1.0 / 3.0)


def _lattice_lengths(vectors: Float[np.ndarray, "3 3"], longest: float) -> Float[np.ndarray, " points"]:
    """The distances of a lattice's points from the origin up to the longest, without zero."""
    reach = np.ceil(longest * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)
    lengths = np.linalg.norm(grid.reshape(-1, 3) @ vectors, axis=1)
    return lengths[(lengths > 0.0) & (lengths <= longest)]
