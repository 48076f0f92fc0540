"""Intermediate scattering function F(q,t), the Fourier transform in time of what inelastic scattering measures.

Of the density ρ_q = Σ_i a_i exp(iq·x_i), with scattering lengths or form factors a,
F(q,t) = <ρ_q(t) ρ_-q(0)> / Σ_i a_i², which is S(q) at t = 0. The self part, with weights b, is
F_s(q,t) = Σ_i b_i <exp(iq·(x_i(t) - x_i(0)))> / Σ_i b_i. Both are means over the wave vectors q of the periodic cell
in a shell of |q|. Source: Hansen & McDonald, Theory of Simple Liquids, 4th ed. (2013), sections 7.4 and 8.7.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.properties.scattering import IntermediateScatteringSettings
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.coordinates import to_fractional
from dynrefine.properties.base import Conditions, Detail, curve_loss
from dynrefine.properties.correlation import autocorrelation
from dynrefine.properties.scattering import amplitude, incoherent_cross_section


@dataclass(frozen=True, eq=False)
class IntermediateScattering:
    """F(q,t) of one shell of wave vectors.

    Attributes:
        abscissa: lags, fs.
        target: measured there; NaN where nothing was measured.
        vectors: multiples of the reciprocal cell vectors, one of each opposite pair.
        amplitudes: of each atom; their squares add up to one.
        is_coherent: whether atoms interfere.
        is_normalised: whether it is relative to its value at 0.
        q: mean length of the wave vectors, 1/Å.
        details: that length, and the value at 0.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    vectors: Int[np.ndarray, "vectors 3"]
    amplitudes: Float[np.ndarray, " N"]
    is_coherent: bool
    is_normalised: bool
    q: float
    details: dict[str, Detail]

    along = ("positions",)
    at_start = ("cell",)

    @classmethod
    def from_settings(
        cls, settings: IntermediateScatteringSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "IntermediateScattering":
        """The property that the configuration section describes.

        Arguments:
            settings: section `intermediate_scattering`.
            measured: lag (fs) and the function.
            conditions: of the state.
        """
        wanted = settings.momentum_transfer, settings.width, settings.vectors
        vectors, lengths = shell(conditions.mean_cell, *wanted)
        depth = round(settings.window / conditions.interval)
        lags, q = conditions.interval * np.arange(depth + 1), float(lengths.mean())
        details = {"momentum transfer": Detail.number(("mean length of q", "1/Å"))}
        if settings.part == "coherent":
            details["at 0"] = Detail.number(("S(q)", "1"))
        return cls(
            lags,
            np.full_like(lags, np.nan) if measured is None else np.interp(lags, *measured.T[:2]),
            vectors,
            amplitudes_of(settings, conditions.symbols, q),
            settings.part == "coherent",
            settings.normalised,
            q,
            details,
        )

    @property
    def quantities(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Names and units of the lag and of the function."""
        name = "F(q,t)" if self.is_coherent else "self part of F(q,t)"
        return ("lag", "fs"), (f"{name}/F(q,0)" if self.is_normalised else name, "1")

    def statistic(self, observed: Observed) -> Float[Array, "S W"]:
        """F(q,t) of each starting point."""
        positions, cells = observed.along["positions"], observed.at_start["cell"]
        longest = len(self.abscissa) - 1
        amplitudes = jnp.asarray(self.amplitudes, positions.dtype)
        waves = 2.0 * math.pi * jnp.asarray(self.vectors, positions.dtype)

        def of_one(start: tuple[jax.Array, jax.Array]) -> jax.Array:
            positions, cell = start
            fractional = to_fractional(jnp.moveaxis(positions, -1, 0), cell)
            phases = jnp.einsum("ktn,vk->vtn", fractional, waves)
            of_atoms = jnp.broadcast_to(amplitudes, phases.shape)
            parts = [of_atoms * jnp.cos(phases), of_atoms * jnp.sin(phases)]
            if self.is_coherent:
                parts = [jnp.sum(part, axis=-1, keepdims=True) for part in parts]
            return jnp.mean(autocorrelation(jnp.concatenate(parts, axis=-1), longest), axis=0)

        return jax.lax.map(jax.checkpoint(of_one), (positions, cells))

    def predict(self, mean: Float[Array, "*leading W"]) -> Float[Array, "*leading W"]:
        """F(q,t), or F(q,t)/F(q,0)."""
        return mean / mean[..., :1] if self.is_normalised else mean

    def detail(self, mean: Float[Array, " W"]) -> dict[str, Array]:
        """What is reported beside it."""
        found = {"momentum transfer": jnp.full(1, self.q, mean.dtype), "at 0": mean[:1]}
        return {name: found[name] for name in self.details}

    def loss(self, mean: Float[Array, " W"]) -> Float[Array, ""]:
        """Σ (difference)² relative to Σ (measured)²."""
        return curve_loss(self.predict(mean), self.target)


def shell(
    cell: Float[np.ndarray, "3 3"], q: float, width: float, most: int
) -> tuple[Int[np.ndarray, "vectors 3"], Float[np.ndarray, " vectors"]]:
    """Wave vectors of a periodic cell, one of each opposite pair, in multiples of the reciprocal cell vectors.

    Arguments:
        cell: cell vectors as rows, Å.
        q: wanted length, 1/Å.
        width: of the shell around it, 1/Å; if it holds no vector, the nearest ones are taken.
        most: largest number of vectors, the nearest first.

    Returns:
        the vectors and their lengths, 1/Å.
    """
    # at least the shortest reciprocal vector lies within this
    longest = max(q + 0.5 * width, 2.0 * math.pi / np.linalg.norm(cell, axis=1).min()) * (1.0 + 1e-9)
    reach = np.ceil(longest * np.linalg.norm(cell, axis=1) / (2.0 * math.pi)).astype(int) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), -1).reshape(-1, 3)
    vectors = grid[len(grid) // 2 + 1 :]  # those after zero; each is opposite to one before it
    lengths = np.linalg.norm(vectors @ (2.0 * math.pi * np.linalg.inv(cell).T), axis=1)
    away = np.round(np.abs(lengths - q), 9)
    order = np.argsort(away, kind="stable")
    chosen = order[away[order] <= max(0.5 * width, away.min())][:most]
    return vectors[chosen], lengths[chosen]


def amplitudes_of(
    settings: IntermediateScatteringSettings, symbols: Sequence[str], q: float
) -> Float[np.ndarray, " N"]:
    """The signed contribution of each atom to the density; the squares add up to one.

    Arguments:
        settings: section `intermediate_scattering`.
        symbols: of the atoms.
        q: 1/Å.
    """

    def of_element(symbol: str) -> float:
        if settings.element not in (None, symbol):
            return 0.0
        if settings.part == "self" and settings.radiation == "neutron":
            return 1.0 if settings.element else math.sqrt(incoherent_cross_section(symbol))
        return float(amplitude(settings, symbol, np.array([q]))[0])

    of_elements = {symbol: of_element(symbol) for symbol in set(symbols)}
    amplitudes = np.array([of_elements[symbol] for symbol in symbols])
    return amplitudes / np.linalg.norm(amplitudes)


PROPERTY = IntermediateScattering
