"""Checks of the units of forces and energies, each alone and one against the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import Conventions
from dynrefine.datasets.conversion import factor, signed
from dynrefine.datasets.differences import work_between_frames
from dynrefine.datasets.force_scale import Scale, force_scale, unrelated_sentence
from dynrefine.datasets.pair_model import PairModel
from dynrefine.datasets.slopes import Slope, slope_of

LEAST_DESCRIBED = 0.4  # share of the forces that a model must describe to serve as a check
ENERGY_UNITS = ("eV", "hartree", "kJ/mol", "kcal/mol", "Ry", "meV")
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
    "10 kJ/mol/angstrom",
)
_MEANING = {"10 kJ/mol/angstrom": "kJ/mol/nm with nm converted the wrong way"}
_LEAST_WIDTH = np.log(1.37)  # smallest deviation of a ratio from one that can be resolved, in logarithms
_NOISE = 3.5  # energies that pair potentials leave undescribed, over their estimate by equipartition from such forces
_SUREST = 0.25  # largest relative error of a slope from few frames that is still used
_EXCESS = 5.0  # energies this many times larger than the forces allow are in another unit, however few
_SAME_VOLUME = 0.01  # relative spread of volumes beyond which volumes affect energies, too
_NOISE_OF_VOLUMES = 4.0  # how many times more is then left undescribed
_MANY_EQUAL = 5  # frames, beyond which one energy for all of them cannot be a label
_LARGEST_COST, _EQUAL_COST = 6.0, 2.5  # of a guess, and the difference within which two cannot be told apart


@dataclass(frozen=True)
class _Guess:
    """Units of forces and energies, the factors that correct the labels, and how unlikely the guess is."""

    cost: float
    force_unit: str
    force_change: float
    energy_unit: str
    energy_change: float


def mechanics(
    frames: Sequence[Atoms], model: PairModel | None, conventions: Conventions
) -> tuple[str | None, float]:
    """A sentence if forces or energies are wrong, and the factor that corrects the forces.

    Arguments:
        frames: with forces.
        model: pair potentials fitted to them.
        conventions: the stated units.
    """
    strange = unrelated_sentence(frames) or _equal_energies(frames)
    if strange:
        return strange, 1.0
    scale = force_scale(frames, model)
    ratio = _energies_to_forces(frames, model)
    soft = scale is not None and scale.wrong
    apart = ratio is not None and ratio.differs(width_of(model))
    if not soft and not apart:
        return None, 1.0
    if scale is not None and soft:
        found = f"{scale.found}, expected {scale.expected}"
    elif ratio is not None and ratio.value > 0.0:
        found = (
            f"energy differences between frames are {ratio.value:.3g} times what the forces imply, expected 1"
        )
    else:
        found = "energies rise where the forces imply that they fall, expected the opposite"
    guesses = _guesses(frames, scale, ratio, conventions)
    if not guesses:
        remedy = "energies or forces seem to be in other units; state units.energy and units.forces"
        return f"{found}: {remedy} in the dataset, or convert them.", 1.0
    size = _size(scale, ratio, guesses[0])
    remedies = [*_of_forces(guesses, size, conventions), *_of_energies(guesses[0])]
    return f"{found}: {' and '.join(remedies)} in the dataset, or convert them.", guesses[0].force_change


def _equal_energies(frames: Sequence[Atoms]) -> str | None:
    """A sentence if frames with different forces all have the same energy."""
    energies = [frame.calc.results["energy"] for frame in frames if has_sound(frame, "energy")]
    if len(energies) < _MANY_EQUAL or np.ptp(energies) > 0.0:
        return None
    if not any(np.ptp(frame.calc.results["forces"]) > 0.1 for frame in frames):
        return None
    return (
        f"all {len(energies)} frames have the energy {energies[0] + 0.0:.6g} eV, expected different ones: this value "
        "seems to stand in for missing labels; label the frames or leave them out."
    )


def width_of(model: PairModel | None) -> float:
    """How far a ratio may be from one, in logarithms, in view of the forces that the model leaves undescribed."""
    described = model.described if model is not None else 1.0
    return max(_LEAST_WIDTH, np.sqrt(max(0.0, 1.0 - described) / max(described, 1e-3)))


def has_sound(frame: Atoms, label: str) -> bool:
    """Whether a frame has a label and all its numbers are finite."""
    return frame.calc is not None and bool(np.all(np.isfinite(frame.calc.results.get(label, np.nan))))


def _energies_to_forces(frames: Sequence[Atoms], model: PairModel | None) -> Slope | None:
    """Energy differences between frames over what the forces imply, by the more precise of two methods."""
    slopes = []
    if model is not None and model.described > LEAST_DESCRIBED:
        slopes.append(_against_model(model))
    steps = work_between_frames([frame for frame in frames if has_sound(frame, "energy")])
    if steps is not None:
        slopes.append(slope_of(*steps))
    sure = [
        slope
        for slope in slopes
        if slope is not None and abs(slope.correlation) > 0.5 and slope.error < 0.45 * abs(slope.value)
    ]
    return min(sure, key=lambda slope: slope.error / abs(slope.value), default=None)


def _against_model(model: PairModel) -> Slope | None:
    chosen = [index for index, frame in enumerate(model.frames) if has_sound(frame, "energy")]
    frames = [model.frames[index] for index in chosen]
    groups = [f"{frame.get_chemical_formula()} {frame.info.get('label_method', '')}" for frame in frames]
    energies = _less_means([frame.calc.results["energy"] for frame in frames], groups)
    foretold = _less_means(model.energies[chosen], groups)
    free = len(frames) - len(set(groups))
    return (
        slope_of(foretold, energies, free - 1)
        if free > 5
        else _of_few(model, frames, foretold, energies, free)
    )


def _of_few(
    model: PairModel, frames: Sequence[Atoms], foretold: np.ndarray, energies: np.ndarray, free: int
) -> Slope | None:
    """The slope where energies are too few to estimate its error from their scatter.

    The forces that pair potentials leave undescribed carry energy, too. It is estimated by equipartition at the
    temperature that forces and curvature imply.
    """
    volumes = [frame.get_volume() if frame.cell.rank == 3 else 1.0 for frame in frames]
    if free < 1 or model.curvature <= 0.0:
        return None
    heat = model.squared_forces / model.curvature
    left = 1.5 * float(np.mean([len(frame) for frame in frames])) * max(1.0 - model.described, 0.02)
    noise = _NOISE * heat * np.sqrt(left)
    if np.ptp(volumes) > _SAME_VOLUME * np.mean(volumes):
        noise *= _NOISE_OF_VOLUMES
    told, said = float(foretold @ foretold), float(energies @ energies)
    relative = noise / np.sqrt(told) if told > 0.0 else np.inf
    if relative < _SUREST:
        slope = slope_of(foretold, energies, free)
        return Slope(slope.value, max(relative * abs(slope.value), slope.error), slope.correlation)
    most = told + 9.0 * free * noise**2
    if said > _EXCESS**2 * most:
        value = float(np.sqrt(said / (told + free * noise**2)))
        return Slope(value, 0.4 * value, 1.0)
    return None


def _less_means(values: Sequence[float] | np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Values minus the mean of their group."""
    result = np.array(values, float)
    labels = np.array(groups)
    for group in set(groups):
        result[labels == group] -= result[labels == group].mean()
    return result


