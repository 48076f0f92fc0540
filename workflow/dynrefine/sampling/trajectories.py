"""Constant-energy trajectories from the starting points of a chunk."""

import jax
import numpy as np
import pandas as pd

from dynrefine.config.dynamics import NeighbourSettings, TrajectorySettings
from dynrefine.config.steps import RunTrajectories, TrajectoriesStep
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.dynamics.replicas import run_legs
from dynrefine.dynamics.starting_points import observe_starts
from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.files.trajectories import Trajectories
from dynrefine.geometry.system import system_of, thermal_variance
from dynrefine.quantities.base import Observer, name_of_parts
from dynrefine.surfaces.joined import architectures_of

_FASTEST = 6.0  # thermal velocities along an axis, which no atom of a trajectory exceeds


def observation_times(trajectory: TrajectorySettings, depth: float | None = None) -> ObservationTimes:
    """When trajectories are observed.

    Arguments:
        trajectory: section of the configuration.
        depth: of the adjoint, fs; by default the whole length.
    """
    return ObservationTimes.spanning(
        trajectory.length, trajectory.sampling_interval, trajectory.timestep, depth, trajectory.reversal
    )


def adjoint_depth(setting: float | str, pilot: str | None) -> float:
    """The depth of the adjoint, fs: the one that is set, or for "auto" the one chosen in a pilot's table."""
    if setting != "auto":
        return float(setting)
    if pilot is None:
        raise ValueError("the depth 'auto' needs the table of the pilot")
    table = pd.read_csv(pilot)
    return float(table.depth_fs[table.chosen].iloc[0])


def simulation_of(
    potential: Model,
    ensemble: Ensemble,
    settings: TrajectoriesStep,
    times: ObservationTimes,
    observers: tuple[Observer, Observer],
) -> Simulation:
    """The trajectories from the starting points of a chunk, in the precision of the potential.

    Arguments:
        potential: at which they run.
        ensemble: of the starting points.
        settings: state, elements and neighbour lists.
        times: when the trajectories are observed.
        observers: what is observed along them, and at their starting points.
    """
    system = system_of(ensemble.species, settings.elements, potential.dtype)
    lightest = float(np.min(np.asarray(system.masses)))
    lists = _lasting(settings.ensemble, times, lightest, settings.state.temperature)
    seen = architectures_of(potential.architecture)
    seen += [each for observer in observers for each in observer.architectures]
    field = force_field(seen, ensemble.cells, len(ensemble.species), lists)
    return Simulation(field, times, *observers, potential.parameters, system)


def _lasting(
    lists: NeighbourSettings, times: ObservationTimes, lightest: float, kelvin: float
) -> NeighbourSettings:
    """With a skin that lasts from one observation to the next, the shortest time that a list is used."""
    fastest = _FASTEST * thermal_variance(lightest, kelvin) ** 0.5
    farthest = fastest * times.stride * times.timestep
    return lists.model_copy(update={"neighbour_skin": max(lists.neighbour_skin, 2.0 * farthest)})


def run_trajectories(
    potential: Model,
    surfaces: dict[str, Model],
    ensemble: Ensemble,
    settings: RunTrajectories,
    depth: float | None,
) -> Trajectories:
    """Run the trajectories of a chunk.

    Arguments:
        potential: at which they run.
        surfaces: those beside the potential that quantities need, by name.
        ensemble: of the starting points.
        settings: what is observed, when and how.
        depth: of the adjoint, fs; none if no gradient is needed.

    Raises:
        CampaignError: the dynamics blew up, drifted in energy or left the bounds of the temperature.
    """
    starts = ensemble.starts(potential.dtype)
    begun = settings.ensemble.trajectories_per_replica
    first = len(starts.positions) if begun is None else begun * len(ensemble.chain_positions)
    along, at_start = (Observer.of(names, surfaces) for names in (settings.along, settings.at_start))
    units = along.units | at_start.units
    if settings.of_atoms:
        along = along.by_atom()
    times = observation_times(settings.trajectory, depth)
    own = simulation_of(potential, ensemble, settings, times, (along, at_start))
    legs = run_legs(own, starts.first(first))
    observed = observe_starts(own, starts)
    energies = np.asarray(legs.energies)
    series = {name: np.asarray(values) for name, values in legs.series.items()}
    parts = {name: series[name_of_parts(name)] for name in settings.along if name_of_parts(name) in series}
    result = Trajectories(
        series=series | {name: each.sum(axis=3) for name, each in parts.items()},
        positions=np.asarray(legs.positions),
        velocities=np.asarray(legs.velocities),
        energy_drift=1e3 * (energies[..., -1] - energies[..., 0]) / len(ensemble.species),
        temperatures=np.asarray(legs.temperatures).mean(axis=-1),
        at_start={name: np.asarray(values) for name, values in observed.items()},
        lists=jax.tree.map(np.asarray, legs.lists),
        units=units | along.units,
    )
    _require_bounds(result, settings.trajectory, settings.state.temperature)
    return result


def _require_bounds(trajectories: Trajectories, settings: TrajectorySettings, kelvin: float) -> None:
    drift = float(np.max(np.abs(trajectories.energy_drift)))
    if drift > settings.energy_drift:
        raise CampaignError(
            f"the total energy of a trajectory drifted by {drift:.3g} meV/atom, expected at most "
            f"{settings.energy_drift:g} (trajectory.energy_drift): shorten trajectory.timestep (now "
            f"{settings.timestep} fs)."
        )
    low, high = (bound * kelvin for bound in settings.temperature_bounds)
    coldest, hottest = float(trajectories.temperatures.min()), float(trajectories.temperatures.max())
    if coldest < low or hottest > high:
        raise CampaignError(
            f"a trajectory ran at {hottest if hottest > high else coldest:.0f} K, expected "
            f"{low:.0f} to {high:.0f} K (trajectory.temperature_bounds): the potential has left the range of its "
            "training data. Take shorter steps (optimiser.force_change for the natural gradient, otherwise "
            "optimiser.learning_rate), or train on more frames (labelling.geometries)."
        )
