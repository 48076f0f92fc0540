"""The gradient of the objective over all chunks of all states, with its error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.base import TrainableSettings
from dynrefine.config.optimiser import RowSettings
from dynrefine.config.surfaces.joined import JOINED
from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.models import Model, flat_parameters, parameter_name
from dynrefine.statistics import Estimate, numbered_through, shortened, sum_with_error


@dataclass(frozen=True)
class Gradient:
    """The gradient of the objective.

    Attributes:
        trajectory: through the dynamics.
        ensemble: through the probability of the starting points.
        anchor: of the errors on the ab initio frames, weighted [P]; it has no statistical error.
        scales: the unit of each component, in that of its parameter; zero for parameters that stay fixed [P].
    """

    trajectory: Estimate
    ensemble: Estimate
    anchor: np.ndarray
    scales: np.ndarray

    @property
    def uncertain(self) -> Estimate:
        """The sum of the trajectory and the ensemble part; at an optimum they cancel, and neither is small."""
        return Estimate.sum([self.trajectory, self.ensemble])

    @property
    def share(self) -> float:
        """What noise leaves of a step: the resolved share of the uncertain parts, or all if no error is known."""
        resolved = self.uncertain.resolved
        return 1.0 if np.isnan(resolved) else resolved

    def total(self, shrink: bool) -> np.ndarray:
        """Sum of all parts [P]; with `shrink`, the uncertain ones times `share`."""
        return self.anchor + self.uncertain.value * (self.share if shrink else 1.0)


def gather_gradient(
    states: Sequence[Sequence[ChunkGradient]],
    anchor: np.ndarray,
    scales: np.ndarray,
    outlier_limit: float,
) -> Gradient:
    """Sum the chunks of all states; errors are those of sums over independent chains of starting points.

    Arguments:
        states: for each state its chunks, whose rows add up to the gradient.
        anchor: weighted gradient of the anchor [P].
        scales: units in which the parameters are measured [P].
        outlier_limit: length to which the gradients of trajectories are shortened before they are weighted, in
            medians of their lengths.
    """
    trajectories, ensembles = [], []
    for chunks in states:
        rows = scales * np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
        followed = np.concatenate([chunk.trajectory_weights for chunk in chunks])
        chains = numbered_through([chunk.trajectory_chains for chunk in chunks])
        rows = shortened(rows, followed, outlier_limit)
        trajectories.append(sum_with_error(rows, followed / followed.sum(), chains))
        shares = np.concatenate([chunk.ensemble_weights for chunk in chunks])
        coefficients = np.concatenate([chunk.coefficients for chunk in chunks])
        # The coefficients add up to zero, so subtracting a mean changes no sum but takes noise from the rows.
        mean = sum(chunk.mean_energy_gradient.astype(float) for chunk in chunks) / shares.sum()
        rows = np.concatenate([chunk.ensemble for chunk in chunks]) - coefficients @ mean
        chains = numbered_through([chunk.ensemble_chains for chunk in chunks])
        ensembles.append(sum_with_error(scales * rows, shares / shares.sum(), chains))
    return Gradient(
        Estimate.sum(trajectories), Estimate.sum(ensembles), scales * np.asarray(anchor, float), scales
    )


def refined_parameters(potential: Model, settings: TrainableSettings) -> np.ndarray:
    """The indices [R] of the refined parameters of a potential, without those of its surfaces."""
    return np.flatnonzero(_by_name(potential, "potential", settings.frees))


def parameter_scales(potential: Model, settings: RowSettings) -> np.ndarray:
    """The unit in which the optimiser measures each parameter of a potential [P]; zero if it is not refined."""

    def scale(name: str) -> float:
        return settings.parameter_scales.get(name, 1.0) if settings.frees(name) else 0.0

    return _by_name(potential, "potential", scale)


def surface_scales(potential: Model, surface: str, settings: TrainableSettings) -> np.ndarray:
    """The same for a surface refined with the potential: one for its parameters [P], zero for all others."""
    return _by_name(potential, surface, settings.frees)


def placed(potential: Model, surface: str, values: np.ndarray) -> np.ndarray:
    """A vector for the parameters of one surface, placed among those of the potential and all surfaces [P]."""
    result = np.zeros(len(flat_parameters(potential.parameters["trainable"])[0]))
    result[np.flatnonzero(_by_name(potential, surface, lambda name: 1.0))] = values
    return result


def _by_name(potential: Model, surface: str, value: Callable[[str], float]) -> np.ndarray:
    """A number for each parameter of a surface, from its name; zero for those of others [P]."""
    is_joined = potential.settings["kind"] == JOINED

    def of_leaf(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        own, name = (parameter_name(path[:1]), path[1:]) if is_joined else (surface, path)
        number = value(parameter_name(name)) if own == surface else 0.0
        return jnp.full(jnp.shape(leaf), number, leaf.dtype)

    trainable = potential.parameters["trainable"]
    return np.asarray(flat_parameters(jax.tree_util.tree_map_with_path(of_leaf, trainable))[0])
