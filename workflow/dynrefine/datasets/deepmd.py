"""Frames from folders in DeePMD's npy layout, of one composition or of mixed types, alone or in a tree."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.symbols import string2symbols

from dynrefine.datasets.conventions import (
    ATOMIC_DIPOLE,
    ATOMIC_POLARIZABILITY,
    POLARIZABILITY,
    with_labels,
)
from dynrefine.datasets.isotopes import atoms_of, symbol_of_label
from dynrefine.errors import CampaignError

_RESPONSES = ("dipole", ATOMIC_DIPOLE, POLARIZABILITY, ATOMIC_POLARIZABILITY)
_ARRAYS = ("coord", "box", "energy", "force", "virial", *_RESPONSES, "real_atom_types")
_LABELS = {"force": "forces", "dipole": "dipole"}
# Labels of atoms: the name of their sum, and how many numbers each has.
_OF_ATOMS = {ATOMIC_DIPOLE: ("dipole", 3), ATOMIC_POLARIZABILITY: (POLARIZABILITY, 9)}


def systems(folder: Path) -> list[Path]:
    """The folders that hold sets: this one, or all below it, in natural order; else those that hold a type.raw."""
    if any(folder.glob("set.*")):
        return [folder]
    for name in ("set.*", "type.raw"):
        found = {path.parent for path in folder.rglob(name)}
        if found:
            return sorted(found, key=_natural)
    return []


def files_of(path: Path) -> list[Path]:
    """Every file that is read from a folder of frames; for a file, the file itself."""
    if not path.is_dir():
        return [path]
    return [
        each
        for system in systems(path)
        for each in (
            *(_types(system, path).with_name(name) for name in ("type.raw", "type_map.raw")),
            system / "nopbc",
            *(part / f"{name}.npy" for part in _sets(system) for name in _ARRAYS),
        )
        if each.exists()
    ]


def _types(system: Path, folder: Path) -> Path:
    """The type.raw of a system: its own, or that of the nearest folder above it, up to the one above `folder`."""
    above = [system, *system.parents]
    places = above[: above.index(folder) + 2]
    return next(
        (place / "type.raw" for place in places if (place / "type.raw").exists()), system / "type.raw"
    )


def read_deepmd(
    folder: Path,
    elements: Collection[str] | None = None,
    named: Mapping[str, str] | None = None,
    formula: str | None = None,
) -> Iterator[Atoms]:
    """The frames of a folder, or of all systems below it; virials stay virials, in `info`.

    Arguments:
        folder: holds type.raw, type_map.raw and set.*/coord.npy, or folders that do.
        elements: the symbols that may occur; they decide what names such as CA in the type map stand for.
        named: symbols that the user has stated for these names.
        formula: the symbols in order, to use instead of the types.

    Raises:
        CampaignError: a file is missing, cannot be read or does not agree with the others.
    """
    found = systems(folder)
    if not found:
        raise CampaignError(
            f"{folder} is not a DeePMD folder (set.* and type.raw are missing, here and in all folders below): "
            "expected type.raw, type_map.raw and set.*/coord.npy; give the folder that holds them."
        )
    for system in found:
        name = str(system.relative_to(folder)).replace("/", ".") if system != folder else folder.name
        for index, frame in enumerate(_read_system(system, _types(system, folder), elements, named, formula)):
            frame.info["source"] = f"{name}_{index}"
            yield frame


def _sets(system: Path) -> list[Path]:
    return sorted(system.glob("set.*"), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that puts set.2 before set.10."""
    parts = re.findall(r"\d+|\D+", str(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read_system(
    system: Path,
    types: Path,
    elements: Collection[str] | None,
    named: Mapping[str, str] | None,
    formula: str | None,
) -> Iterator[Atoms]:
    sets = _sets(system)
    missing = [path.name for path in (part / "coord.npy" for part in sets) if not path.exists()]
    if missing or not sets:
        raise CampaignError(
            f"{system} is not a DeePMD folder ({(missing or ['set.*'])[0]} is missing): expected "
            "type.raw, type_map.raw and set.*/coord.npy; give the folder that holds them."
        )
    if not formula and not types.exists():
        raise CampaignError(
            f"{system} has no type.raw, nor has the folder above: expected the type of each atom in the order of "
            f"coord.npy ({_coordinates(sets[0])}); add the file."
        )
    if formula:
        _require_one_composition(sets, formula)
        stated = string2symbols(formula)
        names = sorted(set(stated))
        kinds = np.array([names.index(symbol) for symbol in stated])
    else:
        names = _type_map(types.parent, named)
        kinds = _kinds(types, names)
    symbols = [symbol_of_label(name, elements, named) for name in names]
    periodic = not (system / "nopbc").exists()
    for part in sets:
        yield from _read_set(part, _System(types.parent, kinds, names, symbols, periodic))


def _require_one_composition(sets: Sequence[Path], formula: str) -> None:
    mixed = [part for part in sets if (part / "real_atom_types.npy").exists()]
    if mixed:
        raise CampaignError(
            f"{mixed[0]} holds real_atom_types.npy, which gives the atoms of each frame, expected no such file where "
            f"atoms ({formula}) is stated: state atoms only for the files that need it, not for this one or the "
            "data set."
        )


def _coordinates(part: Path) -> str:
    try:
        shape = np.load(part / "coord.npy", mmap_mode="r").shape
    except (ValueError, EOFError, OSError):
        return "which cannot be read"
    return f"{shape[-1] // 3 if len(shape) == 2 else shape[-2]} atoms" if len(shape) > 1 else "of no frames"


def _type_map(folder: Path, named: Mapping[str, str] | None) -> list[str]:
    """The names of the types, or their numbers where the user states what these stand for."""
    path = folder / "type_map.raw"
    if path.exists():
        return path.read_text(encoding="utf-8").split()
    numbers = sorted(int(name) for name in named or {} if name.isdigit())
    if not numbers:
        raise CampaignError(
            f"{folder} is not a DeePMD folder (type_map.raw is missing): expected the symbols of the types in it; "
            'add it, or state them in dataset.symbols, such as {"0": O, "1": H}.'
        )
    return [str(number) for number in range(numbers[-1] + 1)]


def _kinds(types: Path, names: Sequence[str]) -> np.ndarray:
    """Types as indices into the type map."""
    try:
        kinds = np.array([float(text) for text in types.read_text(encoding="utf-8").split()])
    except ValueError as error:
        raise CampaignError(
            f"{types} holds something other than numbers ({error}): expected a type per atom; correct it."
        ) from None
    _require_known(f"{types}", kinds, len(names), types.parent)
    return kinds.astype(int)


def _require_known(path: str, kinds: np.ndarray, known: int, system: Path) -> None:
    wrong = kinds[(kinds != np.round(kinds)) | (kinds < 0) | (kinds >= known)]
    if wrong.size:
        raise CampaignError(
            f"{path} holds the type {wrong.ravel()[0]:g}, expected whole numbers from 0 to {known - 1}, the places "
            f"in {system}/type_map.raw: add the missing names there or correct the types."
        )


def _read_set(part: Path, system: "_System") -> Iterator[Atoms]:
    arrays = _read_arrays(part, system.kinds)
    mixed = arrays.pop("real_atom_types", None)
    if mixed is not None:
        # -1 stands for no atom, where systems of several sizes share an array
        known = len(system.names)
        _require_known(f"{part}/real_atom_types.npy", mixed[mixed != -1], known, system.folder)
    if system.periodic and "box" not in arrays:
        raise CampaignError(
            f"{part} has no box.npy and {part.parent} no file nopbc: expected the cell of each frame; add box.npy."
        )
    if not system.periodic and "virial" in arrays:
        arrays.pop("virial")  # a cluster in empty space has no cell, hence no stress
    for index in range(len(arrays["coord"])):
        row = {name: array[index] for name, array in arrays.items()}
        own = system.kinds if mixed is None else mixed[index].astype(int)
        present = own >= 0
        symbols = [system.symbol(kind) for kind in own[present]]
        frame = atoms_of(symbols, row["coord"][present], cell=row.get("box"), pbc=system.periodic)
        labels = {name: row[key] for key, name in _LABELS.items() if key in row}
        if "forces" in labels:
            labels["forces"] = labels["forces"][present]
        if "energy" in row:
            labels["energy"] = float(row["energy"])
        frame = with_labels(frame, labels)
        for name in _OF_ATOMS:
            if name in row:
                frame.new_array(name, row[name][present])
        if POLARIZABILITY in row:
            frame.info[POLARIZABILITY] = row[POLARIZABILITY]
        if "virial" in row:
            frame.info["virial"] = row["virial"].ravel()
        yield frame


@dataclass(frozen=True)
class _System:
    """What the sets of a system share: the folder of its types, each atom's type, names and symbols of the types."""

    folder: Path
    kinds: np.ndarray
    names: list[str]
    symbols: list[str | None]
    periodic: bool

    def symbol(self, kind: int) -> str:
        symbol, name = self.symbols[kind], self.names[kind]
        if symbol is None:
            raise CampaignError(
                f"{self.folder}/type_map.raw names '{name}', expected chemical symbols: correct it, or state what it "
                f"is in dataset.symbols, such as {{{name}: {name[0].upper()}}}."
            )
        return symbol


def _read_arrays(part: Path, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of one set by name, frame by frame."""
    atoms = len(kinds)
    shapes = {
        "coord": (atoms, 3),
        "box": (3, 3),
        "energy": (),
        "force": (atoms, 3),
        "virial": (3, 3),
        "dipole": (3,),
        ATOMIC_DIPOLE: (atoms, 3),
        POLARIZABILITY: (9,),
        ATOMIC_POLARIZABILITY: (atoms, 9),
        "real_atom_types": (atoms,),
    }
    paths = {name: part / f"{name}.npy" for name in shapes}
    try:
        arrays = {name: np.load(path).astype(float) for name, path in paths.items() if path.exists()}
    except (ValueError, EOFError, OSError) as error:
        raise CampaignError(
            f"{part} could not be read ({error}): expected arrays of numbers; make or download the folder again."
        ) from error
    count = len(arrays["coord"]) if arrays["coord"].ndim else 0
    for name, (total, size) in _OF_ATOMS.items():
        if name in arrays:
            given = _by_atom(arrays.pop(name), (count, atoms, size), part / f"{name}.npy")
            arrays.setdefault(total, given.sum(axis=1))
            in_full = _of_all_atoms(given, kinds)
            if in_full is not None:
                arrays[name] = in_full
    for name, array in arrays.items():
        wanted = (count, *shapes[name])
        if array.size != np.prod(wanted) or not count:
            raise CampaignError(
                f"{part} could not be read ({name}.npy has the shape {array.shape}): expected {count} frames of "
                f"{atoms} atoms as in coord.npy and type.raw, {np.prod(wanted)} numbers; make or download the "
                "folder again."
            )
    return {name: array.reshape(count, *shapes[name]) for name, array in arrays.items()}


def _by_atom(values: np.ndarray, shape: tuple[int, int, int], path: Path) -> np.ndarray:
    """The values of all atoms [F, N, numbers], or of fewer where some types have none."""
    count, atoms, size = shape
    rows = values.ndim == 2 and values.shape[1] % size == 0
    fitting = rows or math.prod(values.shape[2:]) == size
    if not fitting or len(values) != count or not 0 < values.size <= math.prod(shape):
        raise CampaignError(
            f"{path.parent} could not be read ({path.name} has the shape {values.shape}): expected {size} numbers "
            f"for each of at most {atoms} atoms in {count} frames, as in coord.npy; make or download the folder "
            "again."
        )
    return values.reshape(count, -1, size)


def _of_all_atoms(given: np.ndarray, kinds: np.ndarray) -> np.ndarray | None:
    """The values for all atoms, zero where only one kind has them; None where it is unclear which kind."""
    if given.shape[1] == len(kinds):
        return given
    fitting = [kind for kind in np.unique(kinds) if np.sum(kinds == kind) == given.shape[1]]
    if len(fitting) != 1:
        return None
    result = np.zeros((len(given), len(kinds), given.shape[2]))
    result[:, kinds == fitting[0]] = given
    return result
