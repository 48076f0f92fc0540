"""Conversion of frames to the arrays of the numerical core and back."""

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from dynrefine.datasets.conventions import ATOMIC_POLARIZABILITY, LOCAL_DIPOLE, POLARIZABILITY, with_labels
from dynrefine.datasets.isotopes import atoms_of, require_elements, symbol_among, symbols_of
from dynrefine.errors import CampaignError
from dynrefine.geometry.frames import LabelledFrames


def parts_to_arrays(
    parts: Mapping[str, Sequence[Atoms]], elements: Sequence[str]
) -> dict[str, LabelledFrames]:
    """The frames of each part of a data set as arrays, all padded to the largest frame of any part.

    Arguments:
        parts: frames by the name of their part.
        elements: the elements of the potential, in its order.

    Raises:
        CampaignError: a part has no frames, or a frame holds an element that is not among them.
    """
    atoms = max((len(frame) for frames in parts.values() for frame in frames), default=0)
    return {part: to_arrays(frames, elements, atoms) for part, frames in parts.items()}


def to_arrays(frames: Sequence[Atoms], elements: Sequence[str], room: int = 0) -> LabelledFrames:
    """Frames as arrays, padded to the largest frame.

    Arguments:
        frames: F frames of up to N atoms.
        elements: the elements of the potential, in its order.
        room: atoms to pad to, N, where that is more than the largest frame has.

    Raises:
        CampaignError: there are no frames, or one holds an element that is not among them.
    """
    if not frames:
        raise CampaignError(
            "there are no frames to convert to arrays: expected at least one; check the data set."
        )
    require_elements(frames, elements)
    atoms = max(room, *(len(frame) for frame in frames))
    results = [frame.calc.results if frame.calc else {} for frame in frames]
    missing_stress = np.full(6, np.nan)
    return LabelledFrames(
        species=np.stack([_padded(_species(frame, elements), atoms, -1) for frame in frames]),
        positions=np.stack([_padded(frame.positions, atoms, 0.0) for frame in frames]),
        cells=np.stack([frame.cell.array for frame in frames]),
        energies=np.array([result.get("energy", np.nan) for result in results], float),
        forces=np.stack(
            [
                _of_atoms(result.get("forces"), len(frame), atoms)
                for frame, result in zip(frames, results, strict=True)
            ]
        ),
        stresses=np.stack(
            [voigt_6_to_full_3x3_stress(result.get("stress", missing_stress)) for result in results]
        ),
        dipoles=np.array([result.get("dipole", np.full(3, np.nan)) for result in results], float),
        local_dipoles=np.stack(
            [_of_atoms(frame.arrays.get(LOCAL_DIPOLE), len(frame), atoms) for frame in frames]
        ),
        polarizabilities=np.stack(
            [np.asarray(frame.info.get(POLARIZABILITY, np.full((3, 3), np.nan)), float) for frame in frames]
        ),
        local_polarizabilities=np.stack(
            [_of_atoms(frame.arrays.get(ATOMIC_POLARIZABILITY), len(frame), atoms, 9) for frame in frames]
        ).reshape(len(frames), atoms, 3, 3),
    )


def from_arrays(frames: LabelledFrames, elements: Sequence[str], series: str) -> list[Atoms]:
    """Arrays as frames, named "series_0", "series_1", ...; labels that are NaN are left out.

    Arguments:
        frames: F frames; `LabelledFrames.unlabelled` makes them from the positions of a trajectory.
        elements: the elements of the potential, in its order.
        series: what the frames have in common, such as the trajectory they are from.
    """
    return [_frame(frames, elements, index, f"{series}_{index}") for index in range(len(frames))]


def _species(frame: Atoms, elements: Sequence[str]) -> np.ndarray:
    numbers: dict[str | None, int] = {symbol: number for number, symbol in enumerate(elements)}
    return np.array([numbers[symbol_among(symbol, elements)] for symbol in symbols_of(frame)], np.int32)


def _of_atoms(vectors: np.ndarray | None, atoms: int, room: int, size: int = 3) -> np.ndarray:
    """A vector of each atom [room, size], NaN where they are not known and zero where there is no atom."""
    return _padded(np.full((atoms, size), np.nan) if vectors is None else vectors, room, 0.0)


def _padded(array: np.ndarray, length: int, value: float) -> np.ndarray:
    widths = [(0, length - len(array)), *[(0, 0)] * (array.ndim - 1)]
    return np.pad(array, widths, constant_values=value)


def _frame(frames: LabelledFrames, elements: Sequence[str], index: int, source: str) -> Atoms:
    present = np.asarray(frames.species[index]) >= 0
    symbols = [elements[kind] for kind in np.asarray(frames.species[index])[present]]
    positions = np.asarray(frames.positions[index])[present]
    labels = {
        "energy": float(frames.energies[index]),
        "forces": np.asarray(frames.forces[index])[present],
        "stress": full_3x3_to_voigt_6_stress(np.asarray(frames.stresses[index])),
        "dipole": np.asarray(frames.dipoles[index]),
    }
    frame = atoms_of(
        symbols, positions, cell=np.asarray(frames.cells[index]), pbc=True, info={"source": source}
    )
    local = np.asarray(frames.local_dipoles[index])[present]
    if np.all(np.isfinite(local)):
        frame.new_array(LOCAL_DIPOLE, local)
    polarizability = np.asarray(frames.polarizabilities[index])
    if np.all(np.isfinite(polarizability)):
        frame.info[POLARIZABILITY] = polarizability
    of_atoms = np.asarray(frames.local_polarizabilities[index])[present]
    if np.all(np.isfinite(of_atoms)):
        frame.new_array(ATOMIC_POLARIZABILITY, of_atoms.reshape(-1, 9))
    return with_labels(frame, {name: value for name, value in labels.items() if np.all(np.isfinite(value))})
