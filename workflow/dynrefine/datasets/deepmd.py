"""Frames from folders in DeePMD's npy layout, of one composition or of mixed types, alone or in a tree."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import with_labels
from dynrefine.datasets.isotopes import atoms_of, symbol_of_label
from dynrefine.errors import CampaignError

_ARRAYS = ("coord", "box", "energy", "force", "virial", "dipole")
_LABELS = {"force": "forces", "dipole": "dipole"}


def systems(folder: Path) -> list[Path]:
    """The folders that hold a type.raw: this one, or all below it, in natural order."""
    if (folder / "type.raw").exists() or any(folder.glob("set.*")):
        return [folder]
    return sorted({path.parent for path in folder.rglob("type.raw")}, key=_natural)


def files_of(path: Path) -> list[Path]:
    """Every file that is read of a folder of frames; a file itself."""
    if not path.is_dir():
        return [path]
    return [
        each
        for system in systems(path)
        for each in (
            *(system / name for name in ("type.raw", "type_map.raw", "nopbc")),
            *(part / f"{name}.npy" for part in _sets(system) for name in (*_ARRAYS, "real_atom_types")),
        )
        if each.exists()
    ]


def read_deepmd(
    folder: Path, elements: Collection[str] | None = None, named: Mapping[str, str] | None = None
) -> Iterator[Atoms]:
    """The frames of a folder, or of all systems below it; virials stay virials, in `info`.

    Arguments:
        folder: holds type.raw, type_map.raw and set.*/coord.npy, or folders that do.
        elements: the symbols that may occur; they decide what names such as CA in the type map stand for.
        named: symbols of these names as the user states them.

    Raises:
        CampaignError: a file is missing, cannot be read or does not agree with the others.
    """
    found = systems(folder)
    if not found:
        raise CampaignError(
            f"{folder} is not a DeePMD folder (type.raw is missing, here and in all folders below): expected "
            "type.raw, type_map.raw and set.*/coord.npy; give the folder that holds them."
        )
    for system in found:
        name = str(system.relative_to(folder)).replace("/", ".") if system != folder else folder.name
        for index, frame in enumerate(_read_system(system, elements, named)):
            frame.info["source"] = f"{name}_{index}"
            yield frame


def _sets(system: Path) -> list[Path]:
    return sorted(system.glob("set.*"), key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key that puts set.2 before set.10."""
    parts = re.findall(r"\d+|\D+", str(path))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read_system(
    system: Path, elements: Collection[str] | None, named: Mapping[str, str] | None
) -> Iterator[Atoms]:
    sets = _sets(system)
    needed = [system / "type.raw", *(part / "coord.npy" for part in sets)]
    missing = [path.name for path in needed if not path.exists()]
    if missing or not sets:
        raise CampaignError(
            f"{system} is not a DeePMD folder ({(missing or ['set.*'])[0]} is missing): expected "
            "type.raw, type_map.raw and set.*/coord.npy; give the folder that holds them."
        )
    names = _type_map(system, named)
    kinds = _kinds(system, (system / "type.raw").read_text(encoding="utf-8").split(), len(names))
    symbols = [symbol_of_label(name, elements, named) for name in names]
    periodic = not (system / "nopbc").exists()
    for part in sets:
        yield from _read_set(part, kinds, names, symbols, periodic)


def _type_map(system: Path, named: Mapping[str, str] | None) -> list[str]:
    """The names of the types; their numbers where the user states what these are."""
    path = system / "type_map.raw"
    if path.exists():
        return path.read_text(encoding="utf-8").split()
    numbers = sorted(int(name) for name in named or {} if name.isdigit())
    if not numbers:
        raise CampaignError(
            f"{system} is not a DeePMD folder (type_map.raw is missing): expected the symbols of the types in it; "
            'add it, or state them in dataset.symbols, such as {"0": O, "1": H}.'
        )
    return [str(number) for number in range(numbers[-1] + 1)]


def _kinds(system: Path, texts: list[str], known: int) -> np.ndarray:
    """Types as indices of the type map."""
    try:
        kinds = np.array([float(text) for text in texts])
    except ValueError as error:
        raise CampaignError(
            f"{system}/type.raw holds something else than numbers ({error}): expected a type per atom; correct it."
        ) from None
    _require_known(f"{system}/type.raw", kinds, known, system)
    return kinds.astype(int)


def _require_known(path: str, kinds: np.ndarray, known: int, system: Path) -> None:
    wrong = kinds[(kinds != np.round(kinds)) | (kinds < 0) | (kinds >= known)]
    if wrong.size:
        raise CampaignError(
            f"{path} holds the type {wrong.ravel()[0]:g}, expected whole numbers from 0 to {known - 1}, the places "
            f"in {system}/type_map.raw: add the missing names there or correct the types."
        )


def _read_set(
    part: Path, kinds: np.ndarray, names: list[str], symbols: list[str | None], periodic: bool
) -> Iterator[Atoms]:
    arrays = _read_arrays(part, len(kinds))
    mixed = arrays.pop("real_atom_types", None)
    if mixed is not None:
        # -1 stands for no atom, where systems of several sizes share an array
        _require_known(f"{part}/real_atom_types.npy", mixed[mixed != -1], len(names), part.parent)
    if periodic and "box" not in arrays:
        raise CampaignError(
            f"{part} has no box.npy and {part.parent} no file nopbc: expected the cell of each frame; add box.npy."
        )
    if not periodic and "virial" in arrays:
        arrays.pop("virial")  # of a cluster in empty space: no cell, no stress
    for index in range(len(arrays["coord"])):
        row = {name: array[index] for name, array in arrays.items()}
        own = kinds if mixed is None else mixed[index].astype(int)
        present = own >= 0
        labels_of_atoms = [_known_symbol(part.parent, names[kind], symbols[kind]) for kind in own[present]]
        frame = atoms_of(labels_of_atoms, row["coord"][present], cell=row.get("box"), pbc=periodic)
        labels = {name: row[key] for key, name in _LABELS.items() if key in row}
        if "forces" in labels:
            labels["forces"] = labels["forces"][present]
        if "energy" in row:
            labels["energy"] = float(row["energy"])
        frame = with_labels(frame, labels)
        if "virial" in row:
            frame.info["virial"] = row["virial"].ravel()
        yield frame


def _known_symbol(system: Path, name: str, symbol: str | None) -> str:
    if symbol is None:
        raise CampaignError(
            f"{system}/type_map.raw names '{name}', expected chemical symbols: correct it, or state what it is in "
            f"dataset.symbols, such as {{{name}: {name[0].upper()}}}."
        )
    return symbol


def _read_arrays(part: Path, atoms: int) -> dict[str, np.ndarray]:
    """The arrays of one set by name, frame by frame."""
    shapes = {
        "coord": (atoms, 3),
        "box": (3, 3),
        "energy": (),
        "force": (atoms, 3),
        "virial": (3, 3),
        "dipole": (3,),
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
    for name, array in arrays.items():
        wanted = (count, *shapes[name])
        if array.size != np.prod(wanted) or not count:
            raise CampaignError(
                f"{part} could not be read ({name}.npy has the shape {array.shape}): expected {count} frames of "
                f"{atoms} atoms as in coord.npy and type.raw, {np.prod(wanted)} numbers; make or download the "
                "folder again."
            )
    return {name: array.reshape(count, *shapes[name]) for name, array in arrays.items()}
