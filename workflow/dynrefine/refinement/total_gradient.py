"""The gradient of the objective over all chunks of all states, with its error."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.refinement import RowSettings
from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.models import Model, flat_parameters, parameter_name
from dynrefine.statistics import Estimate, shortened, sum_with_error


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
    weights: Sequence[np.ndarray],
    anchor: np.ndarray,
    scales: np.ndarray,
    outlier_limit: float,
) -> Gradient:
    """Sum the chunks of all states; errors are those of sums over independent starting points.

    Arguments:
        states: for each state its chunks, whose rows add up to the gradient.
        weights: for each state those of its starting points in averages [S].
        anchor: weighted gradient of the anchor [P].
        scales: units in which the parameters are counted [P].
        outlier_limit: length to which rows of the trajectory part are shortened, in medians of their lengths.
    """
    trajectories, ensembles = [], []
    for chunks, single in zip(states, weights, strict=True):
        shares = np.asarray(single, float) / np.sum(single, dtype=float)
        ends = np.cumsum([len(chunk.coefficients) for chunk in chunks])
        followed = np.concatenate(
            [
                own[: len(chunk.trajectory)]
                for own, chunk in zip(np.split(shares, ends[:-1]), chunks, strict=True)
            ]
        )
        rows = scales * np.concatenate([chunk.trajectory for chunk in chunks]).astype(float)
        trajectories.append(sum_with_error(shortened(rows, outlier_limit), followed / followed.sum()))
        energy_gradients = np.concatenate([chunk.energy_gradients for chunk in chunks]).astype(float)
        coefficients = np.concatenate([chunk.coefficients for chunk in chunks]).astype(float)
        # The coefficients add up to zero: a mean taken away changes no sum, but what would be noise of the rows.
        centred = energy_gradients - shares @ energy_gradients
        ensembles.append(sum_with_error(scales * coefficients[:, None] * centred, shares))
    return Gradient(Estimate.sum(trajectories), Estimate.sum(ensembles), scales * np.asarray(anchor, float))


def parameter_scales(potential: Model, settings: RowSettings) -> np.ndarray:
    """The unit in which the optimiser counts each trainable parameter [P]; zero of those that are not refined."""

    def scale(name: str) -> float:
        return settings.parameter_scales.get(name, 1.0) if settings.refines(name) else 0.0

    return np.asarray(
        flat_parameters(
            jax.tree_util.tree_map_with_path(
                lambda path, leaf: jnp.full_like(leaf, scale(parameter_name(path))),
                potential.parameters["trainable"],
            )
        )[0]
    )
