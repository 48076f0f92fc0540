"""Self-diffusion from the velocity autocorrelation (Green-Kubo), with the finite-size correction beside it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.config.properties.transport import DiffusionSettings, SelfDiffusionSettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, Detail, relative_loss
from dynrefine.properties.correlation import running_integral, velocity_autocorrelation
from dynrefine.properties.finite_size import finite_size_correction
from dynrefine.properties.green_kubo import GreenKubo, Window, details_of_limit
from dynrefine.units import DIFFUSION


@dataclass(frozen=True, eq=False)
class SelfDiffusion(GreenKubo):
    """The self-diffusion coefficient of one element.

    Attributes:
        window: of the velocity autocorrelation, and upper limit of the integral.
        target: measured coefficient, 1e-9 m²/s.
        diffusing: indices of the atoms of the element.
        correction: for the finite size of the cell, added to the simulated coefficient, 1e-9 m²/s.
        details: velocity autocorrelation and running integral, upper limit and what lies beyond it if the limit is
            not the window, and the coefficient without the correction.
    """

    target: Float[np.ndarray, " 1"]
    diffusing: Int[np.ndarray, " atoms"]
    correction: float
    details: dict[str, Detail]

    along = ("velocities",)
    at_start = ()
    quantities = (("upper limit of the integral", "fs"), ("self-diffusion", "1e-9 m²/s"))

    @classmethod
    def from_settings(
        cls, settings: DiffusionSettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "SelfDiffusion":
        """The observable that the configuration section `objective.observables.diffusion` describes."""
        window = Window.of(settings.window, settings.limit, conditions.interval)
        target, correction = settings.measured, correction_of(settings, conditions)
        limit, coefficient = cls.quantities
        correlation = ("velocity autocorrelation", "relative")
        in_cell = ("self-diffusion in the finite cell", coefficient[1])
        details = {
            "velocity autocorrelation": Detail.curve(("lag", "fs"), correlation, window.lags),
            "running integral": Detail.curve(limit, in_cell, window.lags, float(target[0]) - correction),
        }
        if settings.limit is not None:
            details |= details_of_limit(limit, coefficient)
        if correction:
            details["in the finite cell"] = Detail.number(coefficient)
        return cls(window, target, atoms_of(settings, conditions), correction, details)

    def statistic(self, observed: Observed) -> Float[Array, "*leading {self.window.depth}+1"]:
        """Velocity autocorrelation, Å²/fs²."""
        return velocity_autocorrelation(
            observed.along["velocities"][..., self.diffusing, :], self.window.depth
        )

    def predict(self, mean: Float[Array, "*leading {self.window.depth}+1"]) -> Float[Array, "*leading 1"]:
        """D in 1e-9 m²/s."""
        return self.limited(self.running(mean)) + self.correction

    def detail(self, mean: Float[Array, " {self.window.depth}+1"]) -> dict[str, Array]:
        """What is reported beside it."""
        running = self.running(mean)
        found = {
            "velocity autocorrelation": mean / mean[0],
            "running integral": running,
            **self.about_limit(running),
            "in the finite cell": self.limited(running),
        }
        return {name: found[name] for name in self.details}

    def loss(self, mean: Float[Array, " {self.window.depth}+1"]) -> Float[Array, ""]:
        """The squared relative difference from the target."""
        return relative_loss(self.predict(mean), self.target)

    def running(
        self, mean: Float[Array, "*leading {self.window.depth}+1"]
    ) -> Float[Array, "*leading {self.window.depth}+1"]:
        """The integral up to each lag, in the finite cell, 1e-9 m²/s."""
        return running_diffusion(mean, self.window.interval)


def atoms_of(settings: SelfDiffusionSettings, conditions: Conditions) -> Int[np.ndarray, " atoms"]:
    """Indices of the atoms that diffuse."""
    return np.flatnonzero(np.array(conditions.symbols) == settings.element)


def correction_of(settings: SelfDiffusionSettings, conditions: Conditions) -> float:
    """What is added to the coefficient of the finite cell, 1e-9 m²/s; zero if no viscosity is given."""
    if settings.viscosity is None:
        return 0.0
    return finite_size_correction(conditions.temperature, settings.viscosity, conditions.mean_cell)


def running_diffusion(
    correlation: Float[Array, "*leading lags"], interval: float
) -> Float[Array, "*leading lags"]:
    """D(t) = 1/3 ∫_0^t <v(0) · v(t')> dt' by the trapezoidal rule.

    Arguments:
        correlation: velocity autocorrelation, Å²/fs².
        interval: between lags, fs.

    Returns:
        1e-9 m²/s.
    """
    return DIFFUSION * running_integral(correlation, interval) / 3.0


PROPERTY = SelfDiffusion
