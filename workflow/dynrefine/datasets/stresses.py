"""Checks of the unit, sign and order of stresses."""

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms

from dynrefine import units
from dynrefine.datasets.conventions import ORDERS, Conventions
from dynrefine.datasets.conversion import factor, signed
from dynrefine.datasets.mechanics import ENERGY_UNITS, LEAST_DESCRIBED, has_sound, width_of
from dynrefine.datasets.pair_model import PairModel
from dynrefine.datasets.slopes import slope_of

STRESS_UNITS = ("eV/angstrom^3", "GPa", "kbar", "bar", "hartree/bohr^3", "Ry/bohr^3", "MPa", "Pa")
_LARGEST_PRESSURE = 1e6  # bar
_NEAR = 0.6  # largest difference of a ratio from that of a unit, in logarithms


def stress_sentences(
    frames: Sequence[Atoms], model: PairModel | None, change: float, conventions: Conventions
) -> Iterator[str]:
    """Sentences on faults of stresses: their size, sign and the order of their numbers."""
    stressed = [frame for frame in frames if has_sound(frame, "stress") and frame.cell.rank == 3]
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
    if model is None or model.described < LEAST_DESCRIBED:
        return None
    chosen = [index for index, frame in enumerate(model.frames) if has_sound(frame, "stress")]
    if len(chosen) < 3:
        return None
    frames = [model.frames[index] for index in chosen]
    stated = conventions.stress_order
    foretold = change * _deviators(model.stresses[chosen])
    numbers = np.array([frame.get_stress(voigt=False) for frame in frames])
    numbers = np.array([[tensor[place] for place in ORDERS[stated]] for tensor in numbers])
    slopes = {
        order: slope_of(foretold.ravel(), _deviators(_tensors(numbers, order)).ravel()) for order in ORDERS
    }
    order = max(slopes, key=lambda each: abs(slopes[each].correlation))
    slope = slopes[order]
    if abs(slope.correlation) < 0.6 or abs(slope.value) < 4.0 * slope.error:
        return None
    shuffled = order != stated and abs(slope.correlation) > abs(slopes[stated].correlation) + 0.15
    slope = slope if shuffled else slopes[stated]
    if not slope.differs(width_of(model)) and not shuffled:
        return None
    key = "virial" if _is_virial(conventions) else "stress"
    found = f"stresses are {slope.value:.3g} times what the forces imply, expected 1"
    remedies = []
    if shuffled:
        found = f"the six numbers of the stresses do not fit the forces in the order {stated}"
        remedies.append(f"they seem to be in the order {order}; state stress_order: {order}")
    if slope.differs(width_of(model)):
        remedies.append(_stress_unit(slope.value, frames, conventions, key))
    return f"{found}: {' and '.join(remedies)} in the dataset, or convert them."


def _is_virial(conventions: Conventions) -> bool:
    return bool(conventions.keys.get("virial") or conventions.units.get("virial"))


def _stress_unit(ratio: float, frames: Sequence[Atoms], conventions: Conventions, key: str) -> str:
    volume = float(np.median([frame.get_volume() for frame in frames]))
    if key == "virial":
        stated = factor("virial", conventions.units.get("virial") or "eV")
        names = dict(signed("virial", ENERGY_UNITS))
    else:
        stated = factor("stress", conventions.units.get("stress") or "eV/angstrom^3")
        names = dict(signed("stress", STRESS_UNITS))
        names |= {"a virial in eV": -1.0 / volume, "minus a virial in eV": 1.0 / volume}
    costs = {
        unit: np.inf if value / stated * ratio <= 0 else abs(np.log(value / stated * ratio))
        for unit, value in names.items()
    }
    unit = min(costs, key=lambda unit: costs[unit])
    if costs[unit] > _NEAR:
        return f"they seem to be in other units; state units.{key}"
    change = names[unit] / stated
    if unit == "a virial in eV":
        return f"they seem to be virials in eV; state virial_key: stress (factor -1/volume, {change:.3g}/Å³)"
    if unit == "minus a virial in eV":
        return (
            "they seem to be virials in eV of the opposite sign; state virial_key: stress and units.virial: -eV "
            f"(factor 1/volume, {change:.3g}/Å³)"
        )
    remedy = f"they seem to be in {unit}; state units.{key}: {unit} (factor {change:.6g})"
    virials = {name: value * ratio for name, value in signed("virial", ENERGY_UNITS) if value * ratio > 0.0}
    nearest = min(virials, key=lambda name: abs(np.log(virials[name])))
    if key == "stress" and abs(np.log(virials[nearest])) < _NEAR:
        remedy += f", or units.virial: {nearest} if the file holds virials"
    return remedy


def _tensors(numbers: np.ndarray, order: str) -> np.ndarray:
    tensors = np.empty((len(numbers), 3, 3))
    for (row, column), values in zip(ORDERS[order], numbers.T, strict=True):
        tensors[:, row, column] = tensors[:, column, row] = values
    return tensors


def _deviators(tensors: np.ndarray) -> np.ndarray:
    return tensors - np.trace(tensors, axis1=1, axis2=2)[:, None, None] / 3.0 * np.eye(3)
