"""Periodic cells, their vectors as rows [3, 3] in Å."""

import numpy as np

from dynrefine.units import GRAM_PER_CUBIC_CENTIMETRE


def volume(cell: np.ndarray) -> float:
    """Volume of a cell, Å³."""
    return float(abs(np.linalg.det(np.asarray(cell, float))))


def mean_volume(cells: np.ndarray) -> float:
    """Mean volume of several cells [S, 3, 3], Å³."""
    return float(np.abs(np.linalg.det(np.asarray(cells, float))).mean())


def face_distances(cell: np.ndarray) -> np.ndarray:
    """Distances between opposite faces [3], Å."""
    return 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(cell, float)), axis=0)


def cubic_edge(mass: float, density: float) -> float:
    """Edge in Å of the cubic cell that holds a mass in u at a density in g/cm³."""
    return (mass / (density * GRAM_PER_CUBIC_CENTIMETRE)) ** (1.0 / 3.0)


def scaled_to_density(cell: np.ndarray, mass: float, density: float) -> np.ndarray:
    """A cell of the same shape that holds a mass in u at a density in g/cm³."""
    wanted = mass / (density * GRAM_PER_CUBIC_CENTIMETRE)
    return cell * (wanted / abs(np.linalg.det(cell))) ** (1.0 / 3.0)
