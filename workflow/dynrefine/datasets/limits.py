"""Measures of frames, and the limits beyond which frames are left out."""

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

# share of the frames that one limit may leave out; beyond it, the limit itself is doubted
_MOST_DROPPED, _MOST_OUTLYING = 0.5, 0.05
_FEWEST_OF_SERIES = 10  # frames needed to estimate the spread of their energies
_LEAST_SPREAD = 0.005  # smallest spread assumed for fewer frames, eV per atom


@dataclass(frozen=True)
class Limit:
    """A reason for leaving frames out.

    Attributes:
        reason: as written in the table.
        missed: whether each frame fails the limit.
        most: largest number of such frames before the limit itself is doubted.
        remedy: what to do beyond that number.
    """

    reason: str
    missed: pd.Series
    most: float = np.inf
    remedy: str = ""


def limits_of(
    table: pd.DataFrame, force: float, distance: float, energy: float, net_force: float
) -> list[Limit]:
    """The limits in order; a frame that fails several is reported under the first.

    Arguments:
        table: from `measured`.
        force: largest force on an atom, eV/Å.
        distance: shortest distance between two atoms, Å.
        energy: largest deviation, in robust standard deviations.
        net_force: largest component divided by the square root of the number of atoms, eV/Å.
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
            f"an energy more than {energy:g} deviations from the median",
            table.energy_deviation > energy,
            max(_MOST_OUTLYING * len(table), 2),
            "the likely cause is a series that mixes temperatures or levels of theory; give each temperature a "
            "series of its own (source), leave out frames of another level of theory, or raise energy_limit",
        ),
        Limit(
            f"a net force above {net_force:g} eV/Å times the root of the number of atoms",
            table.net_force > net_force * np.sqrt(table.atoms),
            most,
            f"errors in the forces or a wrong unit are the likely cause (half the frames exceed "
            f"{table.net_force.median():.3g} eV/Å); state units.forces in the dataset, or raise net_force_limit",
        ),
    ]


def require_few_dropped(table: pd.DataFrame, limits: Sequence[Limit], name: str) -> None:
    """Refuse if one limit would leave out many frames: the units or the limit are then wrong, not the frames."""
    for limit in limits:
        dropped = int((table.reason == limit.reason).sum())
        if dropped > limit.most:
            found = f"{dropped} of {len(table)} frames have {limit.reason}"
            if (table.verdict == "removed").all():
                found = f"none of {len(table)} frames is left, most removed for '{limit.reason}'"
            raise CampaignError(f"{name}: {found}, expected a few at most: {limit.remedy}.")


def measured(frames: Sequence[Atoms]) -> pd.DataFrame:
    """What each frame is checked by, one row per frame.

    Returns:
        frame, source, atoms, largest_force (eV/Å), shortest_distance (Å), energy (eV/atom), energy_deviation (from
        the median, in standard deviations), net_force (eV/Å), converged, and what identifies it: series,
        kind (composition and method), geometry.
    """
    table = pd.DataFrame(_measure(frame) for frame in frames)
    table["energy_deviation"] = _energy_deviations(table)
    table.insert(0, "frame", range(len(frames)))
    return table


def _energy_deviations(table: pd.DataFrame) -> pd.Series:
    """How far each energy is from the median of its series, or of all series too short to show a spread.

    Series are kept apart because energies per atom of large boxes differ more between temperatures than within one.
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
