"""What periodic images take from the self-diffusion of a liquid."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import erfc

from dynrefine.geometry.cell import volume
from dynrefine.units import BOLTZMANN, ELECTRONVOLT

_NEGLIGIBLE = 6.0  # erfc(6) and exp(-36) are less than 3e-16


def finite_size_correction(kelvin: float, viscosity: float, cell: Float[np.ndarray, "3 3"]) -> float:
    """What a periodic cell takes from D, the mean over directions: ξ kT / (6 π η V^(1/3)).

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
    """ξ of a lattice, 2.837297 of a cube, by Ewald's sum; long cells have less, very long ones a negative one.

    The mean of the Oseen tensor over directions is the Coulomb potential but for a factor, so that ξ / V^(1/3) is
    what a unit charge lacks of potential through its images and their background.

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
    """The lengths up to the longest of a lattice's points, zero left out."""
    reach = np.ceil(longest * np.linalg.norm(np.linalg.inv(vectors), axis=0)).astype(int)
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)
    lengths = np.linalg.norm(grid.reshape(-1, 3) @ vectors, axis=1)
    return lengths[(lengths > 0.0) & (lengths <= longest)]
