"""How far back in time the trajectory part of the gradient can be trusted.

Chaos makes the gradient of a single trajectory grow exponentially with its length, at about the Lyapunov exponent,
while the mean over trajectories hardly changes: beyond some depth the mean drowns in its own error. A pilot follows
the adjoint to several depths and takes the longest at which the gradient still stands out.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.dynamics.leapfrog import Simulation
from dynrefine.dynamics.mapping import Blocks
from dynrefine.dynamics.replicas import run_legs
from dynrefine.dynamics.starting_points import observe_starts
from dynrefine.errors import CampaignError
from dynrefine.files.trajectories import Observed, join_directions
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Observable, settled
from dynrefine.refinement.gradient import (
    fitting_blocks,
    observed_seeds,
    require_sound,
    trajectory_gradient,
)
from dynrefine.statistics import Shares, shortened, sum_with_error

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pilot:
    """Trajectories from a few starting points, and the losses that are differentiated along them.

    Attributes:
        simulation: of trajectories, whose length does not matter.
        observables: by name.
        weights: of the observables in the objective, by name.
        starts: of the trajectories.
        tolerance: of the reversal, Å.
        chains: number of chains that the starting points come from in turn.
    """

    simulation: Simulation
    observables: Mapping[str, Observable]
    weights: Mapping[str, float]
    starts: Point
    tolerance: float
    chains: int

    @property
    def shares(self) -> Shares:
        """Equal shares of the starting points in averages."""
        positions = self.starts.positions
        return Shares.equal(len(positions), positions.dtype, np.arange(len(positions)) % self.chains)

    @property
    def blocks(self) -> Blocks:
        """Blocks of starting points, one for each row of the gradient."""
        return fitting_blocks(self.simulation, self.starts, self.chains)

    @property
    def shares_of_rows(self) -> np.ndarray:
        """Weight of each row of the gradient in averages [B]."""
        return self.blocks.sums(np.asarray(self.shares.weights))

    def simulation_to(self, depth: float) -> Simulation:
        """The simulation of trajectories of this length, fs."""
        return replace(self.simulation, times=self.simulation.times.of_length(depth))

    def trajectories(self, depth: float) -> tuple[Observed, tuple[Any, ...]]:
        """What is observed along trajectories of this length (fs) and at their starts, and where they ended."""
        own = self.simulation_to(depth)
        legs = run_legs(own, self.starts)
        along = {name: join_directions(array) for name, array in legs.series.items()}
        return Observed(along, observe_starts(own, self.starts)), legs.ends

    def cotangents(self, observed: Observed) -> dict[str, jax.Array]:
        """dL/dC of each observable's mean statistic, times the observable's weight."""
        result = {}
        for name, observable in self.observables.items():
            statistics = observable.statistic(observed)
            mean = jnp.tensordot(self.shares.weights, statistics, axes=1)
            own = settled(observable, *self.shares.chain_means(statistics))
            result[name] = self.weights[name] * jax.grad(own.loss)(mean)
        return result

    def gradient(
        self,
        depth: float,
        observed: Observed,
        ends: tuple[Any, ...],
        cotangents: Mapping[str, jax.Array],
    ) -> tuple[np.ndarray, float]:
        """Rows that add up to the trajectory part of the gradient [B, P], and the reversal error, Å.

        Arguments:
            depth: fs.
            observed, ends: from `trajectories` of this depth.
            cotangents: from `cotangents` of the longest.
        """
        own = self.simulation_to(depth)
        seeds = observed_seeds(self.observables, cotangents, self.shares.weights, observed).along
        rows, distance = trajectory_gradient(own, self.starts, ends, seeds, self.blocks)
        require_sound(own, rows, distance, self.tolerance)
        return rows.astype(float), float(distance.max())


def ladder(shortest: float, longest: float, count: int, interval: float) -> list[float]:
    """Depths from the shortest to the longest in equal ratios, as multiples of the interval between frames, fs.

    At least two intervals: a single frame is the starting point itself, which does not depend on the potential.
    """
    steps = np.geomspace(shortest, longest, count) / interval
    return [float(interval * step) for step in np.unique(np.maximum(np.round(steps), 2))]


def measure(
    pilot: Pilot, depths: Sequence[float], threshold: float, scales: np.ndarray, outlier_limit: float
) -> pd.DataFrame:
    """The trajectory part of the gradient as a function of depth.

    Arguments:
        pilot: whose gradient is measured.
        depths: rising, fs.
        threshold: signal to noise that the gradient must keep.
        scales: units in which the parameters are measured [P].
        outlier_limit: length to which the gradients of single starting points are shortened, in medians of all.

    Returns:
        depth_fs, gradient_norm, gradient_norm_error (norm of the components' standard errors), spread (root mean
        square distance of the starting points' own gradients from their mean), signal_to_noise,
        reversal_error_angstrom, growth_rate_per_fs (of the logarithm of the spread: the Lyapunov slope), chosen.

    Raises:
        CampaignError: the shortest trajectories cannot be reversed, or the gradient has no error to compare it with.
    """
    longest = pilot.trajectories(depths[-1])
    cotangents = pilot.cotangents(longest[0])
    rows = []
    for depth in depths:
        try:
            own = longest if depth == depths[-1] else pilot.trajectories(depth)
            gradients, reversal = pilot.gradient(depth, *own, cotangents)
        except CampaignError as error:
            if not rows:
                raise
            logger.info("no gradient at depths of %g fs and more: %s", depth, error)
            break
        own_rows = shortened(scales * gradients, pilot.shares_of_rows, outlier_limit)
        measured = statistics(own_rows, pilot.shares_of_rows, pilot.blocks.groups)
        rows.append({"depth_fs": depth, **measured, "reversal_error_angstrom": reversal})
    table = pd.DataFrame(rows)
    if table.signal_to_noise.isna().all():
        raise CampaignError(
            f"the error of the pilot's gradient from {len(pilot.starts.positions)} starting points of "
            f"{pilot.chains} chains is unknown or zero, expected several chains whose gradients differ: raise "
            "ensemble.replicas, or set gradient.depth in fs."
        )
    growth = np.gradient(np.log(table.spread), table.depth_fs) if len(table) > 1 else np.nan
    return table.assign(
        growth_rate_per_fs=growth, chosen=table.depth_fs == longest_resolved(table, threshold)
    )


def statistics(rows: np.ndarray, shares: np.ndarray, chains: np.ndarray | None = None) -> dict[str, float]:
    """Size, error and spread of a gradient that is the sum of rows [B, P] with shares in it [B].

    Signal to noise is NaN if the error is unknown, as for a single chain, or zero.

    Arguments:
        rows, shares: of the sum.
        chains: of the rows, as for `sum_with_error`.
    """
    total, apart = sum_with_error(rows, shares, chains), sum_with_error(rows, shares)
    norm, error = float(np.linalg.norm(total.value)), float(np.linalg.norm(total.error))
    return {
        "gradient_norm": norm,
        "gradient_norm_error": error,
        "spread": float(np.linalg.norm(apart.error)) * len(rows) ** 0.5,
        "signal_to_noise": max(norm**2 - error**2, 0.0) ** 0.5 / error if error > 0.0 else np.nan,
    }


def longest_resolved(table: pd.DataFrame, threshold: float) -> float:
    """The longest depth (fs) at which signal to noise reaches the threshold, else the one where it is highest."""
    resolved = table.depth_fs[table.signal_to_noise >= threshold]
    return float(resolved.max() if len(resolved) else table.depth_fs[table.signal_to_noise.idxmax()])
