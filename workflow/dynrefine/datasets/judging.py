"""Whether the labels of frames can be in the units they are read in, judged by physics.

Bond lengths tell Å from bohr and nm. The stiffness of bonds tells eV/Å from other units of force, and their sign.
Energies must differ between frames as the forces say, and so must stresses; dipoles must follow the bonds. Each
judgement has an error and a range of what is possible, and is left out where it cannot tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

from dynrefine import units
from dynrefine.datasets.conventions import ORDERS, Conventions
from dynrefine.datasets.conversion import factor
from dynrefine.datasets.differences import work_between_frames
from dynrefine.datasets.dipoles import dipole_sentence
from dynrefine.datasets.pair_model import PairModel, fit_pair_model
from dynrefine.datasets.pairs import BONDED, NOBLE_GASES, NONMETALS, pairs_of

# Shortest distance over the sum of covalent radii: from molecules with triple bonds (0.77) to caesium (1.14).
_BOND = (0.5, 1.4)
_STIFFNESS = 3.5  # largest ratio of the stiffness of bonds to that of Badger's rule, either way
_NOBLE_STIFFNESS = 4.0  # the same for pair potentials of noble gases
_BONDED_FORCE = (0.05, 20.0)  # root mean square force component where hydrogen is bonded and moving, eV/Å
_LARGEST_PRESSURE = 1e6  # bar
_HOTTEST = 20000.0  # temperature of frames of other elements that their forces may say, K
_LEAST_DESCRIBED = 0.4  # part of the forces a model describes from which it may judge
_BONDS_END = 12.0  # no bond is longer, in Å or in bohr read as Å
_MOST_PAIRS = 1_000_000  # of atoms, looked at for one judgement
_MILLIDYNE = 6.2415  # mdyn/Å in eV/Å²

FORCE_UNITS = (
    "eV/angstrom",
    "hartree/bohr",
    "kJ/mol/nm",
    "kcal/mol/angstrom",
    "eV/bohr",
    "kJ/mol/angstrom",
    "Ry/bohr",
    "hartree/angstrom",
    "kcal/mol/bohr",
    "kJ/mol/bohr",
    "eV/nm",
    "meV/angstrom",
)
ENERGY_UNITS = ("eV", "hartree", "kJ/mol", "kcal/mol", "Ry", "meV")
STRESS_UNITS = ("eV/angstrom^3", "GPa", "kbar", "bar", "hartree/bohr^3", "Ry/bohr^3", "MPa", "Pa")
_LENNARD_JONES = {
    2: (10.2, 2.56),
    10: (32.8, 2.82),
    18: (119.8, 3.405),
    36: (164.0, 3.83),
    54: (221.0, 4.10),
}  # K, Å


@dataclass(frozen=True)
class Slope:
    """A ratio of labels to what they should be, its standard error, and the correlation of the two."""

    value: float
    error: float
    correlation: float

    def differs(self, width: float) -> bool:
        """Whether the ratio is farther from one than a width, in logarithms, and two standard errors."""
        if self.value <= 0.0:
            return self.value + 2.0 * self.error < np.exp(-width)
        return abs(np.log(self.value)) > width + 2.0 * self.error / self.value


def unit_faults(frames: Sequence[Atoms], name: str, conventions: Conventions) -> list[str]:
    """Sentences that say which label is in another unit than it is read in; none where all may be right.

    Arguments:
        frames: of one file or source, with labels.
        name: the file, for messages.
        conventions: the units and keys that are stated for it.
    """
    wrong = _positions(frames)
    if wrong:
        return [f"{name}: {wrong}"]
    forced = [frame for frame in frames if _has_sound(frame, "forces")]
    model = fit_pair_model(forced)
    fault, change = _mechanics(forced, model, conventions)
    sentences = [*([fault] if fault else []), *_stresses(frames, model, change, conventions)]
    dipole = dipole_sentence([frame for frame in frames if _has_sound(frame, "dipole")], conventions)
    return [f"{name}: {sentence}" for sentence in [*sentences, *([dipole] if dipole else [])]]


def _has_sound(frame: Atoms, label: str) -> bool:
    return frame.calc is not None and bool(np.all(np.isfinite(frame.calc.results.get(label, np.nan))))


def _positions(frames: Sequence[Atoms]) -> str | None:
    """A sentence where bond lengths say that positions, cells or both are not in Å."""
    bound = [frame for frame in frames if set(frame.numbers) - set(NOBLE_GASES)]
    ratios = np.array([_shortest_ratio(frame) for frame in _spread(bound, 200)])
    judged = ratios[np.isfinite(ratios)]
    if not len(judged):
        return None
    low, high = np.quantile(judged, [0.1, 0.9])
    if high >= _BOND[0] and low <= _BOND[1]:
        return None
    typical = np.median(judged)
    if typical > 50.0:
        guess = "positions and cells seem not to be in Å (pm?); state units.positions: pm (factor 0.01)"
    elif low > _BOND[1]:
        guess = (
            "positions and cells seem not to be in Å (bohr?); state units.positions: bohr (factor 0.529177)"
        )
    else:
        guess = _too_near(frames)
    return (
        f"the nearest atoms are {typical:.2f} bond lengths apart, expected about 1: {guess} in the dataset, or "
        "convert them."
    )


def _too_near(frames: Sequence[Atoms]) -> str:
    """What is to be stated where atoms are too near each other: both lengths may be in nm, or only one."""
    sample = [frames[index] for index in np.linspace(0, len(frames) - 1, min(5, len(frames))).astype(int)]
    for positions, cells, guess in (
        (10.0, 10.0, "positions and cells seem not to be in Å (nm?); state units.positions: nm (factor 10)"),
        (1.0, 10.0, "the cell seems to be in nm and the positions in Å; multiply the cell by 10"),
        (10.0, 1.0, "the positions seem to be in nm and the cell in Å; multiply the positions by 10"),
        (
            units.BOHR,
            1.0,
            "the positions seem to be in bohr and the cell in Å; multiply positions by 0.529177",
        ),
        (
            1.0,
            units.BOHR,
            "the cell seems to be in bohr and the positions in Å; multiply the cell by 0.529177",
        ),
    ):
        scaled = []
        for frame in sample:
            other = frame.copy()
            other.set_cell(cells * frame.cell.array)
            other.positions = positions * frame.positions
            scaled.append(_shortest_ratio(other))
        if 0.7 < np.median(scaled) < _BOND[1]:
            return guess
    return "positions and cells seem not to agree; state units.positions"


def _shortest_ratio(frame: Atoms) -> float:
    return float(pairs_of(frame, _BONDS_END).ratios.min(initial=np.inf))


def _mechanics(
    frames: Sequence[Atoms], model: PairModel | None, conventions: Conventions
) -> tuple[str | None, float]:
    """A sentence of forces and energies if one of them is wrong, and the factor that makes the forces right."""
    scale = _force_scale(frames, model)
    ratio = _energies_to_forces(frames, model)
    soft = scale is not None and not 1.0 / scale.width < scale.ratio < scale.width
    apart = ratio is not None and ratio.differs(_width(model))
    if not soft and not apart:
        return None, 1.0
    if scale is not None and soft:
        found = f"{scale.found}, expected {scale.expected}"
    elif ratio is not None and ratio.value > 0.0:
        found = (
            f"energies differ {ratio.value:.3g} times as much between frames as the forces say, expected once"
        )
    else:
        found = "energies rise where the forces say that they fall, expected the opposite"
    change, remedies = _best_units(frames, scale, ratio, conventions)
    if not remedies:
        remedies = ["energies or forces seem to be in other units; state units.energy and units.forces"]
    return f"{found}: {' and '.join(remedies)} in the dataset, or convert them.", change


def _width(model: PairModel | None) -> float:
    """How far in logarithms a ratio may be from one: as much as the forces that the model leaves out can do."""
    described = model.described if model is not None else 1.0
    return max(np.log(1.37), np.sqrt(max(0.0, 1.0 - described) / max(described, 1e-3)))


@dataclass(frozen=True)
class _Scale:
    """The size of the forces as a ratio to what is expected, and within which factor it must be."""

    ratio: float
    width: float
    found: str
    expected: str


def _force_scale(frames: Sequence[Atoms], model: PairModel | None) -> _Scale | None:
    """How the forces compare with what bonds, noble gases or heat allow."""
    stiffness = _bond_stiffness(frames)
    if stiffness is not None:
        found, expected, error = stiffness
        if abs(found) > 3.0 * error:
            return _Scale(
                found / expected,
                _STIFFNESS,
                f"the force that holds a bond to {'hydrogen' if _holds_hydrogen(frames) else 'its length'} grows by "
                f"{found:.3g} eV/Å²",
                f"about {expected:.2g}",
            )
    noble = _noble_stiffness(frames)
    if noble is not None and abs(noble.value) > 3.0 * noble.error:
        return _Scale(
            noble.value,
            _NOBLE_STIFFNESS,
            f"forces are {noble.value:.3g} times those of the pair potential",
            "once",
        )
    hydrogen = [frame for frame in frames if 1 in frame.numbers and len(frame) > 1]
    if hydrogen:
        values = np.concatenate([frame.calc.results["forces"].ravel() for frame in hydrogen])
        force = float(np.sqrt(np.mean(values**2)))
        low, high = _BONDED_FORCE
        middle = np.sqrt(low * high)
        return _Scale(
            force / middle,
            high / middle,
            f"the root mean square force is {force:.3g} eV/Å",
            f"between {low:g} and {high:g} where hydrogen is bonded and moving",
        )
    if model is not None and model.described > _LEAST_DESCRIBED and model.curvature > 0.0:
        kelvin = model.squared_forces / model.curvature / units.BOLTZMANN
        if kelvin > _HOTTEST:
            return _Scale(
                kelvin / 1000.0, 20.0, f"the forces are those of {kelvin:.3g} K", f"at most {_HOTTEST:g} K"
            )
    return None


def _holds_hydrogen(frames: Sequence[Atoms]) -> bool:
    return any(1 in frame.numbers for frame in frames)


def _bond_stiffness(frames: Sequence[Atoms]) -> tuple[float, float, float] | None:
    """Stiffness of bonds, to hydrogen where there are any, in eV/Å²: found, by Badger's rule, error of the first."""
    lengths: dict[tuple[int, int], list[np.ndarray]] = {}
    pulls: dict[tuple[int, int], list[np.ndarray]] = {}
    for frame in _spread(frames, 200):
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
            lengths.setdefault(kind, []).append(pairs.distances[own])
            pulls.setdefault(kind, []).append(pull[own])
    stretches = []
    for kind in lengths:
        distance, pull = np.concatenate(lengths[kind]), np.concatenate(pulls[kind])
        if len(distance) < 6 or np.ptp(distance) < 1e-3:
            continue
        slope = _slope(distance - distance.mean(), pull - pull.mean())
        if abs(slope.correlation) > 0.5:
            stretches.append(
                (kind[0] == 1, len(distance), -slope.value, _badger(kind, distance.mean()), slope.error)
            )
    if not stretches:
        return None
    _, _, found, expected, error = max(stretches)
    return found, expected, error


