"""What frames are measured by, and the limits beyond which they are left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase import Atoms

from dynrefine.datasets.deviations import robust_deviations
from dynrefine.datasets.pairs import pairs_of
from dynrefine.datasets.splitting import series_and_index
from dynrefine.datasets.writing import geometry_key
from dynrefine.errors import CampaignError

# part of the frames that one limit may leave out before it is the limit that is doubted
_MOST_DROPPED, _MOST_OUTLYING = 0.5, 0.05
_FEWEST_OF_SERIES = 10  # frames that tell the spread of their energies
_LEAST_SPREAD = 0.005  # of the energies of fewer, eV per atom


@dataclass(frozen=True)
class Limit:
    """What frames are left out for.

    Attributes:
        reason: as the table tells it.
        missed: whether each frame is to be left out.
        most: frames that may be, before the limit itself is doubted.
        remedy: what to do then.
    """

    reason: str
    missed: pd.Series
    most: float = np.inf
    remedy: str = ""


def limits_of(
    table: pd.DataFrame, force: float, distance: float, energy: float, net_force: float
) -> list[Limit]:
    """What frames are left out for; of a frame that misses several limits the first is told.

    Arguments:
        table: of `measured`.
        force: the largest on an atom, eV/Å.
        distance: the shortest of two atoms, Å.
        energy: the largest deviation, robust standard deviations.
        net_force: the largest component over the root of the number of atoms, eV/Å.
    """
    most = max(_MOST_DROPPED * len(table), 1)
    return [
        Limit("self-consistency not converged", ~table.converged),
        Limit(
            f"a force above {force:g} eV/Å",
            table.largest_force > force,
            most,
            f"the units of the forces are the likely cause (half the frames exceed "
            f"{table.largest_force.median():.3g} eV/Å); state units.forces in the dataset, or raise force_limit",
        ),
        Limit(
            f"atoms nearer than {distance:g} Å",
            table.shortest_distance < distance,
            most,
            "the unit of the positions is the likely cause; state units.positions in the dataset, or lower "
            "minimum_distance",
        ),
        Limit(
            f"energy more than {energy:g} deviations from the median",
            table.energy_deviation > energy,
            max(_MOST_OUTLYING * len(table), 2),
            "another temperature or level of theory among the frames of one series is the likely cause; give frames "
            "of each temperature a series of their own (source), leave those of another level out, or raise "
            "energy_limit",
        ),
        Limit(
            f"a net force above {net_force:g} eV/Å times the root of the number of atoms",
            table.net_force > net_force * np.sqrt(table.atoms),
            most,
            f"errors of the forces or their units are the likely cause (half the frames exceed "
            f"{table.net_force.median():.3g} eV/Å); state units.forces in the dataset, or raise net_force_limit",
        ),
    ]


def require_few_dropped(table: pd.DataFrame, limits: Sequence[Limit], name: str) -> None:
    """Refuse to leave out many frames for one limit: then the units or the limit are wrong, not the frames."""
    for limit in limits:
        dropped = int((table.reason == limit.reason).sum())
        if dropped > limit.most:
            found = f"{dropped} of {len(table)} frames have {limit.reason}"
            if (table.verdict == "removed").all():
                found = f"none of {len(table)} frames is left, most for the reason '{limit.reason}'"
            raise CampaignError(f"{name}: {found}, expected a few at most: {limit.remedy}.")


def measured(frames: Sequence[Atoms]) -> pd.DataFrame:
    """What each frame is judged by, a row each.

    Returns:
        frame, source, atoms, largest_force (eV/Å), shortest_distance (Å), energy (eV/atom), energy_deviation (from
        the median, in standard deviations), net_force (eV/Å), converged, and what tells it from others: series,
        kind (composition and method), geometry.
    """
    table = pd.DataFrame(_measure(frame) for frame in frames)
    table["energy_deviation"] = _energy_deviations(table)
    table.insert(0, "frame", range(len(frames)))
    return table


def _energy_deviations(table: pd.DataFrame) -> pd.Series:
    """How far each energy is from the median of its series, or of all series too short to tell a spread.

    In large boxes energies per atom of one temperature spread less than temperatures lie apart.
    """
    series = table.groupby(["kind", "series"]).energy
    few = series.transform("size") < _FEWEST_OF_SERIES
    pooled = table[few].groupby("kind").energy
    return series.transform(lambda group: robust_deviations(group.to_numpy())).where(
        ~few, pooled.transform(lambda group: robust_deviations(group.to_numpy(), _LEAST_SPREAD))
    )


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
        "series": series_and_index(frame)[0],
        "kind": f"{frame.get_chemical_formula()} {frame.info.get('label_method', '')}",
        "geometry": geometry_key(frame),
    }
