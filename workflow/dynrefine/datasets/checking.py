"""Requirements that a data set must meet before anything is fitted to it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms

from dynrefine.datasets.conventions import LOCAL_DIPOLE, Conventions, is_periodic_box
from dynrefine.datasets.isotopes import require_elements
from dynrefine.datasets.judging import unit_faults
from dynrefine.datasets.limits import limits_of, measured, require_few_dropped
from dynrefine.datasets.sources import Source, mixed_levels
from dynrefine.errors import CampaignError

_FEWEST_OF_CAMPAIGN = 5  # frames needed to check how the output of a program was read
_REPEATED = "the geometry of an earlier frame"


def check_frames(
    frames: Sequence[Atoms],
    elements: Sequence[str],
    *,
    force_limit: float,
    minimum_distance: float = 0.6,
    energy_limit: float = 8.0,
    net_force_limit: float = 0.1,
    name: str = "the data set",
    sources: Sequence[Source] | None = None,
    needed: Sequence[str] = ("energy", "forces"),
) -> tuple[list[Atoms], pd.DataFrame]:
    """Check every frame; leave out doubtful ones and refuse what cannot be right.

    Arguments:
        frames: frames with labels.
        elements: the elements of the potential.
        force_limit: largest force on an atom, eV/Å.
        minimum_distance: shortest distance between two atoms, Å.
        energy_limit: largest deviation of the energy from the median of its series, in robust standard deviations
            (1.4826 times the median absolute deviation); series of fewer than ten frames with the same composition
            and method share one median, with a standard deviation of at least 0.005 eV/atom.
        net_force_limit: largest component of the net force, removed by the labelling or left in the frame, divided
            by the square root of the number of atoms, eV/Å, because independent errors of the forces on N atoms add
            up to √N times one of them.
        name: the file or files, for messages.
        sources: the single files, if there are several; the units of each are checked separately.
        needed: the labels that every frame must have.

    Returns:
        the frames kept, and a table with a row per frame: frame, source, atoms, verdict (kept, removed),
        reason, largest_force (eV/Å), shortest_distance (Å), energy (eV/atom), energy_deviation, net_force
        (eV/Å).

    Raises:
        CampaignError: labels are missing or not finite, an element is unknown, a cell has no volume or is not
            periodic, the units cannot be Å and eV, two levels of theory are mixed, or one limit would leave out
            too many frames.
    """
    require_elements(frames, elements, name)
    for index, frame in enumerate(frames):
        place = f"{name}, frame {index} ({frame.info.get('source', 'without a source')})"
        _require_sound(frame, place, needed)
    sources = sources or [Source(name, list(frames), Conventions())]
    faults = [fault for source in _judged_together(sources) for fault in _faults(source)]
    faults = faults or [fault for fault in [mixed_levels(sources)] if fault]
    if faults:
        raise CampaignError("\n".join(faults))
    table = measured(frames)
    limits = limits_of(table, force_limit, minimum_distance, energy_limit, net_force_limit)
    table["reason"] = np.select([limit.missed for limit in limits], [limit.reason for limit in limits], "")
    sound = table[table.reason == ""]
    table.loc[sound.index[sound.duplicated("geometry")], "reason"] = _REPEATED
    table["verdict"] = np.where(table.reason == "", "kept", "removed")
    require_few_dropped(table, limits, name)
    kept = [frames[index] for index in table.frame[table.verdict == "kept"]]
    if not kept:
        raise CampaignError(
            f"{name}: none of {len(frames)} frames is left, most removed for '{table.reason.mode()[0]}': "
            "correct the frames or loosen the limit."
        )
    return kept, table.drop(columns=["geometry", "converged", "kind", "series"])


def _require_sound(frame: Atoms, name: str, needed: Sequence[str]) -> None:
    labels = frame.calc.results if frame.calc else {}
    missing = [label for label in needed if label not in labels]
    if missing:
        raise CampaignError(
            f"{name} has no {missing[0]}: expected {' and '.join(needed)} in every frame; label this one or remove "
            "it."
        )
    local = {LOCAL_DIPOLE: frame.arrays[LOCAL_DIPOLE]} if LOCAL_DIPOLE in frame.arrays else {}
    numbers = {"positions": frame.positions, "cell": frame.cell.array, **labels, **local}
    broken = [label for label, value in numbers.items() if not np.all(np.isfinite(value))]
    if broken:
        raise CampaignError(
            f"{name} has non-finite numbers in its {broken[0]}: label the frame again or remove it."
        )
    if not is_periodic_box(frame):
        raise CampaignError(
            f"{name} has the cell {frame.cell.array.tolist()} with periodicity {frame.pbc.tolist()}: "
            "expected three periodic directions and a volume; complete the cell or remove the frame."
        )


def _judged_together(sources: Sequence[Source]) -> list[Source]:
    """The files, with those that the campaign labelled joined into one, because batches are small."""
    own = [source for source in sources if source.conventions is None]
    if len(own) < 2:
        return list(sources)
    whole = Source(f"{own[0].name} to {own[-1].name}", [frame for each in own for frame in each.frames], None)
    return [*(source for source in sources if source.conventions is not None), whole]


def _faults(source: Source) -> list[str]:
    """What is wrong with the units of a file, or that it mixes levels of theory, which can look the same."""
    if source.conventions is None and len(source.frames) < _FEWEST_OF_CAMPAIGN:
        return []
    faults = unit_faults(source.frames, source.name, source.conventions)
    mixed = mixed_levels([source]) if faults else None
    return [mixed] if mixed else faults
