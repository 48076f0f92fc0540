"""What the validation finds in its runs, in plain NumPy, for comparison."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from argon_by_hand import autocorrelation, green_kubo, in_order_of_time

from dynrefine.files.ensembles import Ensemble
from dynrefine.files.trajectories import Trajectories
from dynrefine.units import DIFFUSION


def mean_with_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean of independent values, and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def properties(
    ensembles: Sequence[Ensemble],
    trajectories: Sequence[Trajectories],
    diffusing: np.ndarray,
    interval: float,
    window: float,
) -> dict[str, tuple[float, float]]:
    """Values and standard errors by name, diffusion in the finite cell.

    Arguments:
        ensembles, trajectories: the chunks of a state.
        diffusing: which atoms diffuse [N].
        interval: between frames, fs.
        window: upper limit of the integral, fs.
    """
    series = [
        in_order_of_time(both)[:, diffusing].astype(float)
        for chunk in trajectories
        for both in chunk.series["velocities"]
    ]
    lags = min(round(window / interval), len(series[0]) - 1)
    drifts = np.concatenate([chunk.energy_drift.ravel() for chunk in trajectories])

    def over_chains(of_trajectories: Sequence[float]) -> tuple[float, float]:
        return _over_chains(ensembles, of_trajectories)

    return {
        "temperature": mean_with_error(
            np.concatenate([chunk.temperatures.mean(axis=1) for chunk in trajectories])
        ),
        "energy drift": mean_with_error(np.abs(drifts)),
        "diffusion": over_chains([green_kubo(autocorrelation(one, lags), interval) for one in series]),
        "einstein_diffusion": over_chains([_einstein(one, lags, interval) for one in series]),
    }


def _over_chains(ensembles: Sequence[Ensemble], of_trajectories: Sequence[float]) -> tuple[float, float]:
    chains = ensembles[0].recorded_positions.shape[1]
    return mean_with_error(np.reshape(of_trajectories, (len(ensembles), -1, chains)).mean(axis=1).ravel())


def conductivity(
    ensembles: Sequence[Ensemble],
    trajectories: Sequence[Trajectories],
    charges: np.ndarray,
    interval: float,
    limit: float,
    kelvin: float,
) -> tuple[float, float]:
    """Ionic conductivity and its standard error, S/m.

    Arguments:
        ensembles, trajectories: the chunks of a state.
        charges: of the atoms, e [N].
        interval: between frames, fs.
        limit: upper limit of the integral, fs.
        kelvin: temperature, K.
    """
    currents = [
        np.tensordot(in_order_of_time(both).astype(float), charges, axes=([1], [0]))
        for chunk in trajectories
        for both in chunk.series["velocities"]
    ]
    lags = round(limit / interval)
    integrals = [np.trapezoid(autocorrelation(one[:, None], lags), dx=interval) for one in currents]
    volume = np.linalg.det(ensembles[0].cells[0].astype(float))
    # C²/(J m³) times m²/s, from e, Å³ and Å²/fs
    factor = 1.602176634e-19**2 / (3.0 * 1.380649e-23 * kelvin * 1e-30 * volume) * 1e-20 / 1e-15
    return _over_chains(ensembles, factor * np.array(integrals))


def viscosity(
    trajectories: Sequence[Trajectories], interval: float, limit: float, kelvin: float, volume: float
) -> tuple[float, float]:
    """Shear viscosity and its standard error, mPa s.

    Arguments:
        trajectories: the chunks of a state.
        interval: between frames, fs.
        limit: upper limit of the integral, fs.
        kelvin: temperature, K.
        volume: of the cell, Å³.
    """
    lags = round(limit / interval)
    integrals = [
        np.trapezoid(autocorrelation(in_order_of_time(both)[..., None].astype(float), lags), dx=interval)
        for chunk in trajectories
        for both in chunk.series["stress"]
    ]
    # m³/J times Pa² s, from Å³, bar² and fs
    factor = 1e-30 * volume / (1.380649e-23 * kelvin) * 1e10 * 1e-15 * 1e3
    return mean_with_error(factor * np.array(integrals))


def _einstein(velocities: np.ndarray, lags: int, interval: float) -> float:
    """A sixth of the mean slope of the mean square displacement over the second half of the lags."""
    steps = 0.5 * interval * (velocities[1:] + velocities[:-1])
    travelled = np.concatenate([np.zeros_like(steps[:1]), np.cumsum(steps, axis=0)])

    def mean_square(lag: int) -> float:
        return float(np.mean(np.sum((travelled[lag:] - travelled[:-lag]) ** 2, axis=-1)))

    half = lags // 2
    return DIFFUSION * (mean_square(lags) - mean_square(half)) / (6.0 * interval * (lags - half))


def radial_distribution(
    ensembles: Sequence[Ensemble], pair: tuple[int, int], settings: Mapping[str, Any]
) -> np.ndarray:
    """g(r) of each chain in cubic cells, every image of other atoms counted [R, B].

    Arguments:
        ensembles: the chunks of a state.
        pair: two element indices.
        settings: longest distance and width of the bins, Å.
    """
    edges = np.arange(0.0, settings["longest"] + 0.5 * settings["bin"], settings["bin"])
    first, second = (ensembles[0].species == kind for kind in pair)
    cell = ensembles[0].cells[0].astype(float)
    counts = []
    for ensemble in ensembles:
        for chain in ensemble.recorded_positions.swapaxes(0, 1).astype(float):
            count = np.zeros(len(edges) - 1)
            for x in chain:
                vectors = x[second][None] - x[first][:, None]
                vectors -= np.round(vectors @ np.linalg.inv(cell)) @ cell
                others = vectors[np.any(vectors != 0.0, axis=-1)]
                for image in product((-1, 0, 1), repeat=3):
                    distance = np.linalg.norm(others + np.array(image) @ cell, axis=-1)
                    count += np.histogram(distance, edges)[0]
            counts.append(count / len(chain))
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    return np.array(counts) * np.linalg.det(cell) / (first.sum() * second.sum() * shells)


def first_maximum(ensembles: Sequence[Ensemble], pair: tuple[int, int], settings: Mapping[str, Any]) -> float:
    """The highest mean of g(r) over a shell as wide as a bin, in steps of 0.01 Å.

    Arguments:
        ensembles, pair, settings: as for `radial_distribution`.
    """
    fine = radial_distribution(ensembles, pair, {**settings, "bin": 0.01}).mean(axis=0)
    edges, width = 0.01 * np.arange(len(fine) + 1), round(settings["bin"] / 0.01)
    found = np.concatenate([[0.0], np.cumsum(fine * np.diff(edges**3))])
    return float(np.max((found[width:] - found[:-width]) / (edges[width:] ** 3 - edges[:-width] ** 3)))