def _guesses(
    frames: Sequence[Atoms], scale: Scale | None, ratio: Slope | None, conventions: Conventions
) -> list[_Guess]:
    """Possible units of forces and energies: the likeliest first, then those about as likely."""
    stated_force = factor("forces", conventions.units.get("forces") or "eV/angstrom")
    stated_energy = factor("energy", conventions.units.get("energy") or "eV")
    atoms = float(np.median([len(frame) for frame in frames]))
    guesses = []
    for complexity, (force_unit, force_factor) in enumerate(signed("forces", FORCE_UNITS)):
        for energy_unit, energy_factor in _energy_candidates(atoms):
            change = force_factor / stated_force
            energy_change = energy_factor / stated_energy
            cost = 0.02 * complexity + 0.2 * (energy_unit != "eV") + 0.2 * (force_unit != "eV/angstrom")
            if scale is not None:
                cost += _cost(scale.ratio * change, _width_of_scale(scale), 10.0)
            if ratio is not None:
                cost += _cost(ratio.value * energy_change / change, _width_of_ratio(ratio), 20.0)
            guesses.append(_Guess(cost, force_unit, change, energy_unit, energy_change))
    guesses.sort(key=lambda guess: guess.cost)
    if guesses[0].cost > _LARGEST_COST:
        return []
    return [guess for guess in guesses if guess.cost < guesses[0].cost + _EQUAL_COST]


