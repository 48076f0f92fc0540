"""What a data set must fulfil before anything is fitted to it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from ase.data import covalent_radii

from dynrefine.datasets.arrays import require_elements
from dynrefine.datasets.writing import geometry_key
from dynrefine.errors import CampaignError

_BOND = (0.5, 1.45)  # shortest distance over the sum of covalent radii where atoms are bonded
_BONDED_FORCE = (0.05, 20.0)  # root mean square force component where hydrogen is bonded and moving, eV/Å


def check_frames(
    frames: Sequence[Atoms],
    elements: Sequence[str],
    *,
    force_limit: float,
    minimum_distance: float = 0.6,
    energy_limit: float = 8.0,
    net_force_limit: float = 0.5,
    name: str = "the data set",
) -> tuple[list[Atoms], pd.DataFrame]:
    """Judge every frame; leave doubtful ones out and refuse what cannot be right.

    Arguments:
        frames: frames with labels.
        elements: the elements of the potential.
        force_limit: largest force on an atom, eV/Å.
        minimum_distance: shortest distance of two atoms, Å.
        energy_limit: largest deviation of the energy from the median of its composition and method, in robust
            standard deviations (1.4826 times the median absolute deviation).
        net_force_limit: largest component of the net force, removed by the labelling or left in the frame,
            eV/Å.
        name: the file or files, for messages.

    Returns:
        the frames kept, and a table with a row per frame: frame, source, atoms, verdict (kept, removed),
        reason, largest_force (eV/Å), shortest_distance (Å), energy (eV/atom), energy_deviation, net_force
        (eV/Å).

    Raises:
        CampaignError: labels are missing or not finite, an element is unknown, a cell has no volume or is not
            periodic, the units cannot be Å and eV, or no frame is left.
    """
    require_elements(frames, elements, name)
    for index, frame in enumerate(frames):
        _require_sound(frame, f"{name}, frame {index} ({frame.info.get('source', 'without a source')})")
    _require_units(frames, name)
    table = _measures(frames)
    first = table.groupby("geometry").frame.transform("min")
    conditions = {
        "self-consistency not converged": ~table.converged,
        f"a force above {force_limit:g} eV/Å": table.largest_force > force_limit,
        f"atoms nearer than {minimum_distance:g} Å": table.shortest_distance < minimum_distance,
        f"energy more than {energy_limit:g} deviations from the median": table.energy_deviation
        > energy_limit,
        f"a net force above {net_force_limit:g} eV/Å": table.net_force > net_force_limit,
        "the geometry of an earlier frame": table.frame != first,
    }
    table["reason"] = np.select(list(conditions.values()), list(conditions), default="")
    table["verdict"] = np.where(table.reason == "", "kept", "removed")
    kept = [frames[index] for index in table.frame[table.verdict == "kept"]]
    if not kept:
        raise CampaignError(
            f"{name}: none of {len(frames)} frames is left, most for the reason '{table.reason.mode()[0]}': "
            "mend the frames or loosen the limit."
        )
    return kept, table.drop(columns=["geometry", "converged"])


def _require_sound(frame: Atoms, name: str) -> None:
    labels = frame.calc.results if frame.calc else {}
    missing = [label for label in ("energy", "forces") if label not in labels]
    if missing:
        raise CampaignError(
            f"{name} has no {missing[0]}: expected energy and forces of every frame; label it or remove it."
        )
    numbers = {"positions": frame.positions, "cell": frame.cell.array, **labels}
    broken = [label for label, value in numbers.items() if not np.all(np.isfinite(value))]
    if broken:
        raise CampaignError(f"{name} has {broken[0]} that are not finite: label it again or remove it.")
    if not frame.pbc.all() or frame.get_volume() < 1e-3:
        raise CampaignError(
            f"{name} has the cell {frame.cell.array.tolist()} with periodicity {frame.pbc.tolist()}: "
            "expected three periodic directions and a volume; complete the cell or remove the frame."
        )


def _require_units(frames: Sequence[Atoms], name: str) -> None:
    """Bond lengths tell Å from nm and bohr; where hydrogen is bonded, forces tell eV/Å from other units."""
    ratio = np.median([_shortest_distances(frame)[1] for frame in frames])
    if ratio < _BOND[0]:
        raise CampaignError(
            f"{name}: the nearest atoms are {ratio:.2f} bond lengths apart, expected about 1 or more: "
            "positions and cells seem not to be in Å (nm?); convert them."
        )
    if any("H" not in frame.get_chemical_symbols() for frame in frames):
        return
    if ratio > _BOND[1]:
        raise CampaignError(
            f"{name}: the nearest atoms are {ratio:.2f} bond lengths apart where hydrogen should be bonded: "
            "positions and cells seem not to be in Å (bohr?); convert them."
        )
    force = np.sqrt(np.mean(np.concatenate([frame.calc.results["forces"].ravel() for frame in frames]) ** 2))
    if not _BONDED_FORCE[0] < force < _BONDED_FORCE[1]:
        raise CampaignError(
            f"{name}: the root mean square force is {force:.3g} eV/Å, expected between {_BONDED_FORCE[0]:g} "
            f"and {_BONDED_FORCE[1]:g} where hydrogen is bonded and moving: forces seem to be in other units "
            "(hartree/bohr? kJ/mol/nm?); convert them."
        )


def _measures(frames: Sequence[Atoms]) -> pd.DataFrame:
    table = pd.DataFrame(_measure(frame) for frame in frames)
    energies = table.energy.groupby(table.pop("kind"))
    deviation = (table.energy - energies.transform("median")).abs()
    # the float32 energies of some data sets may agree to the last digit: no spread, no outliers
    spread = 1.4826 * energies.transform(lambda group: (group - group.median()).abs().median())
    table["energy_deviation"] = (deviation / spread).where(spread > 0.0, 0.0)
    table.insert(0, "frame", range(len(frames)))
    return table


def _measure(frame: Atoms) -> dict[str, float | str | bool]:
    forces = frame.calc.results["forces"]
    left = np.abs(forces.sum(axis=0)).max()
    return {
        "source": frame.info.get("source", ""),
        "atoms": len(frame),
        "largest_force": np.linalg.norm(forces, axis=1).max(),
        "shortest_distance": _shortest_distances(frame)[0],
        "energy": frame.calc.results["energy"] / len(frame),
        "net_force": max(left, frame.info.get("net_force_removed", 0.0)),
        "converged": bool(frame.info.get("scf_converged", True)),
        "kind": f"{frame.get_chemical_formula()} {frame.info.get('label_method', '')}",
        "geometry": geometry_key(frame),
    }


def _shortest_distances(frame: Atoms) -> tuple[float, float]:
    """The shortest distance of two atoms (Å), and the least ratio of a distance to the sum of covalent radii.

    Rounding fractional coordinates finds the nearest image of every pair nearer than half the cell's least
    height.
    """
    first, second = np.triu_indices(len(frame), 1)
    fractional = frame.cell.scaled_positions(frame.positions)
    separation = fractional[second] - fractional[first]
    distances = np.linalg.norm((separation - np.round(separation)) @ frame.cell.array, axis=1)
    radii = covalent_radii[frame.numbers]
    ratios = distances / (radii[first] + radii[second])
    return distances.min(initial=np.inf), ratios.min(initial=np.inf)