def _badger(kind: tuple[int, int], length: float) -> float:
    """Stiffness of a bond by Badger's rule, k = 1.86 mdyn/Å · Å³ / (r - d)³ with d by rows, in eV/Å²."""
    first, second = sorted(0 if number == 1 else 1 if number <= 10 else 2 for number in kind)
    shifts = {(0, 0): 0.025, (0, 1): 0.335, (0, 2): 0.585, (1, 1): 0.68, (1, 2): 0.90, (2, 2): 1.18}
    shift = shifts[first, second]
    return 1.86 / max(length - shift, 0.3) ** 3 * _MILLIDYNE


def _noble_stiffness(frames: Sequence[Atoms]) -> Slope | None:
    """The forces of frames of one noble gas over those of its Lennard-Jones potential."""
    found, expected = [], []
    for frame in _spread(frames, 40):
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
    slope = _slope(np.concatenate(expected), np.concatenate(found))
    return slope if abs(slope.correlation) > 0.7 else None


def _energies_to_forces(frames: Sequence[Atoms], model: PairModel | None) -> Slope | None:
    """How much energies differ between frames over what the forces say; the surest of two ways."""
    slopes = []
    if model is not None and model.described > _LEAST_DESCRIBED:
        chosen = [index for index, frame in enumerate(model.frames) if _has_sound(frame, "energy")]
        own = [model.frames[index] for index in chosen]
        groups = _compositions(own)
        energies = np.array([frame.calc.results["energy"] for frame in own])
        free = len(own) - len(set(groups))
        if free >= 3:
            foretold = _less_means(model.energies[chosen], groups)
            slopes.append(_slope(foretold, _less_means(energies, groups), free - 1))
    steps = work_between_frames([frame for frame in frames if _has_sound(frame, "energy")])
    if steps is not None:
        slopes.append(_slope(*steps))
    sure = [
        slope for slope in slopes if abs(slope.correlation) > 0.5 and slope.error < 0.45 * abs(slope.value)
    ]
    return min(sure, key=lambda slope: slope.error / abs(slope.value), default=None)


