"""Frames from files of any format ASE reads and from folders in DeePMD's npy layout."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from ase.stress import full_3x3_to_voigt_6_stress

from dynrefine.errors import CampaignError


def read_frames(path: str | Path) -> list[Atoms]:
    """Read frames; those without a name are named by the file and their place in it.

    Arguments:
        path: a file of any format of ASE, or a DeePMD folder (type.raw, type_map.raw, set.*/coord.npy,
            box.npy, energy.npy, force.npy, virial.npy, dipole.npy; eV, Å, e; all but the coordinates may be
            missing).

    Raises:
        CampaignError: the file is missing, truncated, empty or of no known format.
    """
    path = Path(path)
    if not path.exists():
        raise CampaignError(
            f"{path} does not exist: expected a file of frames; correct the path or make the file."
        )
    frames = _read_deepmd(path) if path.is_dir() else _read_ase(path)
    if not frames:
        raise CampaignError(f"{path} holds no frames: expected at least one; give another file.")
    for index, frame in enumerate(frames):
        frame.info.setdefault("source", f"{path.stem}_{index}")
    return frames


def with_labels(frame: Atoms, labels: Mapping[str, float | np.ndarray]) -> Atoms:
    """A copy of a frame with these labels (in ASE's names and units) in its calculator, and no others."""
    result = frame.copy()
    result.calc = SinglePointCalculator(result, **labels)
    return result


def dipole_from_wannier(frame: Atoms, charges: Mapping[str, float]) -> Atoms:
    """The frame with its total dipole, where the file held displacements of Wannier centres instead.

    Some DeePMD sets give as dipole the sum over atoms of the displacements of their doubly occupied Wannier
    centres. With formal charges q_i (core and the electrons of the centres) the total is sum_i q_i r_i - 2 e
    times that sum, defined modulo e times the cell vectors.

    Arguments:
        frame: its calculator's dipole is the sum of displacements, Å.
        charges: formal charge of each element, e ({"O": -2, "H": 1}).
    """
    formal = np.array([charges[symbol] for symbol in frame.get_chemical_symbols()])
    labels = frame.calc.results
    return with_labels(frame, labels | {"dipole": formal @ frame.positions - 2.0 * labels["dipole"]})


def _read_ase(path: Path) -> list[Atoms]:
    try:
        return read(path, ":")
    except Exception as error:  # each of ASE's many readers raises its own kinds
        raise CampaignError(
            f"{path} could not be read ({type(error).__name__}: {error}): expected complete frames in a "
            "format of ASE, best extended XYZ; it may be truncated: make or download it again."
        ) from error


def _read_deepmd(folder: Path) -> list[Atoms]:
    sets = sorted(folder.glob("set.*"))
    needed = [folder / "type.raw", folder / "type_map.raw", *(part / "coord.npy" for part in sets)]
    missing = [path.name for path in needed if not path.exists()]
    if missing or not sets:
        raise CampaignError(
            f"{folder} is not a DeePMD folder ({(missing or ['set.*'])[0]} is missing): expected "
            "type.raw, type_map.raw and set.*/coord.npy; give the folder that holds them."
        )
    names = (folder / "type_map.raw").read_text().split()
    symbols = [names[int(kind)] for kind in (folder / "type.raw").read_text().split()]
    periodic = not (folder / "nopbc").exists()
    return [frame for part in sets for frame in _read_deepmd_set(part, symbols, periodic)]


def _read_deepmd_set(part: Path, symbols: list[str], periodic: bool) -> Iterator[Atoms]:
    arrays = _deepmd_arrays(part, len(symbols))
    for index in range(len(arrays["coord"])):
        row = {name: array[index] for name, array in arrays.items()}
        frame = Atoms(symbols, row["coord"], cell=row.get("box"), pbc=periodic)
        labels = {name: row[key] for key, name in (("force", "forces"), ("dipole", "dipole")) if key in row}
        if "energy" in row:
            labels["energy"] = float(row["energy"])
        if "virial" in row:
            labels["stress"] = full_3x3_to_voigt_6_stress(-row["virial"] / frame.get_volume())
        yield with_labels(frame, labels)


def _deepmd_arrays(part: Path, atoms: int) -> dict[str, np.ndarray]:
    """The arrays of one set by name, frame by frame."""
    shapes = {
        "coord": (atoms, 3),
        "box": (3, 3),
        "energy": (),
        "force": (atoms, 3),
        "virial": (3, 3),
        "dipole": (3,),
    }
    paths = {name: part / f"{name}.npy" for name in shapes}
    try:
        arrays = {name: np.load(path).astype(float) for name, path in paths.items() if path.exists()}
        count = len(arrays["coord"])
        return {name: array.reshape(count, *shapes[name]) for name, array in arrays.items()}
    except (ValueError, EOFError, OSError) as error:
        raise CampaignError(
            f"{part} could not be read ({error}): expected arrays of equally many frames of {atoms} atoms; "
            "make or download the folder again."
        ) from error
