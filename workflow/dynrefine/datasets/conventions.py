"""What the labels of a file mean, as stated by the user, and conversion of its frames to Å, eV and e."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from dynrefine.datasets.conversion import factor, is_per_atom
from dynrefine.datasets.isotopes import element_of
from dynrefine.datasets.pairs import from_nearest
from dynrefine.errors import CampaignError

# the row and column of each of the six numbers, by order
ORDERS = {
    "xx yy zz yz xz xy": ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)),
    "xx yy zz xy yz xz": ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)),
    "xx yy zz xy xz yz": ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)),
    "xx xy xz yy yz zz": ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)),
    "xx xy yy xz yz zz": ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)),
}
VOIGT = "xx yy zz yz xz xy"
LABELS = ("energy", "forces", "stress", "virial", "dipole")
# arrays over atoms: as files from elsewhere have it, and the dipole around each atom beyond its formal charge, e Å
ATOMIC_DIPOLE = "atomic_dipole"
LOCAL_DIPOLE = "local_dipole"
# nine numbers: for the cell in `info`, and the contribution of each atom in `arrays`
POLARIZABILITY, ATOMIC_POLARIZABILITY = "polarizability", "atomic_polarizability"
_ALIASES = {
    "energy": (
        "REF_energy",
        "dft_energy",
        "DFT_energy",
        "ref_energy",
        "Energy",
        "energies",
        "TotEnergy",
        "E",
    ),
    "forces": (
        "REF_forces",
        "dft_forces",
        "DFT_forces",
        "ref_forces",
        "Forces",
        "force",
        "gradient",
        "gradients",
    ),
    "stress": ("REF_stress", "dft_stress", "DFT_stress", "ref_stress", "Stress"),
    "virial": ("REF_virial", "dft_virial", "DFT_virial", "ref_virial", "Virial", "virials"),
    "dipole": ("REF_dipole", "dft_dipole", "DFT_dipole", "ref_dipole", "Dipole", "mu", "dipoles"),
}


@dataclass(frozen=True)
class Conventions:
    """Units and names of the labels of a file.

    Attributes:
        units: by quantity (positions, energy, forces, stress, virial, dipole, polarizability); those of ASE, and Å³,
            by default.
        keys: names under which the file has energy, forces, stress, virial, dipole; these words by default.
        stress_order: order of six numbers of a stress or virial, one of `ORDERS`.
        wannier: whether dipoles, of the cell or around each atom, are sums of displacements of Wannier centres.
        molecular: whether dipoles around atoms are those of neutral molecules, given for one atom of each.
        atoms: the symbols in order, as a formula, to use instead of the types in a DeePMD folder.
        symbols: the chemical symbol of each atom label in the file.
        charges: formal charges by element, e, for dipoles from Wannier centres.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    stress_order: str = VOIGT
    wannier: bool = False
    molecular: bool = False
    atoms: str | None = None
    symbols: Mapping[str, str] = field(default_factory=dict)
    charges: Mapping[str, float] = field(default_factory=dict)


def with_labels(frame: Atoms, labels: Mapping[str, float | np.ndarray]) -> Atoms:
    """A copy of a frame with only these labels (in ASE's names and units) in its calculator."""
    result = frame.copy()
    result.calc = SinglePointCalculator(result, **labels)
    return result


def dipole_from_wannier(frame: Atoms, charges: Mapping[str, float]) -> Atoms:
    """The frame with its total dipole instead of the displacements of Wannier centres.

    In some DeePMD sets the dipole is the sum over atoms of the displacements of their doubly occupied Wannier
    centres. With formal charges q_i (core plus the electrons of the centres), the total is sum_i q_i r_i - 2 e
    times that sum, defined modulo e times the cell vectors.

    Arguments:
        frame: its calculator's dipole is the sum of displacements, Å.
        charges: formal charge of each element, e ({"O": -2, "H": 1}).
    """
    formal = formal_charges(frame, charges)
    labels = frame.calc.results
    return with_labels(frame, labels | {"dipole": formal @ frame.positions - 2.0 * labels["dipole"]})


def _with_local_dipoles(frame: Atoms, raw: Atoms, conventions: Conventions, name: str) -> Atoms:
    """The frame with the dipole around each atom where known, and their sum where the file has no total."""
    if LOCAL_DIPOLE in raw.arrays:
        frame.new_array(LOCAL_DIPOLE, raw.arrays[LOCAL_DIPOLE])
    if ATOMIC_DIPOLE not in raw.arrays:
        return frame
    given = factor("dipole", conventions.units.get("dipole") or "e angstrom") * raw.arrays[ATOMIC_DIPOLE]
    if conventions.wannier:
        frame.new_array(LOCAL_DIPOLE, -2.0 * given)
    elif conventions.molecular:
        _require_cell(frame, "molecular dipole", name)
        centres = np.any(given != 0.0, axis=1)
        if not centres.any():
            raise CampaignError(
                f"{name} has an atomic_dipole of zero for every atom, expected the dipole of each molecule for one "
                "of its atoms: correct the frame or remove it."
            )
        around = _of_formal_charges(frame, conventions.charges, centres)
        frame.new_array(LOCAL_DIPOLE, given - around)
    labels = frame.calc.results if frame.calc else {}
    return with_labels(frame, {"dipole": given.sum(axis=0)} | labels)