def _width_of_scale(scale: Scale) -> float:
    return float(np.hypot(0.55 * np.log(scale.width), scale.error))


def _width_of_ratio(ratio: Slope) -> float:
    return float(np.hypot(0.25, ratio.error / abs(ratio.value)))


def _size(scale: Scale | None, ratio: Slope | None, best: _Guess) -> float:
    """How many times too large the forces are for the stated unit, as a weighted mean of both checks."""
    told = []
    if scale is not None and scale.ratio > 0.0:
        told.append((np.log(scale.ratio), _width_of_scale(scale)))
    if ratio is not None and ratio.value > 0.0:
        told.append((-np.log(ratio.value * best.energy_change), _width_of_ratio(ratio)))
    sizes, widths = np.array(told or [(-np.log(abs(best.force_change)), 1.0)]).T
    return float(np.exp(np.average(sizes, weights=widths**-2)))


def _cost(ratio: float, width: float, of_wrong_sign: float) -> float:
    return of_wrong_sign if ratio <= 0.0 else float(np.log(ratio) / width) ** 2


def _energy_candidates(atoms: float) -> Iterator[tuple[str, float]]:
    for unit in ENERGY_UNITS:
        yield unit, factor("energy", unit)
    for unit in ENERGY_UNITS[:3]:
        yield f"{unit}/atom", factor("energy", unit) * atoms


def _of_forces(guesses: Sequence[_Guess], size: float, conventions: Conventions) -> Iterator[str]:
    """What to state for the forces: each unit that cannot be told from the likeliest, with its factor."""
    best = guesses[0]
    if np.isclose(best.force_change, 1.0):
        return
    if np.isclose(best.force_change, -1.0):
        yield (
            "forces seem to be gradients, which have the opposite sign; state units.forces: "
            f"{best.force_unit} (factor -1)"
        )
        return
    stated = conventions.units.get("forces") or "eV/angstrom"
    alike = {
        guess.force_unit: guess.force_change
        for guess in guesses
        if guess.energy_unit == best.energy_unit
        and guess.force_change * best.force_change > 0.0
        and not np.isclose(guess.force_change, 1.0)
    }
    sizes = ", ".join(
        f"in {_MEANING.get(unit, unit)} {abs(1.0 / change):.3g} times" for unit, change in alike.items()
    )
    choices = " or ".join(f"{unit} (factor {change:.6g})" for unit, change in alike.items())
    yield (
        f"forces seem to be in other units, about {size:.2g} times as large as in {stated} ({sizes}); state "
        f"units.forces: {choices}"
    )


def _of_energies(best: _Guess) -> Iterator[str]:
    if not np.isclose(best.energy_change, 1.0):
        yield (
            f"energies seem to be in other units ({best.energy_unit}?); state units.energy: {best.energy_unit} "
            f"(factor {best.energy_change:.6g})"
        )
