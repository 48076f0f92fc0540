"""Self-diffusion from the mean square displacement (Einstein): D = 1/6 d<|x(t) - x(0)|²>/dt at long times."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.properties.transport import EinsteinDiffusionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, relative_loss
from dynrefine.properties.correlation import mean_square_integral
from dynrefine.properties.diffusion import atoms_of, correction_of
from dynrefine.units import DIFFUSION

_LAGS = 20  # at which the displacement is shown


@dataclass(frozen=True, eq=False)
class EinsteinDiffusion:
    """The self-diffusion coefficient of one element, from the slope between half the longest lag and the longest.

    Attributes:
        abscissa: longest lag, fs.
        target: measured coefficient, 1e-9 m²/s.
        diffusing: indices of the atoms of the element.
        lags: ascending, frames; the slope is taken from lag number `half` to the last.
        half: number of the lag at half the longest.
        interval: between frames, fs.
        correction: for the finite size of the cell, added to the simulated coefficient, 1e-9 m²/s.
        details: the mean square displacement.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    diffusing: Int[np.ndarray, " atoms"]
    lags: tuple[int, ...]
    half: int
    interval: float
    correction: float
    details: dict[str, Detail]

    along = ("velocities",)
    at_start = ()
    quantities = (("longest lag", "fs"), ("self-diffusion", "1e-9 m²/s"))

    @classmethod
    def from_settings(
        cls, settings: EinsteinDiffusionSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "EinsteinDiffusion":
        """The property that the configuration section `einstein_diffusion` describes."""
        depth = round(settings.window / conditions.interval)
        lags = np.unique(np.append(np.linspace(0, depth, _LAGS + 1).astype(int), depth // 2))
        displacement = Detail.curve(
            ("lag", "fs"), ("mean square displacement", "Å²"), conditions.interval * lags
        )
        return cls(
            np.array([depth * conditions.interval]),
            settings.measured,
            atoms_of(settings, conditions),
            tuple(lags.tolist()),
            int(np.searchsorted(lags, depth // 2)),
            conditions.interval,
            correction_of(settings, conditions),
            {"mean square displacement": displacement},
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading lags"]:
        """<|x(t) - x(0)|²> over origins and atoms at the lags, Å²; zero beyond the series, which may be shorter."""
        velocities = observed.along["velocities"][..., self.diffusing, :]
        return mean_square_displacement(velocities, self.interval, self.lags)

    def predict(self, mean: Float[Array, "*leading lags"]) -> Float[Array, "*leading 1"]:
        """D in 1e-9 m²/s."""
        time = self.interval * (self.lags[-1] - self.lags[self.half])
        slope = (mean[..., -1:] - mean[..., self.half : self.half + 1]) / time
        return DIFFUSION * slope / 6.0 + self.correction

    def detail(self, mean: Float[Array, " lags"]) -> dict[str, Array]:
        """What is reported beside it."""
        return {"mean square displacement": mean}

    def loss(self, mean: Float[Array, " lags"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return relative_loss(self.predict(mean), self.target)


def mean_square_displacement(
    velocities: Float[Array, "*leading frames N 3"], interval: float, lags: tuple[int, ...]
) -> Float[Array, "*leading lags"]:
    """<|x(t) - x(0)|²>, the mean over origins and atoms.

    Arguments:
        velocities: Å/fs; their trapezoidal sums are the displacements, which are never wrapped.
        interval: between frames, fs.
        lags: frames.

    Returns:
        Å²; zero at lags beyond the series.
    """
    flat = velocities.reshape(*velocities.shape[:-2], -1)
    return mean_square_integral(flat, interval, lags) / velocities.shape[-2]


PROPERTY = EinsteinDiffusion
