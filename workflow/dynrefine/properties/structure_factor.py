"""Structure factor S(Q), or interference function F(Q), of neutron or X-ray diffraction, from g(r) of all pairs.

F(Q) = Σ_ij c_i c_j f_i f_j [A_ij(Q) - 1], the sum over all elements i and j with mole fractions c and scattering
lengths or form factors f, and S(Q) = 1 + F(Q) / (Σ_i c_i f_i)², with the partial structure factors of Faber & Ziman
(Phil. Mag. 11, 153 (1965)): A_ij(Q) = 1 + 4πρ ∫ r² w(r) [g_ij(r) - 1] sin(Qr)/(Qr) dr. The window w(r) cuts g(r) - 1
off at half the cell; Lorch's, sin(x)/x with x = πr/R, damps the resulting ripples (J. Phys. C 2, 229 (1969)).
The measured function goes through the same window before the comparison, so the cut-off does not count as an error.
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.structure import FARTHEST, FINEST_BIN, StructureFactorSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, curve_loss
from dynrefine.properties.scattering import amplitude
from dynrefine.quantities.pair_distributions import EDGES, SHELLS, pairs_of

_BARN = 0.01  # fm² in barn
_FINE = 0.01  # 1/Å: step of the integral over the measured function


@dataclass(frozen=True, eq=False)
class StructureFactor:
    """S(Q) or F(Q) of one state.

    Attributes:
        abscissa: Q, 1/Å.
        target: measured there, seen through the window; NaN where nothing was measured.
        kernel: from g(r) - 1 of each pair, in the bins of the quantity, to S(Q) - 1 or F(Q) [pairs, bins, W].
        limit: what it tends to at large Q, one or zero.
        quantities: names and units of Q and of the function.
    """

    abscissa: Float[np.ndarray, " W"]
    target: Float[np.ndarray, " W"]
    kernel: Float[np.ndarray, "pairs bins W"]
    limit: float
    quantities: tuple[tuple[str, str], tuple[str, str]]

    along = ()
    at_start = ("pair_distributions",)

    @classmethod
    def from_settings(
        cls, settings: StructureFactorSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "StructureFactor":
        """The property that the configuration section describes.

        Arguments:
            settings: section `structure_factor`.
            measured: Q (1/Å) and the function.
            conditions: of the state.
        """
        first, last = settings.range
        abscissa = np.arange(first, last + 0.5 * settings.resolution, settings.resolution)
        limit = 1.0 if settings.normalised else 0.0
        half = min(0.5 * conditions.volume ** (1.0 / 3.0), FARTHEST)
        window = window_of(settings, settings.longest or half)
        target = np.full_like(abscissa, np.nan)
        if measured is not None and settings.synthetic:  # the teacher's has gone through the window already
            target = measured[:, 1]
        elif measured is not None:
            target = limit + through_window(measured[:, 0], measured[:, 1] - limit, abscissa, window)
        weights = scattering_weights(settings, conditions, abscissa)
        density = conditions.atoms / conditions.volume
        transform = density * (SHELLS[: len(window)] * window)[:, None] * sinc(_middles(window), abscissa)
        unit = "1" if settings.normalised else ("barn/sr" if settings.radiation == "neutron" else "e²")
        name = "S(Q)" if settings.normalised else "F(Q)"
        return cls(
            abscissa,
            target,
            weights[:, None, :] * transform[None],
            limit,
            (("Q", "1/Å"), (name, unit)),
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading W"]:
        """The function less its limit."""
        fine = observed.at_start["pair_distributions"]
        kernel = jnp.asarray(self.kernel, fine.dtype)
        return jnp.einsum("...pb,pbw->...w", fine[..., : kernel.shape[1]] - 1.0, kernel)

    def predict(self, mean: Float[Array, "*leading W"]) -> Float[Array, "*leading W"]:
        """S(Q) or F(Q)."""
        return self.limit + mean

    def loss(self, mean: Float[Array, " W"]) -> Float[Array, ""]:
        """Σ (difference)² relative to Σ (measured - limit)²."""
        return curve_loss(mean, self.target - self.limit)


def scattering_weights(
    settings: StructureFactorSettings, conditions: Conditions, q: Float[np.ndarray, " W"]
) -> Float[np.ndarray, "pairs W"]:
    """c_i c_j f_i f_j of each pair, doubled for two different elements; over (Σ c f)² if normalised.

    Arguments:
        settings: section `structure_factor`.
        conditions: of the state.
        q: 1/Å.

    Returns:
        in barn for neutrons, squared electrons for X-rays, or a pure number.
    """
    symbols = conditions.elements
    factors = np.array([conditions.symbols.count(s) * amplitude(settings, s, q) for s in symbols])
    amplitudes = factors / conditions.atoms
    pairs = [(1.0 if i == j else 2.0) * amplitudes[i] * amplitudes[j] for i, j in pairs_of(len(symbols))]
    if settings.normalised:
        return np.array(pairs) / amplitudes.sum(axis=0) ** 2
    return np.array(pairs) * (_BARN if settings.radiation == "neutron" else 1.0)


def window_of(settings: StructureFactorSettings, longest: float) -> Float[np.ndarray, " bins"]:
    """w(r) in the bins of the quantity up to the longest distance (Å)."""
    places = _middles(np.empty(round(longest / FINEST_BIN)))
    return np.sinc(places / longest) if settings.modification == "lorch" else np.ones_like(places)


def through_window(
    measured: np.ndarray, values: np.ndarray, q: Float[np.ndarray, " W"], window: Float[np.ndarray, " bins"]
) -> Float[np.ndarray, " W"]:
    """A measured function that tends to zero, transformed to distances, cut off by the window, transformed back.

    Arguments:
        measured: Q at which it was measured, 1/Å; below the first it is taken as constant, beyond the last as zero.
        values: measured there.
        q: where it is wanted, 1/Å.
        window: w(r) in the bins of the quantity.
    """
    grid = np.arange(_FINE, measured[-1] + 0.5 * _FINE, _FINE)
    r = _middles(window)
    # ∫ Q² F(Q) sin(Qr)/(Qr) dQ / (2π²) is ρ (g - 1) in units of the weights; its transform is that of the simulation
    inverse = sinc(r, grid) @ (grid**2 * np.interp(grid, measured, values)) * _FINE / (2.0 * math.pi**2)
    return (SHELLS[: len(r)] * window * inverse) @ sinc(r, q)


def sinc(r: Float[np.ndarray, " R"], q: Float[np.ndarray, " Q"]) -> Float[np.ndarray, "R Q"]:
    """sin(Qr)/(Qr)."""
    return np.sinc(np.multiply.outer(r, q) / math.pi)


def _middles(bins: np.ndarray) -> np.ndarray:
    return 0.5 * (EDGES[1:] + EDGES[:-1])[: len(bins)]


PROPERTY = StructureFactor