def _best_units(
    frames: Sequence[Atoms], scale: _Scale | None, ratio: Slope | None, conventions: Conventions
) -> tuple[float, list[str]]:
    """The factor that makes forces right, and what to state of forces and energies so that both are."""
    stated_force = factor("forces", conventions.units.get("forces") or "eV/angstrom")
    stated_energy = factor("energy", conventions.units.get("energy") or "eV")
    atoms = float(np.median([len(frame) for frame in frames]))
    best = None
    for complexity, (force_unit, force_factor) in enumerate(_signed("forces", FORCE_UNITS)):
        for energy_unit, energy_factor in _energy_candidates(atoms):
            change = force_factor / stated_force
            energy_change = energy_factor / stated_energy
            cost = 0.02 * complexity + 0.2 * (energy_unit != "eV") + 0.2 * (force_unit != "eV/angstrom")
            if scale is not None:
                size = scale.ratio * change
                cost += 10.0 if size <= 0.0 else (np.log(size) / np.log(2.0)) ** 2
            if ratio is not None:
                size = ratio.value * energy_change / change
                cost += 20.0 if size <= 0.0 else (np.log(size) / 0.25) ** 2
            if best is None or cost < best[0]:
                best = (cost, force_unit, change, energy_unit, energy_change)
    if best is None or best[0] > 6.0:
        return 1.0, []
    _, force_unit, change, energy_unit, energy_change = best
    remedies = []
    if np.isclose(change, -1.0):
        remedies.append(
            f"forces seem to be gradients, of the opposite sign; state units.forces: {force_unit} (factor -1)"
        )
    elif not np.isclose(change, 1.0):
        alike = [
            unit
            for unit, other in _signed("forces", FORCE_UNITS)
            if np.isclose(other / stated_force, change, rtol=0.05) and unit != force_unit
        ]
        if force_unit.endswith("eV/nm"):
            alike.append("kJ/mol/nm with nm converted the wrong way")  # a factor of 0.104 in place of 0.00104
        guess = "? ".join([force_unit, *alike])
        remedies.append(
            f"forces seem to be in other units ({guess}?); state units.forces: {force_unit} (factor {change:.6g})"
        )
    if not np.isclose(energy_change, 1.0):
        remedies.append(
            f"energies seem to be in other units ({energy_unit}?); state units.energy: {energy_unit} (factor "
            f"{energy_change:.6g})"
        )
    return change, remedies


