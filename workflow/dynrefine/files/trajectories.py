"""Files of trajectories: the quantities observed along them, and where the adjoint begins."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays
from dynrefine.geometry.neighbours import RecordedLists

_UNITS = {"positions": "Å", "velocities": "Å/fs", "energy_drift": "meV/atom", "temperatures": "K"}
_UNITS_OF_FIXED_POINT = _UNITS | {
    "positions": "2⁻³² cell",
    "velocities": "2⁻³² cell/step",
    "lists/references": "2⁻¹⁶ cell",
    "lists/capacity": "1",
    "lists/per_cell": "1",
}


class Observing(Protocol):
    """Anything that names the quantities it needs, along trajectories and at their starting points."""

    along: tuple[str, ...]
    at_start: tuple[str, ...]


class Observed(NamedTuple):
    """Observed quantities of each starting point, by name.

    Attributes:
        along: along its trajectory, if one begins there, in order of time [F, frames, ...].
        at_start: at the point itself [S, ...].
    """

    along: dict[str, Any]
    at_start: dict[str, Any]

    @classmethod
    def joined(cls, parts: Iterable["Observed"]) -> "Observed":
        """The quantities of all starting points of several chunks."""
        return jax.tree.map(lambda *each: jnp.concatenate(each), *parts)

    def needed_by(self, observables: Iterable[Observing]) -> "Observed":
        """The quantities that these observables need."""
        names = {name for each in observables for name in (*each.along, *each.at_start)}
        return Observed(*({name: part[name] for name in part if name in names} for part in self))


@dataclass(frozen=True)
class Trajectories:
    """Trajectories in both directions of time from the first F of the S starting points of a chunk.

    Attributes:
        series: quantities along each direction, by name [F, 2, frames, ...].
        positions: where the adjoint begins, as in `leapfrog.Leg` [F, 2, N, 3].
        velocities: at that point, as in `leapfrog.Leg` [F, 2, N, 3].
        energy_drift: change of the total energy over each leg [F, 2], meV per atom.
        temperatures: mean along each leg [F, 2], K.
        at_start: quantities observed only at the starting points, by name [S, ...].
        lists: neighbour lists along each leg, where its reversal is exact.
        units: of the observed quantities, by name.
    """

    series: dict[str, np.ndarray]
    positions: np.ndarray
    velocities: np.ndarray
    energy_drift: np.ndarray
    temperatures: np.ndarray
    at_start: dict[str, np.ndarray] = field(default_factory=dict)
    lists: RecordedLists | None = None
    units: dict[str, str] = field(default_factory=dict)

    def ends(self, followed: slice, dtype: Any) -> tuple[Any, ...]:
        """Where the adjoint of some legs begins, as `Leg.ends`, with floating-point numbers in this precision."""
        if self.lists is not None:
            return jax.tree.map(lambda end: end[followed], (self.positions, self.velocities, self.lists))
        return *(jnp.asarray(end[followed], dtype) for end in (self.positions, self.velocities)), None

    def observed(self, frames: int | None = None) -> Observed:
        """Series in order of time, `frames` on either side of the start [F, 2 frames - 1, ...], and values there."""
        along = {
            name: join_directions(jnp.asarray(values[:, :, :frames])) for name, values in self.series.items()
        }
        return Observed(along, {name: jnp.asarray(values) for name, values in self.at_start.items()})


def save_trajectories(path: str | Path, trajectories: Trajectories) -> None:
    """Write a trajectories file."""
    arrays = {f"series/{name}": values for name, values in trajectories.series.items()}
    arrays |= {f"at_start/{name}": values for name, values in trajectories.at_start.items()}
    arrays |= {name: getattr(trajectories, name) for name in _UNITS}
    units = {f"series/{name}": trajectories.units[name] for name in trajectories.series}
    units |= {f"at_start/{name}": trajectories.units[name] for name in trajectories.at_start}
    if trajectories.lists is None:
        units |= _UNITS
    else:
        arrays |= {f"lists/{name}": array for name, array in vars(trajectories.lists).items()}
        units |= _UNITS_OF_FIXED_POINT
    write_arrays(path, "trajectories", ArrayFile(arrays, units))


def load_trajectories(path: str | Path) -> Trajectories | None:
    """Read a trajectories file; None where the job passed through.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "trajectories")
    if content.passed_through:
        return None
    arrays = {name: array for name, array in content.arrays.items() if "/" not in name}
    lists: dict[str, Any] = content.group("lists")
    if lists:  # older files do not hold the capacity of the search cells
        lists = {"per_cell": np.zeros_like(lists["capacity"])} | lists
    return Trajectories(
        series=content.group("series"),
        at_start=content.group("at_start"),
        lists=RecordedLists(**lists) if lists else None,
        units=content.units_of("series") | content.units_of("at_start"),
        **arrays,
    )


def join_directions(series: jax.Array) -> jax.Array:
    """One series in order of time [S, 2 n - 1, ...] from both directions [S, 2, n, ...]."""
    return jnp.concatenate([series[:, 1, :0:-1], series[:, 0]], axis=1)


def split_directions(series: jax.Array) -> jax.Array:
    """The transpose of `join_directions`: cotangents of each direction; those of the start go to the first."""
    frames = (series.shape[1] + 1) // 2
    backwards = series[:, frames - 1 :: -1]
    return jnp.stack([series[:, frames - 1 :], backwards.at[:, 0].set(0.0)], axis=1)
