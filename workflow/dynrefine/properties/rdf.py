"""Radial distribution function g(r) of a pair of elements."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dynrefine.config.properties.structure import FINEST_BIN, RadialDistributionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, weighted_loss
from dynrefine.quantities.pair_distributions import BINS, SHELLS, pairs_of


@dataclass(frozen=True, eq=False)
class RadialDistribution:
    """g(r) of one pair of elements, one in an ideal gas of the same density.

    Attributes:
        abscissa: middles of the bins, Å.
        target: measured g there; NaN where nothing was measured.
        weights: of the squared differences in the loss; NaN where nothing was measured at all.
        counted: which bins count: those in the range, of what was measured, if anything was.
        pair: number of the pair in the quantity.
        fine: bins of the quantity in one of these.
        details: the height of the first maximum, of what counts.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    weights: Float[np.ndarray, " W"]
    counted: Bool[np.ndarray, " W"]
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
            measured: distance (Å), g and its standard error, NaN where that is not known.
            conditions: of the state.
        """
        fine = round(settings.bin / FINEST_BIN)
        bins = min(round(settings.longest / settings.bin), BINS // fine)
        abscissa = settings.bin * (np.arange(bins) + 0.5)
        target, error = measured_at(abscissa, measured)
        counted = within(abscissa, settings.ends)
        highest = _highest(measured, settings.ends)
        kinds = sorted(conditions.elements.index(symbol) for symbol in settings.pair)
        return cls(
            abscissa,
            target,
            loss_weights(target, error, counted),
            counted & np.isfinite(target) if measured is not None else counted,
            pairs_of(len(conditions.elements)).index((kinds[0], kinds[1])),
            fine,
            {"first maximum": Detail.number(("first maximum of g(r)", "1"), *highest)},
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading W"]:
        """g(r) in these bins."""
        fine = observed.at_start["pair_distributions"][..., self.pair, :]
        shells = SHELLS[: self.fine * len(self.abscissa)].reshape(len(self.abscissa), self.fine)
        shares = jnp.asarray(shells / shells.sum(axis=1, keepdims=True), fine.dtype)
        parts = fine[..., : shells.size].reshape(*fine.shape[:-1], *shells.shape)
        return jnp.sum(parts * jnp.broadcast_to(shares, parts.shape), axis=-1)

    def predict(self, mean: Float[Array, "*leading W"]) -> Float[Array, "*leading W"]:
        """g(r)."""
        return mean

    def detail(self, mean: Float[Array, " W"]) -> dict[str, Array]:
        """What is shown beside it, of the distances that count: some measurements leave bonds out."""
        return {"first maximum": jnp.max(mean, where=self.counted, initial=0.0)[None]}

    def loss(self, mean: Float[Array, " W"]) -> Float[Array, ""]:
        """Σ w (g - measured)² / Σ w (measured - 1)²: one without structure; w = 1/error² where that is known."""
        return weighted_loss(mean, self.target, self.weights)


def within(distances: Float[np.ndarray, " N"], ends: tuple[float, float]) -> Bool[np.ndarray, " N"]:
    """Which distances are between these ends, or at one of them."""
    return (distances >= ends[0]) & (distances <= ends[1])


def _highest(measured: np.ndarray | None, ends: tuple[float, float]) -> tuple[float, float]:
    """The highest g that was measured between these distances, and its standard error."""
    rows = np.empty((0, 3)) if measured is None else measured[within(measured[:, 0], ends)]
    if not len(rows):
        return np.nan, np.nan
    _, value, error = rows[np.argmax(rows[:, 1])][:3]
    return float(value), float(error)


def measured_at(
    abscissa: Float[np.ndarray, " W"], measured: np.ndarray | None
) -> tuple[Float[np.ndarray, " W"], Float[np.ndarray, " W"]]:
    """A measured curve and its standard error at these places, NaN beyond what was measured.

    Arguments:
        abscissa: places.
        measured: place, value and standard error, row by row; none where nothing was measured.
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
        error: its standard error, NaN where it is not known.
        compared: which bins count.
    """
    counted = compared & np.isfinite(target)
    if not counted.any():
        return np.full_like(target, np.nan)
    known = np.isfinite(error[counted]).all() and np.all(error[counted] > 0.0)
    weights = np.where(counted, 1.0 / np.where(counted & known, error, 1.0) ** 2, 0.0)
    return weights / np.sum(weights[counted] * (target[counted] - 1.0) ** 2)


PROPERTY = RadialDistribution
