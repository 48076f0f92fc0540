"""Trajectories of a chunk, as files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.leapfrog import RecordedLists
from dynrefine.dynamics.replicas import join_directions, run_legs
from dynrefine.ensembles import Ensemble, frames_of
from dynrefine.errors import CampaignError
from dynrefine.models import Model
from dynrefine.series import SERIES, observer
from dynrefine.statics import STATICS, evaluate_statics
from dynrefine.storage import ArrayFile, read_arrays, write_arrays

_UNITS = {"positions": "Å", "velocities": "Å/fs", "energy_drift": "meV/atom", "temperatures": "K"}
_UNITS_OF_FIXED_POINT = _UNITS | {
    "positions": "2⁻³² cell",
    "velocities": "2⁻³² cell/step",
    "lists/references": "2⁻¹⁶ cell",
    "lists/capacity": "1",
}


@dataclass(frozen=True)
class Trajectories:
    """Both directions of time from every starting point of a chunk.

    Attributes:
        series: by name, directions apart [S, 2, frames, ...].
        positions: where the adjoint begins, as in `leapfrog.Leg` [S, 2, N, 3].
        velocities: likewise [S, 2, N, 3].
        energy_drift: change of the total energy over each leg [S, 2], meV per atom.
        temperatures: mean along each leg [S, 2], K.
        statics: of the starting points, by name [S, ...].
        lists: neighbour lists along each leg, where its reversal is exact.
    """

    series: dict[str, np.ndarray]
    positions: np.ndarray
    velocities: np.ndarray
    energy_drift: np.ndarray
    temperatures: np.ndarray
    statics: dict[str, np.ndarray] = field(default_factory=dict)
    lists: RecordedLists | None = None

    def ends(self, followed: slice, dtype: Any) -> tuple[Any, ...]:
        """What the adjoint of some legs begins from, `Leg.ends`, floating-point numbers in this precision."""
        if self.lists is not None:
            return jax.tree.map(lambda end: end[followed], (self.positions, self.velocities, self.lists))
        return *(jnp.asarray(end[followed], dtype) for end in (self.positions, self.velocities)), None

    def central_series(self, frames: int | None = None) -> dict[str, jax.Array]:
        """Series in order of time, of so many frames on either side of the start [S, 2 frames - 1, ...]."""
        return {
            name: join_directions(jnp.asarray(values[:, :, :frames])) for name, values in self.series.items()
        }


def run_trajectories(
    potential: Model,
    models: Mapping[str, Model],
    ensemble: Ensemble,
    elements: list[Mapping[str, Any]],
    sampling: Mapping[str, Any],
    trajectory: Mapping[str, Any],
    series: Sequence[str],
    statics: Sequence[str],
    depth: float | None,
    kelvin: float,
) -> Trajectories:
    """Run the trajectories of a chunk.

    Arguments:
        potential: see there.
        models: the other models that series need, by name.
        ensemble: starting points.
        elements, sampling, trajectory: configuration sections `elements`, `ensemble` and `trajectory`.
        series: names of the quantities to observe along the trajectories.
        statics: names of those of the starting points.
        depth: of the adjoint, fs; none where no gradient is wanted.
        kelvin: temperature of the state, K.

    Raises:
        CampaignError: the dynamics blew up, drifted in energy or left the bounds of the temperature.
    """
    starts, velocities = (
        jnp.asarray(each, potential.dtype) for each in (ensemble.positions, ensemble.velocities)
    )
    own = ensemble.simulation(
        potential, sampling, elements, frames_of(trajectory, depth), observer(series, models)
    )
    legs = run_legs(own, starts, velocities)
    observed = evaluate_statics(statics, own.field, own.parameters, own.system, starts)
    energies = np.asarray(legs.energies)
    result = Trajectories(
        series={name: np.asarray(values) for name, values in legs.series.items()},
        positions=np.asarray(legs.positions),
        velocities=np.asarray(legs.velocities),
        energy_drift=1e3 * (energies[..., -1] - energies[..., 0]) / len(ensemble.species),
        temperatures=np.asarray(legs.temperatures).mean(axis=-1),
        statics={name: np.asarray(values) for name, values in observed.items()},
        lists=jax.tree.map(np.asarray, legs.lists),
    )
    _require_bounds(result, trajectory, kelvin)
    return result


def save_trajectories(path: str | Path, trajectories: Trajectories) -> None:
    """Write a trajectories file."""
    arrays = {f"series/{name}": values for name, values in trajectories.series.items()}
    arrays |= {f"statics/{name}": values for name, values in trajectories.statics.items()}
    arrays |= {name: getattr(trajectories, name) for name in _UNITS}
    units = {f"series/{name}": SERIES[name].unit for name in trajectories.series}
    units |= {f"statics/{name}": STATICS[name].unit for name in trajectories.statics}
    if trajectories.lists is None:
        units |= _UNITS
    else:
        arrays |= {f"lists/{name}": array for name, array in vars(trajectories.lists).items()}
        units |= _UNITS_OF_FIXED_POINT
    write_arrays(path, "trajectories", ArrayFile(arrays, units))


def load_trajectories(path: str | Path) -> Trajectories | None:
    """Read a trajectories file; nothing where the job passed through.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "trajectories")
    if content.passed_through:
        return None
    arrays = {name: array for name, array in content.arrays.items() if "/" not in name}
    lists = content.group("lists")
    return Trajectories(
        series=content.group("series"),
        statics=content.group("statics"),
        lists=RecordedLists(**lists) if lists else None,
        **arrays,
    )


def _require_bounds(trajectories: Trajectories, settings: Mapping[str, Any], kelvin: float) -> None:
    drift = float(np.max(np.abs(trajectories.energy_drift)))
    if drift > settings["energy_drift"]:
        raise CampaignError(
            f"the total energy of a trajectory drifted by {drift:.3g} meV/atom where trajectory.energy_drift "
            f"allows {settings['energy_drift']:g}: shorten trajectory.timestep (now {settings['timestep']} fs)."
        )
    low, high = (bound * kelvin for bound in settings["temperature_bounds"])
    coldest, hottest = float(trajectories.temperatures.min()), float(trajectories.temperatures.max())
    if coldest < low or hottest > high:
        raise CampaignError(
            f"a trajectory ran at {hottest if hottest > high else coldest:.0f} K, outside the {low:.0f} to "
            f"{high:.0f} K of trajectory.temperature_bounds: the potential left its data; lower "
            "optimiser.learning_rate, or train on more frames (labelling.geometries)."
        )
