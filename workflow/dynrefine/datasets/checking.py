"""What a data set must fulfil before anything is fitted to it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms

from dynrefine.datasets.arrays import require_elements
from dynrefine.datasets.conventions import LOCAL_DIPOLE, Conventions
from dynrefine.datasets.deviations import robust_deviations
from dynrefine.datasets.judging import unit_faults
from dynrefine.datasets.pairs import pairs_of
from dynrefine.datasets.sources import Source, mixed_levels
from dynrefine.datasets.writing import geometry_key
from dynrefine.errors import CampaignError

_FEWEST_OF_CAMPAIGN = 5  # frames that tell how the output of a program was read
_MOST_DROPPED = 0.5  # part of the frames that one limit may leave out before it is the limit that is doubted


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
    """Judge every frame; leave doubtful ones out and refuse what cannot be right.

    Arguments:
        frames: frames with labels.
        elements: the elements of the potential.
        force_limit: largest force on an atom, eV/Å.
        minimum_distance: shortest distance of two atoms, Å.
        energy_limit: largest deviation of the energy from the median of its composition and method, in robust
            standard deviations (1.4826 times the median absolute deviation).
        net_force_limit: largest component of the net force, removed by the labelling or left in the frame, over
            the root of the number of atoms, eV/Å: independent errors of the forces on N atoms add up to as much as
            root N of them.
        name: the file or files, for messages.
        sources: the files one by one, where frames are of several; the units of each are judged apart.
        needed: the labels that every frame must have.

    Returns:
        the frames kept, and a table with a row per frame: frame, source, atoms, verdict (kept, removed),
        reason, largest_force (eV/Å), shortest_distance (Å), energy (eV/atom), energy_deviation, net_force
        (eV/Å).

    Raises:
        CampaignError: labels are missing or not finite, an element is unknown, a cell has no volume or is not
            periodic, the units cannot be Å and eV, two levels of theory are mixed, or one limit would leave out
            most frames.
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
    table = _measures(frames)
    first = table.groupby("geometry").frame.transform("min")
    net_force = f"a net force above {net_force_limit:g} eV/Å times the root of the number of atoms"
    conditions = {
        "self-consistency not converged": ~table.converged,
        f"a force above {force_limit:g} eV/Å": table.largest_force > force_limit,
        f"atoms nearer than {minimum_distance:g} Å": table.shortest_distance < minimum_distance,
        f"energy more than {energy_limit:g} deviations from the median": table.energy_deviation
        > energy_limit,
        net_force: table.net_force > net_force_limit * np.sqrt(table.atoms),
        "the geometry of an earlier frame": table.frame != first,
    }
    table["reason"] = np.select(list(conditions.values()), list(conditions), default="")
    table["verdict"] = np.where(table.reason == "", "kept", "removed")
    _require_few_dropped(
        table,
        {
            f"a force above {force_limit:g} eV/Å": (
                f"the units of the forces are the likely cause (half the frames exceed "
                f"{table.largest_force.median():.3g} eV/Å); state units.forces in the dataset, or raise force_limit"
            ),
            f"atoms nearer than {minimum_distance:g} Å": (
                "the unit of the positions is the likely cause; state units.positions in the dataset, or lower "
                "minimum_distance"
            ),
            net_force: (
                f"errors of the forces or their units are the likely cause (half the frames exceed "
                f"{table.net_force.median():.3g} eV/Å); state units.forces in the dataset, or raise net_force_limit"
            ),
        },
        name,
    )
    kept = [frames[index] for index in table.frame[table.verdict == "kept"]]
    if not kept:
        raise CampaignError(
            f"{name}: none of {len(frames)} frames is left, most for the reason '{table.reason.mode()[0]}': "
            "mend the frames or loosen the limit."
        )
    return kept, table.drop(columns=["geometry", "converged"])


def _require_sound(frame: Atoms, name: str, needed: Sequence[str]) -> None:
    labels = frame.calc.results if frame.calc else {}
    missing = [label for label in needed if label not in labels]
    if missing:
        raise CampaignError(
            f"{name} has no {missing[0]}: expected {' and '.join(needed)} of every frame; label it or remove it."
        )
    local = {LOCAL_DIPOLE: frame.arrays[LOCAL_DIPOLE]} if LOCAL_DIPOLE in frame.arrays else {}
    numbers = {"positions": frame.positions, "cell": frame.cell.array, **labels, **local}
    broken = [label for label, value in numbers.items() if not np.all(np.isfinite(value))]
    if broken:
        raise CampaignError(f"{name} has {broken[0]} that are not finite: label it again or remove it.")
    if not frame.pbc.all() or frame.cell.rank < 3 or frame.get_volume() < 1e-3:
        raise CampaignError(
            f"{name} has the cell {frame.cell.array.tolist()} with periodicity {frame.pbc.tolist()}: "
            "expected three periodic directions and a volume; complete the cell or remove the frame."
        )


def _judged_together(sources: Sequence[Source]) -> list[Source]:
    """The files, those that the campaign labelled as one, since batches are small."""
    own = [source for source in sources if source.conventions is None]
    if len(own) < 2:
        return list(sources)
    whole = Source(f"{own[0].name} to {own[-1].name}", [frame for each in own for frame in each.frames], None)
    return [*(source for source in sources if source.conventions is not None), whole]


def _faults(source: Source) -> list[str]:
    """What is wrong with the units of a file, or that two levels of theory in it hide that."""
    if source.conventions is None and len(source.frames) < _FEWEST_OF_CAMPAIGN:
        return []
    faults = unit_faults(source.frames, source.name, source.conventions)
    mixed = mixed_levels([source]) if faults else None
    return [mixed] if mixed else faults


def _require_few_dropped(table: pd.DataFrame, limits: dict[str, str], name: str) -> None:
    """Refuse to leave out most frames for one limit: then the units or the limit are wrong, not the frames."""
    for reason, remedy in limits.items():
        dropped = int((table.reason == reason).sum())
        if dropped > max(_MOST_DROPPED * len(table), 1):
            found = f"{dropped} of {len(table)} frames have {reason}"
            if (table.verdict == "removed").all():
                found = f"none of {len(table)} frames is left, most for the reason '{reason}'"
            raise CampaignError(f"{name}: {found}, expected a few at most: {remedy}.")


def _measures(frames: Sequence[Atoms]) -> pd.DataFrame:
    table = pd.DataFrame(_measure(frame) for frame in frames)
    energies = table.energy.groupby(table.pop("kind"))
    table["energy_deviation"] = energies.transform(lambda group: robust_deviations(group.to_numpy()))
    table.insert(0, "frame", range(len(frames)))
    return table


def _measure(frame: Atoms) -> dict[str, float | str | bool]:
    labels = frame.calc.results if frame.calc else {}
    forces = labels.get("forces", np.full((len(frame), 3), np.nan))
    left = np.abs(forces.sum(axis=0)).max()
    return {
        "source": frame.info.get("source", ""),
        "atoms": len(frame),
        "largest_force": np.linalg.norm(forces, axis=1).max(),
        "shortest_distance": pairs_of(frame).distances.min(initial=np.inf),
        "energy": labels.get("energy", np.nan) / len(frame),
        "net_force": np.fmax(left, frame.info.get("net_force_removed", 0.0)),
        "converged": bool(frame.info.get("scf_converged", True)),
        "kind": f"{frame.get_chemical_formula()} {frame.info.get('label_method', '')}",
        "geometry": geometry_key(frame),
    }
