"""The gradient of the objective over all chunks of all states, with its error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.base import TrainableSettings
from dynrefine.config.refinement import RowSettings
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
    """

    trajectory: Estimate
    ensemble: Estimate
    anchor: np.ndarray

    @property
    def uncertain(self) -> Estimate:
        """The sum of the trajectory and the ensemble part; at an optimum they cancel, and neither is small."""
        return Estimate.sum([self.trajectory, self.ensemble])

    def total(self, shrink: bool) -> np.ndarray:
        """Sum of all parts [P]; with `shrink`, the uncertain ones times the James-Stein factor of their sum."""
        uncertain = self.uncertain
        return self.anchor + uncertain.value * (uncertain.resolved if shrink else 1.0)


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
        scales: units in which the parameters are counted [P].
        outlier_limit: length to which rows of the trajectory part are shortened, in medians of their lengths.
    """
    trajectories, ensembles = [], []
    for chunks in states:
        rows = scales * np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
        followed = np.concatenate([chunk.trajectory_weights for chunk in chunks])
        chains = numbered_through([chunk.trajectory_chains for chunk in chunks])
        rows = shortened(rows, outlier_limit)
        trajectories.append(sum_with_error(rows, followed / followed.sum(), chains))
        shares = np.concatenate([chunk.ensemble_weights for chunk in chunks])
        coefficients = np.concatenate([chunk.coefficients for chunk in chunks])
        # The coefficients add up to zero: a mean taken away changes no sum, but what would be noise of the rows.
        mean = sum(chunk.mean_energy_gradient.astype(float) for chunk in chunks) / shares.sum()
        rows = np.concatenate([chunk.ensemble for chunk in chunks]) - coefficients[:, None] * mean
        chains = numbered_through([chunk.ensemble_chains for chunk in chunks])
        ensembles.append(sum_with_error(scales * rows, shares / shares.sum(), chains))
    return Gradient(Estimate.sum(trajectories), Estimate.sum(ensembles), scales * np.asarray(anchor, float))


def refined_parameters(potential: Model, settings: TrainableSettings) -> np.ndarray:
    """The numbers [R] of the trainable parameters that are refined."""
    return np.flatnonzero(_by_name(potential, settings.frees))


def parameter_scales(potential: Model, settings: RowSettings) -> np.ndarray:
    """The unit in which the optimiser counts each trainable parameter [P]; zero of those that are not refined."""

    def scale(name: str) -> float:
        return settings.parameter_scales.get(name, 1.0) if settings.frees(name) else 0.0

    return _by_name(potential, scale)


def _by_name(potential: Model, value: Callable[[str], float]) -> np.ndarray:
    """A number for each trainable parameter [P], from its name."""
    trainable = potential.parameters["trainable"]
    values = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.full(jnp.shape(leaf), value(parameter_name(path)), leaf.dtype), trainable
    )
    return np.asarray(flat_parameters(values)[0])
