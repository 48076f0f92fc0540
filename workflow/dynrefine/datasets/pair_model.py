"""A sum of pair potentials fitted to the forces of frames, and the energies and virials that follow from it.

Forces, energies and stresses of one potential energy surface are linked: a model fitted to the forces alone predicts,
in their unit, how energies and stresses differ from frame to frame. If the labels differ by a factor other than one,
a unit or a sign is wrong. Pair potentials describe most of the forces in molecules, liquids and metals. The share
they describe is measured and limits what may be concluded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.sparse import csr_matrix

from dynrefine.datasets.pairs import Pairs, pairs_of, spread, width

_REACH = 6.0  # Å
_SPACING = 0.25  # of the Gaussians, and their width, Å
_MOST_FRAMES = 120
_PAIRS_FITTED, _PAIRS_JUDGED = 300_000, 6_000_000  # of atoms in all frames


@dataclass(frozen=True)
class PairModel:
    """Predictions of pair potentials, fitted to the forces, for F frames.

    Attributes:
        frames: the frames [F].
        described: share of the variance of the forces that is described, corrected for the number of
            parameters; zero or less where nothing is.
        energies: up to a constant for each composition [F], in the unit of the forces times Å.
        stresses: virial stresses [F, 3, 3], in the unit of the forces per Å².
        curvature: sum over atoms of the second derivatives, in the unit of the forces per Å.
        squared_forces: sum over atoms of the squared forces.
    """

    frames: list[Atoms]
    described: float
    energies: np.ndarray
    stresses: np.ndarray
    curvature: float
    squared_forces: float


@dataclass(frozen=True)
class _Basis:
    """Gaussians of the distance for each pair of elements, which vanish smoothly at the reach."""

    kinds: list[int]
    centres: np.ndarray
    reach: float

    @property
    def size(self) -> int:
        return len(self.kinds) * (len(self.kinds) + 1) // 2 * len(self.centres)

    def pairs(self, frame: Atoms) -> tuple[Pairs, np.ndarray]:
        """The pairs within reach, and for each the index of its pair of elements."""
        pairs = pairs_of(frame, self.reach)
        pairs = pairs[pairs.distances > 1e-3]
        species = np.searchsorted(self.kinds, frame.numbers)
        low = np.minimum(species[pairs.first], species[pairs.second])
        high = np.maximum(species[pairs.first], species[pairs.second])
        return pairs, high * (high + 1) // 2 + low

    def values(self, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The functions with their first and second derivatives [pairs, centres]."""
        x = (distances[:, None] - self.centres) / _SPACING
        gauss = np.exp(-0.5 * x * x)
        first, second = -x / _SPACING * gauss, (x * x - 1.0) / _SPACING**2 * gauss
        phase = np.pi * distances[:, None] / self.reach
        taper = 0.5 * (1.0 + np.cos(phase))
        taper_first = -0.5 * np.pi / self.reach * np.sin(phase)
        taper_second = -0.5 * (np.pi / self.reach) ** 2 * np.cos(phase)
        return (
            gauss * taper,
            first * taper + gauss * taper_first,
            second * taper + 2.0 * first * taper_first + gauss * taper_second,
        )


def fit_pair_model(frames: Sequence[Atoms]) -> PairModel | None:
    """Fit pair potentials to the forces; None where these are too few for the number of parameters."""
    fitted, judged = (spread(frames, _MOST_FRAMES, pairs) for pairs in (_PAIRS_FITTED, _PAIRS_JUDGED))
    if not fitted:
        return None
    reach = min(_REACH, *(width(frame) / 2.0 for frame in judged))
    kinds = sorted({int(number) for frame in judged for number in frame.numbers})
    basis = _Basis(kinds, np.arange(0.5, reach + _SPACING, _SPACING), reach)
    if not basis.size:
        return None
    normal, moment = np.zeros((basis.size, basis.size)), np.zeros(basis.size)
    total, count = 0.0, 0
    for frame in fitted:
        design, forces = _forces(frame, basis), frame.calc.results["forces"].ravel()
        normal += design.T @ design
        moment += design.T @ forces
        total += forces @ forces
        count += len(forces)
    used = np.flatnonzero(np.diag(normal) > 1e-10 * np.diag(normal).max(initial=1e-300))
    if not len(used) or count < 2 * len(used) or total == 0.0:
        return None
    regular = normal[np.ix_(used, used)]
    regular[np.diag_indices_from(regular)] += 1e-6 * np.trace(regular) / len(used)
    coefficients = np.zeros(basis.size)
    coefficients[used] = np.linalg.solve(regular, moment[used])
    left = total - 2.0 * coefficients @ moment + coefficients @ normal @ coefficients
    energies, stresses, curvatures = zip(
        *(_said(frame, basis, coefficients) for frame in judged), strict=True
    )
    return PairModel(
        judged,
        1.0 - left / total * count / (count - len(used)),
        np.array(energies),
        np.array(stresses),
        sum(curvatures),
        sum(float(np.sum(frame.calc.results["forces"] ** 2)) for frame in judged),
    )


def _forces(frame: Atoms, basis: _Basis) -> np.ndarray:
    """The forces of each basis function [3 N, P]."""
    pairs, kind = basis.pairs(frame)
    _, slope, _ = basis.values(pairs.distances)
    size = len(basis.centres)
    force = np.zeros((len(frame), 3, basis.size))
    units = pairs.separations / pairs.distances[:, None]
    for number in np.unique(kind):
        own = kind == number
        columns = slice(number * size, (number + 1) * size)
        incidence = _incidence(pairs[own], len(frame))
        for axis in range(3):
            force[:, axis, columns] = incidence @ (-slope[own] * units[own, axis, None])
    return force.reshape(-1, basis.size)


def _said(frame: Atoms, basis: _Basis, coefficients: np.ndarray) -> tuple[float, np.ndarray, float]:
    """Energy, stress [3, 3] and curvature of a frame."""
    pairs, kind = basis.pairs(frame)
    own = coefficients.reshape(-1, len(basis.centres))[kind]
    value, slope, second = (np.sum(each * own, axis=1) for each in basis.values(pairs.distances))
    tension = (pairs.separations * (slope / pairs.distances)[:, None]).T @ pairs.separations
    volume = frame.get_volume() if frame.cell.rank == 3 else np.inf
    return float(value.sum()), tension / volume, float(2.0 * np.sum(second + 2.0 * slope / pairs.distances))


def _incidence(pairs: Pairs, atoms: int) -> csr_matrix:
    """The matrix that adds the values of pairs to second atoms and subtracts them from first [atoms, pairs]."""
    count = len(pairs.distances)
    signs = np.repeat([1.0, -1.0], count)
    places = np.concatenate([pairs.second, pairs.first]), np.tile(np.arange(count), 2)
    return csr_matrix((signs, places), shape=(atoms, count))