def _of_formal_charges(frame: Atoms, charges: Mapping[str, float], centres: np.ndarray) -> np.ndarray:
    """The dipole about each centre of the formal charges of the atoms nearest to it [N, 3], e Å."""
    owners = np.flatnonzero(centres)
    nearest, vectors = from_nearest(frame.positions[owners], frame.positions, frame.cell.array)
    result = np.zeros((len(frame), 3))
    np.add.at(result, owners[nearest], formal_charges(frame, charges)[:, None] * vectors)
    return result


def formal_charges(frame: Atoms, charges: Mapping[str, float]) -> np.ndarray:
    """The formal charge of each atom [N], e, from those of the elements ({"O": -2, "H": 1})."""
    return charges_of(frame.get_chemical_symbols(), charges)


def charges_of(symbols: Iterable[str], charges: Mapping[str, float]) -> np.ndarray:
    """The formal charge of each symbol, e; D and T count as hydrogen."""
    by_element = {element_of(symbol): charge for symbol, charge in charges.items()}
    return np.array([by_element[symbol] for symbol in symbols])


def _with_polarizability(frame: Atoms, raw: Atoms, conventions: Conventions, name: str) -> Atoms:
    """The frame with the polarizability of its cell and, where the file has them, the contributions of its atoms."""
    unit = factor("polarizability", conventions.units.get("polarizability") or "angstrom^3")
    of_atoms = raw.arrays.get(ATOMIC_POLARIZABILITY)
    if of_atoms is None and POLARIZABILITY not in raw.info:
        return frame
    found = of_atoms.sum(axis=0) if of_atoms is not None else np.ravel(raw.info[POLARIZABILITY]).astype(float)
    # published tensors are symmetric to within a few thousandths of their trace
    noise = 0.01 * abs(found[::4].sum())
    if found.size != 9 or not np.allclose(found.reshape(3, 3), found.reshape(3, 3).T, rtol=0.0, atol=noise):
        raise CampaignError(
            f"{name} has the polarizability {found.tolist()}, expected nine numbers, xx xy xz and so on, of "
            "a symmetric tensor: correct it or leave it out."
        )
    frame.info[POLARIZABILITY] = _symmetric(unit * found)
    if of_atoms is not None:
        frame.new_array(ATOMIC_POLARIZABILITY, _symmetric(unit * of_atoms).reshape(-1, 9))
    return frame


def _symmetric(tensors: np.ndarray) -> np.ndarray:
    """The symmetric parts [..., 3, 3] of tensors of nine numbers each."""
    square = tensors.reshape(*tensors.shape[:-1], 3, 3)
    return 0.5 * (square + np.swapaxes(square, -1, -2))


def in_internal_units(frame: Atoms, conventions: Conventions, name: str) -> Atoms:
    """A frame with its positions (Å), energy (eV), forces (eV/Å), stress (eV/Å³) and dipole (e Å) converted.

    Arguments:
        frame: as read, its labels in the calculator, in `info` or in `arrays`.
        conventions: what they mean.
        name: file and place, for messages.

    Raises:
        CampaignError: a label that the conventions name is missing, or a label has the wrong shape.
    """
    keys = conventions.keys
    raw = {label: _raw(frame, label, keys.get(label), name) for label in LABELS}
    if "virial" in keys and keys["virial"] == keys.get("stress", "stress"):
        raw["stress"] = None  # what the file calls stress is a virial
    raw = {label: value for label, value in raw.items() if value is not None}
    _require_named(frame, raw, name)
    result = Atoms(
        frame.get_chemical_symbols(), frame.positions, cell=frame.cell, pbc=frame.pbc, info=dict(frame.info)
    )
    if frame.has("masses"):
        result.set_masses(frame.get_masses())
    length = factor("positions", conventions.units.get("positions") or "angstrom")
    result.set_cell(length * frame.cell.array)
    result.positions = length * frame.positions
    labels = _converted(raw, conventions, result, name)
    for label in ("stress", "virial", "dipole"):
        result.info.pop(label, None)
    if labels:
        result = with_labels(result, labels)
    result = _with_local_dipoles(result, frame, conventions, name)
    result = _with_polarizability(result, frame, conventions, name)
    if conventions.wannier and result.calc and "dipole" in result.calc.results:
        result = dipole_from_wannier(result, conventions.charges)
    return result


