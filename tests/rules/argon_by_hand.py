"""Liquid argon in plain NumPy: energies, trajectories, properties and their derivatives, for comparison."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dynrefine.units import ACCELERATION, BAR, BOLTZMANN, DIFFUSION

# Of central differences: the 12th power of σ/r has a third derivative of 12³, and (12 · 2e-6)² / 6 is 1e-10. The
# weights of starting points, whose energies change with ln σ by some 300 kT more, have (300 · 2e-6)² / 6, 6e-8.
DISPLACEMENT = 2e-6
ACCURACY = 1e-6


@dataclass(frozen=True)
class Liquid:
    """Atoms of one element in a cubic cell with a force-shifted Lennard-Jones potential of two parameters.

    Attributes:
        edge: of the cell, Å.
        mass: of an atom, u.
        cutoff: at most half the edge, Å.
    """

    edge: float
    mass: float
    cutoff: float

    def _pairs(self, parameters: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors [N, N, 3], energies [N, N] and slopes of the energy [N, N] of all pairs, each met twice."""
        epsilon, sigma = parameters
        vectors = x[:, None] - x[None]
        vectors -= self.edge * np.round(vectors / self.edge)
        distance = np.sqrt((vectors**2).sum(axis=-1))
        np.fill_diagonal(distance, np.inf)

        def energy(r: np.ndarray | float) -> np.ndarray | float:
            return 4.0 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)

        def slope(r: np.ndarray | float) -> np.ndarray | float:
            return -24.0 * epsilon * (2.0 * (sigma / r) ** 12 - (sigma / r) ** 6) / r

        inside = distance < self.cutoff
        r = np.where(inside, distance, self.cutoff)
        at_end = slope(self.cutoff)
        energies = energy(r) - energy(self.cutoff) - at_end * (r - self.cutoff)
        return (
            vectors / r[..., None],
            np.where(inside, energies, 0.0),
            np.where(inside, slope(r) - at_end, 0.0),
        )

    def energy(self, parameters: np.ndarray, x: np.ndarray) -> float:
        """Of positions [N, 3] in Å, eV; the parameters are ε in eV and σ in Å."""
        return 0.5 * self._pairs(parameters, x)[1].sum()

    def virial_pressure(self, parameters: np.ndarray, x: np.ndarray) -> float:
        """-∂U/∂V of positions [N, 3] in Å, bar."""
        vectors = x[:, None] - x[None]
        vectors -= self.edge * np.round(vectors / self.edge)
        distance = np.sqrt((vectors**2).sum(axis=-1))
        slopes = self._pairs(parameters, x)[2]
        return -0.5 * (slopes * distance).sum() / (3.0 * self.edge**3) / BAR

    def acceleration(self, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Of each atom [N, 3], Å/fs²."""
        directions, _, slopes = self._pairs(parameters, x)
        return -ACCELERATION / self.mass * (slopes[..., None] * directions).sum(axis=1)

    def velocities(
        self, parameters: np.ndarray, x: np.ndarray, v: np.ndarray, frames: int, stride: int, timestep: float
    ) -> np.ndarray:
        """By velocity Verlet, both ways in time from positions and velocities [N, 3]: [2, frames, N, 3], Å/fs."""
        both = []
        for step in (timestep, -timestep):
            position, velocity, acceleration = x, v, self.acceleration(parameters, x)
            recorded = [velocity]
            for number in range(1, (frames - 1) * stride + 1):
                half = velocity + 0.5 * step * acceleration
                position = position + step * half
                acceleration = self.acceleration(parameters, position)
                velocity = half + 0.5 * step * acceleration
                if number % stride == 0:
                    recorded.append(velocity)
            both.append(recorded)
        return np.array(both)


def in_order_of_time(series: np.ndarray) -> np.ndarray:
    """Both directions [2, frames, ...] as one series [2 frames - 1, ...]."""
    forwards, backwards = series
    return np.concatenate([backwards[:0:-1], forwards])


def autocorrelation(velocities: np.ndarray, lags: int) -> np.ndarray:
    """<v(0) · v(t)> per atom of a series [frames, N, 3] at lags 0 ... `lags`, zero beyond the series; Å²/fs²."""
    frames = len(velocities)
    result = np.zeros(lags + 1)
    for lag in range(min(lags, frames - 1) + 1):
        products = [(velocities[n] * velocities[n + lag]).sum(axis=-1).mean() for n in range(frames - lag)]
        result[lag] = np.mean(products)
    return result


def green_kubo(correlation: np.ndarray, interval: float) -> float:
    """A third of the integral of the velocity autocorrelation, 1e-9 m²/s."""
    return (
        DIFFUSION * interval * (0.5 * correlation[0] + correlation[1:-1].sum() + 0.5 * correlation[-1]) / 3.0
    )


def gradient(function: Callable[[np.ndarray], float], parameters: np.ndarray) -> np.ndarray:
    """Central differences by each parameter."""
    result = []
    for number in range(len(parameters)):
        shift = np.zeros(len(parameters))
        shift[number] = DISPLACEMENT * parameters[number]
        above, below = function(parameters + shift), function(parameters - shift)
        result.append((above - below) / (2.0 * shift[number]))
    return np.array(result)


def boltzmann_weights(energies: np.ndarray, sampled_by: np.ndarray, kelvin: float) -> np.ndarray:
    """Weights [S] under the last of some potentials of points sampled at them, by iterating MBAR's equations.

    Arguments:
        energies: at each potential [K, S], eV.
        sampled_by: which of the potentials sampled each point [S].
        kelvin: temperature, K.
    """
    factors = np.exp(-(energies - energies.mean()) / (BOLTZMANN * kelvin))
    counts = np.bincount(sampled_by, minlength=len(energies))
    partition = factors.mean(axis=1)
    for _ in range(10_000):
        mixture = (counts / partition) @ factors
        partition = (factors / mixture).sum(axis=1)
    weights = factors[-1] / mixture
    return weights / weights.sum()


def effective_share(weights: np.ndarray) -> float:
    """exp of the entropy of weights [S], as a fraction of their number."""
    return float(np.exp(-np.sum(weights * np.log(weights))) / len(weights))
