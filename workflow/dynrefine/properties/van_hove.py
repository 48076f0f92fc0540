"""Distinct part of the van Hove function: g(r,t), which is g(r) at t = 0 and one when all correlations are lost.

g(r,t) = V Σ_{i≠j} a_i a_j <δ(r - |x_j(t) - x_i(0)|)> / (4πr² (Σ_i a_i)²), where a are scattering lengths, or form
factors at q = 0 (van Hove, Phys. Rev. 95, 249 (1954)). A pair counts at the two points r next to its distance, more
at the nearer one, so that the counts are continuous and the gradient has its part through the trajectories.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.properties.scattering import VanHoveSettings
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.geometry.neighbours import lengths
from dynrefine.properties.base import Conditions, weighted_loss
from dynrefine.properties.rdf import loss_weights, measured_at, within
from dynrefine.properties.scattering import amplitude


@dataclass(frozen=True, eq=False)
class VanHove:
    """g(r,t) at one time.

    Attributes:
        abscissa: multiples of the bin, Å.
        target: measured there; NaN where nothing was measured.
        weights: of the squared differences in the loss; NaN where nothing was measured at all.
        lag: t in frames.
        origins: largest number of time origins.
        amplitudes: of each atom.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    weights: Float[np.ndarray, " W"]
    lag: int
    origins: int
    amplitudes: Float[np.ndarray, " N"]

    along = ("positions",)
    at_start = ("cell",)
    quantities = (("distance", "Å"), ("g(r,t)", "1"))

    @classmethod
    def from_settings(
        cls, settings: VanHoveSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "VanHove":
        """The property that the configuration section describes.

        Arguments:
            settings: section `van_hove`.
            measured: distance (Å), g and its standard error, NaN where unknown.
            conditions: of the state.
        """
        abscissa = settings.bin * np.arange(1, round(settings.longest / settings.bin) + 1)
        target, error = measured_at(abscissa, measured)
        of_elements = {
            symbol: float(amplitude(settings, symbol, np.zeros(1))[0]) for symbol in set(conditions.symbols)
        }
        return cls(
            abscissa,
            target,
            loss_weights(target, error, within(abscissa, settings.ends)),
            round(settings.time / conditions.interval),
            settings.origins,
            np.array([of_elements[symbol] for symbol in conditions.symbols]),
        )

    @property
    def bin(self) -> float:
        """Spacing of the points r, Å."""
        return float(self.abscissa[0])

    @property
    def shells(self) -> Float[np.ndarray, " W"]:
        """∫ 4πr² h(r) dr at each point, where h(r) is the share of a pair at distance r that counts there, Å³."""
        return 4.0 * math.pi * self.bin * (self.abscissa**2 + self.bin**2 / 6.0)

    def statistic(self, observed: Observed) -> Float[Array, "S W"]:
        """g(r,t) of each starting point; zero where the series is shorter than t."""
        positions, cells = observed.along["positions"], observed.at_start["cell"]
        dtype, frames = positions.dtype, positions.shape[1]
        if self.lag >= frames:
            return jnp.zeros((len(positions), len(self.abscissa)), dtype)
        products = np.outer(self.amplitudes, self.amplitudes) / self.amplitudes.sum() ** 2
        np.fill_diagonal(products, 0.0)
        origins = origins_of(frames - self.lag, self.origins)
        weights = jnp.asarray(products / len(origins), dtype)

        def of_one(start: tuple[jax.Array, jax.Array]) -> jax.Array:
            positions, cell = start
            fractional = jnp.moveaxis(to_fractional(jnp.moveaxis(positions, -1, 0), cell), 0, 1)

            def count(counts: jax.Array, origin: jax.Array) -> tuple[jax.Array, None]:
                now, then = fractional[origin], fractional[origin + self.lag]
                return counts + self._counted(now, then, cell, weights), None

            counts, _ = jax.lax.scan(jax.checkpoint(count), jnp.zeros(len(self.abscissa), dtype), origins)
            return counts * jnp.abs(jnp.linalg.det(cell)) / jnp.asarray(self.shells, dtype)

        return jax.lax.map(jax.checkpoint(of_one), (positions, cells))

    def _counted(
        self,
        now: Float[Array, "3 N"],
        then: Float[Array, "3 N"],
        cell: jax.Array,
        weights: Float[Array, "N N"],
    ) -> Float[Array, " W"]:
        """The weights of pairs shared between the points next to their distances; positions in units of the cell."""
        separation = then[:, None, :] - now[:, :, None]
        nearest = separation - jnp.round(separation)
        # An atom may be exactly where it was, and a zero distance has no derivative.
        apart = jnp.where(jnp.broadcast_to(weights == 0.0, nearest.shape), 1.0, nearest)
        place = lengths(to_cartesian(apart, cell)) / self.bin
        below = jnp.floor(place)
        index = jnp.minimum(below, len(self.abscissa) + 1.0).astype(jnp.int32)
        counts = jnp.zeros(len(self.abscissa) + 3, now.dtype)
        counts = counts.at[index].add(weights * (below + 1.0 - place))
        return counts.at[index + 1].add(weights * (place - below))[1 : len(self.abscissa) + 1]

    def predict(self, mean: Float[Array, "*leading W"]) -> Float[Array, "*leading W"]:
        """g(r,t)."""
        return mean

    def loss(self, mean: Float[Array, " W"]) -> Float[Array, ""]:
        """Σ w (g - measured)² / Σ w (measured - 1)²: one without structure; w = 1/error² if errors are known."""
        return weighted_loss(mean, self.target, self.weights)


def origins_of(count: int, most: int) -> Int[np.ndarray, " origins"]:
    """At most `most` of `count` time origins, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


PROPERTY = VanHove