def _converted(
    raw: Mapping[str, np.ndarray], conventions: Conventions, frame: Atoms, name: str
) -> dict[str, float | np.ndarray]:
    units = {
        "energy": conventions.units.get("energy") or "eV",
        "forces": conventions.units.get("forces") or "eV/angstrom",
        "stress": conventions.units.get("stress") or "eV/angstrom^3",
        "virial": conventions.units.get("virial") or "eV",
        "dipole": conventions.units.get("dipole") or "e angstrom",
    }
    labels = {label: factor(label, units[label]) * value for label, value in raw.items()}
    if "energy" in labels:
        energy = labels["energy"] * (len(frame) if is_per_atom(units["energy"]) else 1)
        labels["energy"] = float(energy.reshape(()))
    if "forces" in labels:
        labels["forces"] = labels["forces"].reshape(len(frame), 3)
    if "dipole" in labels:
        labels["dipole"] = labels["dipole"].reshape(3)
    stresses = {}
    if "stress" in labels:
        stresses["stress"] = _voigt(labels.pop("stress"), conventions.stress_order, name)
    if "virial" in labels:
        virial = _voigt(labels.pop("virial"), conventions.stress_order, name)
        _require_cell(frame, "virial", name)
        # a positive virial means pressure; a positive stress in ASE means tension
        stresses["virial"] = -virial / frame.get_volume()
    if len(stresses) == 2:
        first, second = stresses.values()
        if not np.allclose(first, second, rtol=1e-2, atol=1e-2 * np.abs(first).max()):
            raise CampaignError(
                f"{name} has a stress and a virial that differ ({first[0]:.3g} and {second[0]:.3g} eV/Å³ along "
                "x): expected stress = -virial/volume; state units.stress or units.virial, or leave one out."
            )
    if stresses:
        labels["stress"] = next(iter(stresses.values()))
    return labels


def is_periodic_box(frame: Atoms) -> bool:
    """Whether the frame is periodic in three directions and has a volume."""
    return bool(frame.pbc.all()) and frame.cell.rank == 3 and frame.get_volume() >= 1e-3


def _require_cell(frame: Atoms, label: str, name: str) -> None:
    if not is_periodic_box(frame):
        raise CampaignError(
            f"{name} has a {label} in a cell of {frame.get_volume():.3g} Å³, periodic {frame.pbc.tolist()}: expected "
            f"three periodic directions and a volume; complete the cell or leave the {label} out."
        )


def _raw(frame: Atoms, label: str, key: str | None, name: str) -> np.ndarray | None:
    """A label as the file has it, under the stated key or its own name."""
    places = [frame.calc.results if frame.calc else {}, frame.info, frame.arrays]
    value = next((place[key or label] for place in places if (key or label) in place), None)
    if value is None:
        if key is not None and label in ("energy", "forces"):
            known = sorted({each for place in places for each in place} - {"numbers", "positions", "source"})
            raise CampaignError(
                f"{name} has no '{key}', which {label}_key names: expected one of "
                f"{', '.join(known) or 'its labels, but it has none'}; correct {label}_key."
            )
        return None
    if np.shape(value) == (6,) and value is places[0].get(key or label):
        return voigt_6_to_full_3x3_stress(value)  # ASE has already put the nine numbers in its own order
    sizes = {"energy": (1,), "forces": (3 * len(frame),), "dipole": (3,)}.get(label, (6, 9))
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.size not in sizes:
        shown = repr(value) if np.size(value) < 10 else f"{np.size(value)} numbers"
        raise CampaignError(
            f"{name} has the {label} {shown}, expected {' or '.join(map(str, sizes))} "
            f"number{'s' if sizes != (1,) else ''} with decimal points: correct it."
        )
    return array


def _require_named(frame: Atoms, raw: Mapping[str, np.ndarray], name: str) -> None:
    """Refuse labels under another common name, which would otherwise be ignored silently."""
    present = {*frame.info, *frame.arrays}
    for label, aliases in _ALIASES.items():
        found = [alias for alias in aliases if alias in present]
        stands_for = "stress" if label == "virial" and "stress" in raw else label
        if found and stands_for not in raw:
            sign = (
                ", and put a minus before units.forces, since a gradient has the opposite sign"
                if found[0].startswith("gradient")
                else ""
            )
            raise CampaignError(
                f"{name} has no '{label}' but '{found[0]}': expected {label}_key to name it; state "
                f"{label}_key: {found[0]} in dataset{sign}."
            )


def _voigt(values: np.ndarray, order: str, name: str) -> np.ndarray:
    """Six numbers in ASE's order, from six in any order or from nine."""
    if values.size == 6:
        full = np.empty((3, 3))
        for (row, column), value in zip(ORDERS[order], values.ravel(), strict=True):
            full[row, column] = full[column, row] = value
    else:
        full = values.reshape(3, 3)
    scale = np.abs(full).max()
    if np.abs(full - full.T).max() > 0.02 * scale + 1e-6:
        raise CampaignError(
            f"{name} has a stress or virial of nine numbers that is not symmetric ({full[0, 1]:.3g} and "
            f"{full[1, 0]:.3g} eV/Å³ or eV for xy and yx): expected rows xx xy xz, yx yy yz, zx zy zz; correct "
            "the order."
        )
    return full_3x3_to_voigt_6_stress(full)
