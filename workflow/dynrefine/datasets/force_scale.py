"""The size of forces compared with what bonds, noble gases and temperature allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

from dynrefine import units
from dynrefine.datasets.pair_model import PairModel
from dynrefine.datasets.pairs import BONDED, NONMETALS, pairs_of, spread
from dynrefine.datasets.slopes import Slope, slope_of

_STIFFNESS = 3.5  # largest factor between the stiffness of bonds and Badger's rule, either way
_KNOWN_STIFFNESS = 1.4  # the same for bonds to hydrogen that are as long as in molecules
# By the element that hydrogen is bonded to: lengths in molecules, Å, and stiffness over that of Badger's rule (liquid
# water of revPBE-D3, PBE0 and r2SCAN 0.92 to 1.02, 23 molecules of GFN2-xTB 0.88 to 1.20).
_KNOWN = {6: (1.05, 1.15, 1.12), 7: (0.98, 1.07, 1.08), 8: (0.94, 1.02, 0.95), 9: (0.90, 0.99, 0.95)}
_FEW_BONDS = 12  # too few for a curved fit
_STRETCHED = 0.1  # Å from the median length, within which a parabola describes the force
_MANY_BONDS = 24  # enough to conclude that forces do not belong to them
_LEAST_SPREAD, _LEAST_PULL = 0.012, 0.4  # of moving bonds to hydrogen: length, Å, and force, eV/Å
_LEAST_CORRELATION = 0.6  # of force and length of such bonds; 0.9 in liquid water
_NOBLE_STIFFNESS = 4.0  # largest factor between forces and pair potentials of noble gases
_BONDED_FORCE = (0.05, 20.0)  # root mean square force component where hydrogen is bonded and moving, eV/Å
_HOTTEST = 20000.0  # highest temperature that forces of other elements may imply, K
_LEAST_DESCRIBED = 0.4  # share of the forces that a model must describe to serve as a check
_BONDS_END = 3.5  # no bond of nonmetals is longer, Å
_MILLIDYNE = 6.2415  # mdyn/Å in eV/Å²
_LENNARD_JONES = {
    2: (10.2, 2.56),
    10: (32.8, 2.82),
    18: (119.8, 3.405),
    36: (164.0, 3.83),
    54: (221.0, 4.10),
}  # K, Å


@dataclass(frozen=True)
class Scale:
    """The ratio of the forces to the expected size, its relative error, and the factor within which it must lie.

    A negative ratio means that the forces have the opposite sign.
    """

    ratio: float
    error: float
    width: float
    found: str
    expected: str

    @property
    def wrong(self) -> bool:
        """Whether the size or the sign of the forces is impossible."""
        return self.ratio <= 0.0 or abs(np.log(self.ratio)) > np.log(self.width) + 2.0 * self.error


def force_scale(frames: Sequence[Atoms], model: PairModel | None) -> Scale | None:
    """How the forces of frames compare with what is known of the substance; None where nothing is known.

    Arguments:
        frames: with forces.
        model: pair potentials fitted to them.
    """
    return _of_bonds(frames) or _of_noble_gas(frames) or _of_hydrogen(frames) or _of_heat(model)


def unrelated_sentence(frames: Sequence[Atoms]) -> str | None:
    """A sentence if the forces do not belong to the bonds they are said to act on.

    Arguments:
        frames: with forces.
    """
    moved = [frame for frame in frames if 1 in frame.numbers and len(frame) > 1]
    if len(moved) > 1 and not any(frame.calc.results["forces"].any() for frame in moved):
        return (
            "all forces are 0, expected some that are not: they seem to stand in for missing labels; label the "
            "frames or leave them out."
        )
    for kind, (lengths, pulls) in _bonds(frames).items():
        if kind[0] != 1 or kind[1] not in _KNOWN or len(lengths) < _MANY_BONDS:
            continue
        low, high, _ = _KNOWN[kind[1]]
        moving = np.std(lengths) > _LEAST_SPREAD and np.sqrt(np.mean(pulls**2)) > _LEAST_PULL
        if not moving or not low < np.median(lengths) < high:
            continue
        _, correlation = _stiffness(lengths, pulls)
        if abs(correlation) < _LEAST_CORRELATION:
            return (
                f"forces along bonds to hydrogen do not follow the lengths of the bonds (correlation "
                f"{correlation:.2f}), expected a strong correlation: forces and positions seem to be of different "
                "atoms, axes or frames; put them in the same order."
            )
    return None


def _of_bonds(frames: Sequence[Atoms]) -> Scale | None:
    """From the force along bonds of nonmetals against their length; bonds to hydrogen are preferred."""
    stiffnesses = []
    for kind, (lengths, pulls) in _bonds(frames).items():
        if len(lengths) < 6 or np.ptp(lengths) < 1e-3:
            continue
        typical = float(np.median(lengths))
        found, correlation = _stiffness(lengths, pulls)
        if abs(correlation) > 0.5 and abs(found.value) > 3.0 * found.error:
            low, high, share = _KNOWN.get(kind[1], (0.0, 0.0, 1.0)) if kind[0] == 1 else (0.0, 0.0, 1.0)
            expected = share * _badger(kind, typical)
            known = low < typical < high and len(lengths) >= _FEW_BONDS and abs(correlation) > 0.8
            scale = Scale(
                found.value / expected,
                found.error / abs(found.value),
                _KNOWN_STIFFNESS if known else _STIFFNESS,
                f"the stiffness of bonds {'to hydrogen' if kind[0] == 1 else 'of nonmetals'} is "
                f"{found.value:.3g} eV/Å²",
                f"about {expected:.2g}",
            )
            stiffnesses.append(((kind[0] == 1, known, len(lengths)), scale))
    return max(stiffnesses, key=lambda each: each[0])[1] if stiffnesses else None


def _bonds(frames: Sequence[Atoms]) -> dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]:
    """The lengths of all bonds, Å, and the forces that pull their ends apart, eV/Å, by pair of nonmetals."""
    rows: dict[tuple[int, int], list[np.ndarray]] = {}
    for frame in spread(frames, 200):
        pairs = pairs_of(frame, _BONDS_END)
        numbers = frame.numbers
        bonded = (pairs.ratios < BONDED) & np.isin(numbers[pairs.first], NONMETALS)
        pairs = pairs[bonded & np.isin(numbers[pairs.second], NONMETALS)]
        forces, masses = frame.calc.results["forces"], atomic_masses[numbers]
        first, second = masses[pairs.first], masses[pairs.second]
        relative = (first[:, None] * forces[pairs.second] - second[:, None] * forces[pairs.first]) / (
            first + second
        )[:, None]
        pull = np.sum(relative * pairs.separations, axis=1) / pairs.distances
        kinds = np.sort(numbers[np.stack([pairs.first, pairs.second])], axis=0).T
        for kind in {tuple(each) for each in kinds.tolist()}:
            own = (kinds == kind).all(axis=1)
            rows.setdefault(kind, []).append(np.stack([pairs.distances[own], pull[own]]))
    return {kind: tuple(np.concatenate(each, axis=1)) for kind, each in rows.items()}


def _stiffness(lengths: np.ndarray, pulls: np.ndarray) -> tuple[Slope, float]:
    """The slope of the restoring force at the median length, eV/Å², and the correlation of force and length.

    Bonds soften as they stretch, and some are broken. So a parabola is fitted to the bonds near the median, with
    less weight on outliers (Huber's weights).
    """
    stretch = lengths - np.median(lengths)
    near = np.abs(stretch) < _STRETCHED
    stretch, pulls = stretch[near], pulls[near]
    powers = np.vander(stretch, 3 if len(stretch) >= _FEW_BONDS else 2, increasing=True)
    weights = np.ones(len(stretch))
    for _ in range(5):
        normal = powers.T @ (weights[:, None] * powers)
        coefficients = np.linalg.lstsq(normal, powers.T @ (weights * pulls), rcond=None)[0]
        left = np.abs(pulls - powers @ coefficients)
        typical = 1.4826 * np.median(left) + 1e-12
        weights = np.minimum(1.0, 1.5 * typical / np.maximum(left, 1e-12))
    variance = np.sum(weights * left**2) / max(1, len(stretch) - powers.shape[1])
    error = float(np.sqrt(variance * np.linalg.pinv(normal)[1, 1]))
    spread_of_lengths = np.std(stretch)
    told = -coefficients[1] * spread_of_lengths
    correlation = told / max(np.hypot(told, np.sqrt(variance)), 1e-30)
    return Slope(-float(coefficients[1]), error, float(correlation)), float(correlation)


def _badger(kind: tuple[int, int], length: float) -> float:
    """Stiffness of a bond by Badger's rule, k = 1.86 mdyn/Å · Å³ / (r - d)³ with d by rows, in eV/Å²."""
    first, second = sorted(0 if number == 1 else 1 if number <= 10 else 2 for number in kind)
    shifts = {(0, 0): 0.025, (0, 1): 0.335, (0, 2): 0.585, (1, 1): 0.68, (1, 2): 0.90, (2, 2): 1.18}
    shift = shifts[first, second]
    return 1.86 / max(length - shift, 0.3) ** 3 * _MILLIDYNE


def _of_noble_gas(frames: Sequence[Atoms]) -> Scale | None:
    """The forces of frames of one noble gas over those of its Lennard-Jones potential."""
    found, expected = [], []
    for frame in spread(frames, 40):
        kinds = set(frame.numbers)
        if len(kinds) != 1 or not kinds <= set(_LENNARD_JONES):
            return None
        epsilon, sigma = _LENNARD_JONES[kinds.pop()]
        pairs = pairs_of(frame)
        pairs = pairs[pairs.distances < 2.5 * sigma]
        sixth = (sigma / pairs.distances) ** 6
        size = 24.0 * units.BOLTZMANN * epsilon * (2.0 * sixth**2 - sixth) / pairs.distances**2
        force = np.zeros((len(frame), 3))
        np.add.at(force, pairs.second, size[:, None] * pairs.separations)
        np.subtract.at(force, pairs.first, size[:, None] * pairs.separations)
        expected.append(force.ravel())
        found.append(frame.calc.results["forces"].ravel())
    if not found:
        return None
    slope = slope_of(np.concatenate(expected), np.concatenate(found))
    if abs(slope.correlation) < 0.7 or abs(slope.value) < 3.0 * slope.error:
        return None
    return Scale(
        slope.value,
        slope.error / abs(slope.value),
        _NOBLE_STIFFNESS,
        f"forces are {slope.value:.3g} times those of the pair potential",
        "1",
    )


def _of_hydrogen(frames: Sequence[Atoms]) -> Scale | None:
    hydrogen = [frame for frame in frames if 1 in frame.numbers and len(frame) > 1]
    if not hydrogen:
        return None
    values = np.concatenate([frame.calc.results["forces"].ravel() for frame in hydrogen])
    force = float(np.sqrt(np.mean(values**2)))
    low, high = _BONDED_FORCE
    middle = np.sqrt(low * high)
    return Scale(
        force / middle,
        0.0,
        high / middle,
        f"the root mean square force is {force:.3g} eV/Å",
        f"between {low:g} and {high:g} where hydrogen is bonded and moving",
    )


def _of_heat(model: PairModel | None) -> Scale | None:
    if model is None or model.described < _LEAST_DESCRIBED or model.curvature <= 0.0:
        return None
    kelvin = model.squared_forces / model.curvature / units.BOLTZMANN
    if kelvin < _HOTTEST:
        return None
    return Scale(
        kelvin / 1000.0,
        0.0,
        20.0,
        f"the forces imply a temperature of {kelvin:.3g} K",
        f"at most {_HOTTEST:g} K",
    )
