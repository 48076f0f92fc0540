"""Frames from files of any format ASE reads and from folders in DeePMD's npy layout."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ase import Atoms
from ase.io import read

from dynrefine.datasets.conventions import Conventions, dipole_from_wannier, in_internal_units, with_labels
from dynrefine.datasets.deepmd import read_deepmd
from dynrefine.datasets.extended_xyz import looks_like_xyz, read_extended_xyz
from dynrefine.datasets.isotopes import require_elements
from dynrefine.errors import CampaignError

__all__ = ["Conventions", "dipole_from_wannier", "read_frames", "read_geometries", "with_labels"]

_ASE = Conventions()


def read_frames(
    path: str | Path, conventions: Conventions = _ASE, elements: Collection[str] | None = None
) -> list[Atoms]:
    """Read frames; those without a name are named after the file and their place in it.

    Arguments:
        path: a file of any format of ASE, a DeePMD folder (type.raw, type_map.raw, set.*/coord.npy, box.npy,
            energy.npy, force.npy, virial.npy, dipole.npy, real_atom_types.npy; all but the types and the
            coordinates may be missing), or a folder of such folders.
        conventions: units and names of the labels; by default those of ASE, and eV, Å, e for DeePMD.
        elements: the elements that may occur, where they are known.

    Raises:
        CampaignError: the file is missing, broken, empty or of no known format, or holds another element.
    """
    return [
        in_internal_units(frame, conventions, f"{path}, frame {index} ({frame.info['source']})")
        for index, frame in enumerate(_as_written(Path(path), conventions, elements))
    ]


def read_geometries(
    path: str | Path, elements: Collection[str], symbols: Mapping[str, str] | None = None
) -> list[Atoms]:
    """Read positions and cells, Å, with the names of the frames; labels are ignored.

    Arguments:
        path: as for `read_frames`.
        elements: the elements that may occur.
        symbols: the chemical symbol of each atom label in the file.

    Raises:
        CampaignError: as `read_frames`, except for labels.
    """
    return [
        Atoms(
            frame.get_chemical_symbols(),
            frame.positions,
            masses=frame.get_masses() if frame.has("masses") else None,
            cell=frame.cell,
            pbc=frame.pbc,
            info={"source": frame.info["source"]},
        )
        for frame in _as_written(Path(path), Conventions(symbols=symbols or {}), elements)
    ]


def _as_written(path: Path, conventions: Conventions, elements: Collection[str] | None) -> list[Atoms]:
    """Frames with names, and otherwise as in the file."""
    if not path.exists():
        raise CampaignError(
            f"{path} does not exist: expected a file of frames; correct the path or make the file."
        )
    if path.is_dir():
        frames = list(read_deepmd(path, elements, conventions.symbols, conventions.atoms))
    elif looks_like_xyz(path):
        frames = read_extended_xyz(path, elements, conventions.symbols)
    else:
        frames = _read_other(path)
    if not frames:
        raise CampaignError(f"{path} holds no frames: expected at least one; give another file.")
    for index, frame in enumerate(frames):
        frame.info.setdefault("source", f"{path.stem}_{index}")
    if elements is not None:
        require_elements(frames, elements, str(path))
    return frames


def _read_other(path: Path) -> list[Atoms]:
    try:
        frames = read(path, ":")
    except Exception as error:  # each of ASE's many readers raises its own kinds
        raise CampaignError(
            f"{path} could not be read ({type(error).__name__}: {error}): expected complete frames in a "
            "format that ASE reads, preferably extended XYZ; convert the file."
        ) from error
    return [frames] if isinstance(frames, Atoms) else frames
