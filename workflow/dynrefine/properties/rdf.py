"""Radial distribution function g(r) of a pair of elements.

Its first maximum is the highest mean of g over any shell as wide as a bin, so it does not depend on where bins begin.
The maximum of the measured curve is found in the same way.
"""

from dataclasses import dataclass
from typing import TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dynrefine.config.properties.structure import FINEST_BIN, RadialDistributionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, weighted_loss
from dynrefine.quantities.pair_distributions import BINS, SHELLS, pairs_of

Values = TypeVar("Values", np.ndarray, jax.Array)


@dataclass(frozen=True, eq=False)
class RadialDistribution:
    """g(r) of one pair of elements, in units of the mean density.

    Attributes:
        abscissa: middles of the bins, Å.
        target: measured g, averaged over each; NaN where nothing was measured.
        weights: of the squared differences in the loss; NaN where nothing was measured at all.
        counted: which shells, as wide as a bin and one starting at each bin of the quantity, may hold the maximum:
            those whose middle lies in the range and, if anything was measured, where it was.
        pair: number of the pair in the quantity.
        fine: number of bins of the quantity in one of these.
        details: the height of the first maximum.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    weights: Float[np.ndarray, " W"]
    counted: Bool[np.ndarray, " shells"]
    pair: int
    fine: int
    details: dict[str, Detail]

    along = ()
    at_start = ("pair_distributions",)
    quantities = (("distance", "Å"), ("g(r)", "1"))

    @classmethod
    def from_settings(
        cls, settings: RadialDistributionSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "RadialDistribution":
        """The property that the configuration section describes.

        Arguments:
            settings: section `rdf`.
            measured: distance (Å), g and its standard error, NaN where unknown.
            conditions: of the state.
        """
        fine = round(settings.bin / FINEST_BIN)
        bins = min(round(settings.longest / settings.bin), BINS // fine)
        abscissa = settings.bin * (np.arange(bins) + 0.5)
        finely, errors = measured_at(FINEST_BIN * (np.arange(bins * fine) + 0.5), measured)
        shells, errors = shell_means(finely, fine), shell_means(errors, fine)
        target, error = shells[::fine], errors[::fine]
        counted = within(FINEST_BIN * (np.arange(len(shells)) + 0.5 * fine), settings.ends)
        highest = np.nan, np.nan
        if settings.synthetic and measured is not None:  # the teacher's are means over these bins already
            target, error = measured[:, 1], measured[:, 2]
        elif measured is not None:
            counted &= np.isfinite(shells)
            highest = _highest(shells, errors, counted)
        kinds = sorted(conditions.elements.index(symbol) for symbol in settings.pair)
        return cls(
            abscissa,
            target,
            loss_weights(target, error, within(abscissa, settings.ends)),
            counted,
            pairs_of(len(conditions.elements)).index((kinds[0], kinds[1])),
            fine,
            {"first maximum": Detail.number(("first maximum of g(r)", "1"), *highest)},
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading bins"]:
        """g(r) in the bins of the quantity, as far as these reach."""
        return observed.at_start["pair_distributions"][..., self.pair, : self.fine * len(self.abscissa)]

    def predict(self, mean: Float[Array, "*leading bins"]) -> Float[Array, "*leading W"]:
        """g(r)."""
        return shell_means(mean, self.fine)[..., :: self.fine]

    def detail(self, mean: Float[Array, " bins"]) -> dict[str, Array]:
        """What is reported beside it, from the distances that count: some measurements leave bonds out."""
        return {"first maximum": jnp.max(shell_means(mean, self.fine), where=self.counted, initial=0.0)[None]}

    def loss(self, mean: Float[Array, " bins"]) -> Float[Array, ""]:
        """Σ w (g - measured)² / Σ w (measured - 1)²: one without structure; w = 1/error² if errors are known."""
        return weighted_loss(self.predict(mean), self.target, self.weights)


def shell_means(values: Values, width: int) -> Values:
    """Means over shells of several bins of the quantity, weighted by volume, one shell starting at each bin.

    Arguments:
        values: in the bins of the quantity, from the first [..., bins].
        width: of a shell, bins.

    Returns:
        [..., bins - width + 1].
    """
    count = values.shape[-1] - width + 1
    volumes = np.broadcast_to(SHELLS[: values.shape[-1]].astype(values.dtype), values.shape)
    inside = [slice(first, first + count) for first in range(width)]
    total = sum(values[..., each] * volumes[..., each] for each in inside)
    return cast(Values, total / sum(volumes[..., each] for each in inside))


def within(distances: Float[np.ndarray, " N"], ends: tuple[float, float]) -> Bool[np.ndarray, " N"]:
    """Which distances lie between these ends, ends included."""
    return (distances >= ends[0]) & (distances <= ends[1])


def _highest(
    values: Float[np.ndarray, " shells"], errors: Float[np.ndarray, " shells"], counted: np.ndarray
) -> tuple[float, float]:
    """The highest of the values that count, and its standard error; NaN if none counts."""
    if not counted.any():
        return np.nan, np.nan
    place = np.flatnonzero(counted)[np.argmax(values[counted])]
    return float(values[place]), float(errors[place])


def measured_at(
    abscissa: Float[np.ndarray, " W"], measured: np.ndarray | None
) -> tuple[Float[np.ndarray, " W"], Float[np.ndarray, " W"]]:
    """A measured curve and its standard error at given points, NaN outside the measured range.

    Arguments:
        abscissa: the points.
        measured: point, value and standard error in each row; none if nothing was measured.
    """
    if measured is None:
        nothing = np.full(len(abscissa), np.nan)
        return nothing, nothing
    places, values, errors = measured.T[:3]
    target = np.interp(abscissa, places, values, left=np.nan, right=np.nan)
    return target, np.interp(abscissa, places, errors, left=np.nan, right=np.nan)


def loss_weights(
    target: Float[np.ndarray, " W"], error: Float[np.ndarray, " W"], compared: np.ndarray
) -> Float[np.ndarray, " W"]:
    """Weights with which Σ weights (difference)² is the loss; NaN where nothing was measured.

    Arguments:
        target: measured g(r), NaN where it was not measured.
        error: its standard error, NaN where unknown.
        compared: which bins count.
    """
    counted = compared & np.isfinite(target)
    if not counted.any():
        return np.full_like(target, np.nan)
    known = np.isfinite(error[counted]).all() and np.all(error[counted] > 0.0)
    weights = np.where(counted, 1.0 / np.where(counted & known, error, 1.0) ** 2, 0.0)
    return weights / np.sum(weights[counted] * (target[counted] - 1.0) ** 2)


PROPERTY = RadialDistribution
