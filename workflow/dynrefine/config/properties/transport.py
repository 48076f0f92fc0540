"""Settings of transport coefficients."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat, sentence
from dynrefine.config.properties.base import Correlated, JudgingNumber, Place


class SelfDiffusionSettings(Correlated, JudgingNumber):
    """Settings that both estimates of the self-diffusion coefficient share."""

    along: ClassVar[tuple[str, ...]] = ("velocities",)
    by_state: ClassVar[dict[str, str]] = JudgingNumber.by_state | {"viscosities": "viscosity"}
    at_one_temperature: ClassVar[tuple[str, ...]] = ("target", "viscosity")

    target: PositiveFloat | None = Field(
        None, description="Measured self-diffusion coefficient, 1e-9 m²/s; null: none.", examples=[2.299]
    )
    element: str = Field(description="Element whose atoms diffuse.")
    viscosity: PositiveFloat | None = Field(
        None,
        description="Viscosity for the finite-size correction, mPa s; null: no correction, the target is compared "
        "with the coefficient in the finite cell.",
        examples=[0.89],
    )
    viscosities: dict[str, PositiveFloat] = Field(
        {},
        description="Viscosities for states with their own, by state name, such as {350K: 0.37}.",
        examples=[{}],
    )

    @property
    def family(self) -> str:
        """Self-diffusion, however it is computed."""
        return f"self-diffusion of {self.element}"

    @property
    def elements(self) -> tuple[str, ...]:
        """The element that diffuses."""
        return (self.element,)

    @property
    def of_volume(self) -> bool:
        """Whether it is corrected for the size of the cell."""
        return self.viscosity is not None or bool(self.viscosities)


class DiffusionSettings(SelfDiffusionSettings):
    """Self-diffusion coefficient, 1e-9 m²/s, from the Green-Kubo integral."""

    window: PositiveFloat = Field(
        1000.0,
        description="Longest lag of the velocity autocorrelation, fs; at most twice the trajectory's length.",
    )
    limit: PositiveFloat | Literal["auto"] | None = Field(
        None,
        description="Upper limit of the integral, fs; at most the window. auto: the first lag after which nothing "
        "that the rest of the window adds exceeds its standard error; null: the window.",
    )

    def unsuitable(self, place: Place) -> Iterator[str]:
        """An upper limit outside the window."""
        yield from super().unsuitable(place)
        yield from _outside(self.limit, self.window, place)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 2.299, "element": "O", "window": 300.0}


class EinsteinDiffusionSettings(SelfDiffusionSettings):
    """Self-diffusion coefficient, 1e-9 m²/s, from the slope of the mean square displacement."""

    window: PositiveFloat = Field(
        1000.0,
        description="Longest lag, fs; at most twice the trajectory's length. The slope is that of its second half.",
    )

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A gradient too shallow for the slope, which is that of the longest lags."""
        yield from super().unsuitable(place)
        gradient, least = place.config.gradient, 0.5 * self.window
        if not place.fitted:
            return
        if gradient.depth == "auto" or gradient.depth < least:
            yield sentence(
                f"gradient.depth is {gradient.depth if gradient.depth == 'auto' else f'{gradient.depth:g} fs'}",
                f"at least {least:g} fs, half of {place.key}.window",
                "change one of them, or fit diffusion (Green-Kubo) instead",
            )
        timestep = place.config.trajectory.timestep
        if gradient.check.steps * timestep < least:
            yield sentence(
                f"gradient.check.steps is {gradient.check.steps}",
                f"at least {math.ceil(least / timestep)}, half of {place.key}.window",
                "change one of them",
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 2.299, "element": "O", "window": 40.0}


class FluxSettings(Correlated, JudgingNumber):
    """Transport coefficients from the Green-Kubo integral of a flux of the cell."""

    window: PositiveFloat = Field(
        2000.0,
        description="Longest lag of the flux's autocorrelation, fs; at most twice the trajectory's length.",
    )
    limit: PositiveFloat | Literal["auto"] = Field(
        "auto",
        description="Upper limit of the integral, fs; at most the window. auto: the first lag after which nothing "
        "that the rest of the window adds exceeds its standard error.",
    )

    @property
    def of_volume(self) -> bool:
        """Correlations of fluxes are multiplied or divided by the volume."""
        return True

    def unsuitable(self, place: Place) -> Iterator[str]:
        """An upper limit outside the window."""
        yield from super().unsuitable(place)
        yield from _outside(self.limit, self.window, place)


class ViscositySettings(FluxSettings):
    """Shear viscosity, mPa s, from the Green-Kubo integral."""

    along: ClassVar[tuple[str, ...]] = ("stress",)

    target: PositiveFloat | None = Field(
        None, description="Measured shear viscosity, mPa s; null: none.", examples=[0.89]
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 0.89, "window": 300.0}


class ConductivitySettings(FluxSettings):
    """Ionic conductivity, S/m, from the Green-Kubo integral of the current of formal charges."""

    along: ClassVar[tuple[str, ...]] = ("velocities",)
    of_charges: ClassVar[bool] = True

    target: PositiveFloat | None = Field(
        None, description="Measured ionic conductivity, S/m; null: none.", examples=[8.5]
    )

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Elements without charges."""
        yield from super().unsuitable(place)
        if not any(element.charge for element in place.config.elements):
            yield sentence(
                f"{place.key} is given where all elements[*].charge are 0",
                "the formal charges of the ions, which carry the current",
                "correct them",
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 8.5, "window": 300.0}


def _outside(limit: float | Literal["auto"] | None, window: float, place: Place) -> Iterator[str]:
    """A sentence for an upper limit (fs) that is not within the window."""
    if isinstance(limit, float) and not place.interval <= limit <= window:
        yield sentence(
            f"{place.key}.limit is {limit:g} fs",
            f"auto, or at least trajectory.sampling_interval, {place.interval:g} fs, and at most "
            f"{place.key}.window, {window:g} fs",
            "change it or the window",
        )