def _signed(quantity: str, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    for sign in ("", "-"):
        for unit in names:
            yield f"{sign}{unit}", factor(quantity, f"{sign}{unit}")


def _energy_candidates(atoms: float) -> Iterator[tuple[str, float]]:
    for unit in ENERGY_UNITS:
        yield unit, factor("energy", unit)
    for unit in ENERGY_UNITS[:3]:
        yield f"{unit}/atom", factor("energy", unit) * atoms


def _stresses(
    frames: Sequence[Atoms], model: PairModel | None, change: float, conventions: Conventions
) -> Iterator[str]:
    """Sentences of stresses: their size, sign and the order of their numbers."""
    stressed = [frame for frame in frames if _has_sound(frame, "stress") and frame.cell.rank == 3]
    if not stressed:
        return
    verdict = _stress_against_model(model, change, conventions)
    if verdict:
        yield verdict
        return
    pressures = [abs(np.mean(frame.calc.results["stress"][:3])) / units.BAR for frame in stressed]
    if np.median(pressures) > _LARGEST_PRESSURE:
        yield (
            f"the pressure is about {np.median(pressures):.2g} bar, expected at most {_LARGEST_PRESSURE:.0e}: "
            "stresses seem to be in other units (kbar? GPa? a virial in eV?); state units.stress or virial_key "
            "in the dataset, or convert them."
        )


def _stress_against_model(model: PairModel | None, change: float, conventions: Conventions) -> str | None:
    if model is None or model.described < _LEAST_DESCRIBED:
        return None
    chosen = [index for index, frame in enumerate(model.frames) if _has_sound(frame, "stress")]
    if len(chosen) < 3:
        return None
    frames = [model.frames[index] for index in chosen]
    stated = conventions.stress_order
    foretold = change * _deviators(model.stresses[chosen])
    numbers = np.array([frame.get_stress(voigt=False) for frame in frames])
    numbers = np.array([[tensor[place] for place in ORDERS[stated]] for tensor in numbers])
    slopes = {
        order: _slope(foretold.ravel(), _deviators(_tensors(numbers, order)).ravel()) for order in ORDERS
    }
    order = max(slopes, key=lambda each: abs(slopes[each].correlation))
    slope = slopes[order]
    if abs(slope.correlation) < 0.6 or abs(slope.value) < 4.0 * slope.error:
        return None
    shuffled = order != stated and abs(slope.correlation) > abs(slopes[stated].correlation) + 0.15
    slope = slope if shuffled else slopes[stated]
    if not slope.differs(_width(model)) and not shuffled:
        return None
    key = "virial" if _is_virial(conventions) else "stress"
    found = f"stresses are {slope.value:.3g} times what the forces say, expected once"
    remedies = []
    if shuffled:
        found = f"the six numbers of stresses do not follow the forces in the order {stated}"
        remedies.append(f"they seem to be in the order {order}; state stress_order: {order}")
    if slope.differs(_width(model)):
        remedies.append(_stress_unit(slope.value, frames, conventions, key))
    return f"{found}: {' and '.join(remedies)} in the dataset, or convert them."


def _is_virial(conventions: Conventions) -> bool:
    return bool(conventions.keys.get("virial") or conventions.units.get("virial"))


def _stress_unit(ratio: float, frames: Sequence[Atoms], conventions: Conventions, key: str) -> str:
    volume = float(np.median([frame.get_volume() for frame in frames]))
    if key == "virial":
        stated = factor("virial", conventions.units.get("virial") or "eV")
        names = dict(_signed("virial", ENERGY_UNITS))
    else:
        stated = factor("stress", conventions.units.get("stress") or "eV/angstrom^3")
        names = dict(_signed("stress", STRESS_UNITS))
        names |= {"a virial in eV": -1.0 / volume, "minus a virial in eV": 1.0 / volume}
    costs = {
        unit: np.inf if value / stated * ratio <= 0 else abs(np.log(value / stated * ratio))
        for unit, value in names.items()
    }
    unit = min(costs, key=lambda unit: costs[unit])
    if costs[unit] > 0.6:
        return f"they seem to be in other units; state units.{key}"
    change = names[unit] / stated
    if unit == "a virial in eV":
        return f"they seem to be virials in eV; state virial_key: stress (factor -1/volume, {change:.3g}/Å³)"
    if unit == "minus a virial in eV":
        return (
            "they seem to be virials in eV of the opposite sign; state virial_key: stress and units.virial: -eV "
            f"(factor 1/volume, {change:.3g}/Å³)"
        )
    return f"they seem to be in {unit}; state units.{key}: {unit} (factor {change:.6g})"


def _tensors(numbers: np.ndarray, order: str) -> np.ndarray:
    tensors = np.empty((len(numbers), 3, 3))
    for (row, column), values in zip(ORDERS[order], numbers.T, strict=True):
        tensors[:, row, column] = tensors[:, column, row] = values
    return tensors


def _deviators(tensors: np.ndarray) -> np.ndarray:
    return tensors - np.trace(tensors, axis1=1, axis2=2)[:, None, None] / 3.0 * np.eye(3)


def _compositions(frames: Sequence[Atoms]) -> list[str]:
    return [f"{frame.get_chemical_formula()} {frame.info.get('label_method', '')}" for frame in frames]


def _less_means(values: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Values less the mean of their group."""
    result = np.array(values, float)
    labels = np.array(groups)
    for group in set(groups):
        result[labels == group] -= result[labels == group].mean()
    return result


def _slope(x: np.ndarray, y: np.ndarray, free: int | None = None) -> Slope:
    """y over x by least squares through the origin."""
    xx, yy, xy = x @ x, y @ y, x @ y
    free = len(x) - 1 if free is None else free
    if xx == 0.0 or yy == 0.0 or free < 1:
        return Slope(0.0, np.inf, 0.0)
    left = max(0.0, yy - xy**2 / xx)
    return Slope(xy / xx, float(np.sqrt(left / free / xx)), xy / np.sqrt(xx * yy))


def _spread(frames: Sequence[Atoms], most: int) -> list[Atoms]:
    """At most so many frames, evenly spread, fewer where they are large."""
    if not frames:
        return []
    pairs = np.mean([len(frame) * (len(frame) - 1) / 2 for frame in frames]) + 1.0
    count = int(min(most, len(frames), max(5, _MOST_PAIRS / pairs)))
    return [frames[index] for index in np.linspace(0, len(frames) - 1, count).round().astype(int)]
