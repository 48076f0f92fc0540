"""The files of a data set, each with its own conventions; frames with unique names and one level of theory."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from dynrefine.datasets.conventions import Conventions
from dynrefine.datasets.pair_model import fit_pair_model
from dynrefine.datasets.reading import read_frames

_LEAST_GAP = 0.1  # between two levels of theory, eV per atom
_SPREADS = 10.0  # least gap over the spread of energies
_LEAST_PART = 0.05  # share of frames of the rarer level, so that outliers do not count as one


@dataclass(frozen=True)
class Source:
    """The frames of one file.

    Attributes:
        name: the file, for messages.
        frames: in Å, eV and e.
        conventions: with which they were read; None where the campaign labelled them, so that their units are
            known.
    """

    name: str
    frames: list[Atoms]
    conventions: Conventions | None = None


def read_sources(
    files: Sequence[tuple[str, Conventions | None]], elements: Collection[str] | None = None
) -> list[Source]:
    """Read the files of a data set; frames of different files never share a name.

    Arguments:
        files: the path and the conventions of each. The conventions are None for frames that the campaign labelled;
            such a file may be empty.
        elements: the elements that may occur.

    Raises:
        CampaignError: a file cannot be read.
    """
    # where geometries are fewer than batches, some batches are empty
    files = [(path, how) for path, how in files if how is not None or Path(path).stat().st_size > 0]
    sources = [Source(path, read_frames(path, how or Conventions(), elements), how) for path, how in files]
    taken: set[str] = set()
    for source, folder in zip(sources, _telling_folders([path for path, _ in files]), strict=True):
        names = [str(frame.info["source"]) for frame in source.frames]
        if taken & set(names):
            names = [f"{folder}/{name}" for name in names]
            for frame, name in zip(source.frames, names, strict=True):
                frame.info["source"] = name
        taken |= set(names)
    return sources


def _telling_folders(paths: Sequence[str]) -> list[str]:
    """The shortest end of each path's folder that differs from those of the others."""
    folders = [Path(path).parent.parts for path in paths]
    depth = max(map(len, folders), default=0)
    for length in range(1, depth + 1):
        ends = ["/".join(parts[-length:]) for parts in folders]
        if len(set(ends)) == len(ends):
            return ends
    return [f"{'/'.join(parts)}/{number}" for number, parts in enumerate(folders)]


def mixed_levels(sources: Sequence[Source]) -> str | None:
    """A sentence if frames are of several levels of theory, by name or by their energies."""
    frames = [frame for source in sources for frame in source.frames]
    methods = Counter(str(frame.info["label_method"]) for frame in frames if "label_method" in frame.info)
    if len(methods) > 1:
        counts = " and ".join(f"{count} frames of {method}" for method, count in methods.most_common())
        return (
            f"{_names(sources)}: label_method names {counts}, expected one level of theory in one fit: leave out the "
            "files or frames of the others, or label them again."
        )
    return next(_gaps(sources), None)


def _gaps(sources: Sequence[Source]) -> Iterator[str]:
    """A sentence for each composition whose energies fall into two groups far apart."""
    owners = {id(frame): source.name for source in sources for frame in source.frames}
    frames = [frame for source in sources for frame in source.frames if _is_labelled(frame)]
    model = fit_pair_model(frames)
    explained = {}
    if model is not None and model.described > 0.4:
        explained = {id(frame): energy for frame, energy in zip(model.frames, model.energies, strict=True)}
        frames = model.frames
    groups: dict[str, list[Atoms]] = {}
    for frame in frames:
        groups.setdefault(frame.get_chemical_formula(), []).append(frame)
    for formula, members in groups.items():
        energies = np.array(
            [frame.calc.results["energy"] - explained.get(id(frame), 0.0) for frame in members]
        )
        energies = energies / len(members[0])
        order = np.argsort(energies)
        steps = np.diff(energies[order])
        if len(steps) < 3:
            continue
        place = int(np.argmax(steps)) + 1
        low, high = order[:place], order[place:]
        spread = max(np.std(energies[low]), np.std(energies[high]))
        rarer = min(len(low), len(high))
        if steps[place - 1] > max(_LEAST_GAP, _SPREADS * spread) and rarer > max(
            1, _LEAST_PART * len(members)
        ):
            apart = len(members[0]) * (energies[high].mean() - energies[low].mean())
            holders = [sorted({owners[id(members[index])] for index in half}) for half in (low, high)]
            yield (
                f"{', '.join(holders[0])}{' and ' + ', '.join(holders[1]) if holders[1] != holders[0] else ''}: the "
                f"energies of {formula} fall into two groups of {len(low)} and {len(high)} frames {apart:.3g} eV "
                "apart, beyond what the forces explain, expected one group: they seem to be of two levels of theory; "
                "leave one out or label it again."
            )


def _is_labelled(frame: Atoms) -> bool:
    results = frame.calc.results if frame.calc else {}
    return all(np.all(np.isfinite(results.get(label, np.nan))) for label in ("energy", "forces"))


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(source.name for source in sources)
