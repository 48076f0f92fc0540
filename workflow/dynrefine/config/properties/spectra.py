"""Settings of spectra."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat, sentence
from dynrefine.config.properties.base import (
    Band,
    Correlated,
    JudgingCurve,
    Measurement,
    Place,
    Range,
    another_unit,
    beyond_measured,
    exchanged_ends,
)
from dynrefine.units import WAVENUMBER

FEWEST_IN_MAXIMUM = 5  # spacings of wavenumbers in the range of a maximum
LARGEST_BAND = 0.7  # of the highest wavenumber that the sampling interval resolves

# words in the name of an abscissa that mean a unit other than cm⁻¹
_NO_WAVENUMBERS = ("thz", "ev", "mev", "um", "µm", "μm", "micron", "wavelength", "nm", "hz", "hartree")


class Bands(Correlated):
    """Spectra that are compared band by band."""

    tapered: ClassVar[bool] = True

    resolution: PositiveFloat = Field(
        20.0, description="Spacing of the wavenumbers at which spectra are compared, cm⁻¹."
    )
    bands: Annotated[list[Band], Field(min_length=1)] = Field(
        [Band(range=[100.0, 1000.0], weight=10.0), Band(range=[1000.0, 4000.0], weight=1.0)],
        description="Parts of the spectrum that are compared.",
    )
    maxima: dict[str, Range] = Field(
        {},
        description="Maxima whose position and height are reported beside the spectrum, by name: first and last "
        "wavenumber between which each one lies, cm⁻¹.",
        examples=[{"bend": [1500.0, 1800.0]}],
    )

    @property
    def compared_bands(self) -> Sequence[Band]:
        """The parts of the spectrum that are compared."""
        return self.bands

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Bands that are reversed, contain no compared wavenumber, or reach beyond what the interval resolves."""
        yield from super().unsuitable(place)
        yield from self._unsuitable_maxima(place.key)
        highest = highest_wavenumber(place.interval)
        for index, band in enumerate(self.bands):
            first, last = band.range
            found = f"{place.key}.bands[{index}].range is [{first:g}, {last:g}] cm⁻¹"
            if first >= last:
                yield sentence(found, "the lower wavenumber first", "swap them")
            elif math.floor(last / self.resolution + 1e-9) < max(
                1, math.ceil(first / self.resolution - 1e-9)
            ):
                yield sentence(
                    found,
                    f"at least one multiple of {place.key}.resolution, {self.resolution:g} cm⁻¹, in it, since "
                    "spectra are compared at these",
                    "widen the band or lower the resolution",
                )
            if last > highest:
                yield sentence(
                    found,
                    f"an end of at most {highest:.0f} cm⁻¹ with trajectory.sampling_interval {place.interval:g} fs",
                    "record more often or end the band earlier",
                )

    def _unsuitable_maxima(self, key: str) -> Iterator[str]:
        """Maxima with too few wavenumbers in their range, or beyond the end of the spectrum."""
        highest = max(band.range[1] for band in self.bands)
        for name, (first, last) in self.maxima.items():
            found = f"{key}.maxima.{name} is [{first:g}, {last:g}] cm⁻¹"
            if last - first < FEWEST_IN_MAXIMUM * self.resolution:
                yield sentence(
                    found,
                    f"the lower wavenumber first, and {FEWEST_IN_MAXIMUM} times {key}.resolution, "
                    f"{self.resolution:g} cm⁻¹, between the two",
                    "correct it, or lower the resolution",
                )
            elif last > highest:
                yield sentence(
                    found,
                    f"an end of at most {highest:g} cm⁻¹, where {key}.bands end",
                    "end it earlier, or a band later",
                )

    def unsuitable_target(self, measured: Measurement) -> Iterator[str]:
        """An abscissa in a unit other than cm⁻¹, and bands that were not measured."""
        yield from another_unit(measured, "wavenumbers in cm⁻¹", _NO_WAVENUMBERS)
        lowest, highest = measured.abscissa[0], measured.abscissa[-1]
        for index, band in enumerate(self.bands):
            first, last = band.range
            if first < lowest or last > highest:
                yield sentence(
                    f"{measured.section}.bands[{index}].range is [{first:g}, {last:g}] cm⁻¹",
                    f"a part of the measured range, {lowest:g} to {highest:g} cm⁻¹ in {measured.path}",
                    "narrow the band",
                )


class InfraredSettings(Bands, JudgingCurve):
    """Infrared absorption n(ν)α(ν)."""

    along: ClassVar[tuple[str, ...]] = ("dipole_derivative",)
    surfaces: ClassVar[tuple[str, ...]] = ("dipole",)

    intensity_tolerance: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0,
        description="Fraction by which all measured intensities together may be too high or too low, pure number: "
        "only what differs beyond the best such scale counts in the loss. Laboratories differ by 0.05 to 0.1.",
    )

    @property
    def family(self) -> str:
        """Infrared absorption, whatever the window."""
        return "infrared absorption"

    @property
    def of_volume(self) -> bool:
        """The absorption is that of a dipole per volume."""
        return True

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": "workflow/data/targets/water_infrared_298K.csv"}


class RamanSettings(Bands, JudgingCurve):
    """Raman spectrum, compared by its shape."""

    along: ClassVar[tuple[str, ...]] = ("polarizability_derivative",)
    surfaces: ClassVar[tuple[str, ...]] = ("polarizability",)

    component: Literal["isotropic", "vv", "vh", "unpolarised"] = Field(
        "unpolarised",
        description="Polarisation: isotropic, vv (parallel), vh (crossed) or unpolarised, the sum of vv and vh.",
    )
    form: Literal["reduced", "stokes"] = Field(
        "reduced",
        description="Form of the measured intensities: reduced, or as counted (stokes), in which case they are "
        "multiplied by ν (1 - exp(-hcν/kT))/(ν₀ - ν)⁴.",
    )
    laser: PositiveFloat = Field(532.0, description="Wavelength of the laser, for stokes, nm.")

    @property
    def family(self) -> str:
        """Raman scattering between these polarisers."""
        return f"{self.component} Raman scattering"

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": "raman.csv", "bands": [{"range": [2800.0, 3800.0]}]}


class VibrationsSettings(Correlated, JudgingCurve):
    """Vibrational density of states, from the velocity autocorrelation."""

    along: ClassVar[tuple[str, ...]] = ("velocities",)
    tapered: ClassVar[bool] = True

    element: str | None = Field(
        None, description="Element whose vibrations count; null: all atoms.", examples=["H"]
    )
    resolution: PositiveFloat = Field(20.0, description="Spacing of the wavenumbers, cm⁻¹.")
    range: Range = Field([0.0, 4000.0], description="First and last wavenumber, cm⁻¹.")

    @property
    def elements(self) -> tuple[str, ...]:
        """The element that vibrates, if one is given."""
        return (self.element,) if self.element is not None else ()

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A range that is reversed, or reaches beyond what the interval resolves."""
        yield from super().unsuitable(place)
        yield from exchanged_ends(place.key, self.range)
        highest = highest_wavenumber(place.interval)
        if self.range[1] > highest:
            yield sentence(
                f"{place.key}.range is [{self.range[0]:g}, {self.range[1]:g}] cm⁻¹",
                f"an end of at most {highest:.0f} cm⁻¹ with trajectory.sampling_interval {place.interval:g} fs",
                "record more often or end it earlier",
            )

    def unsuitable_target(self, measured: Measurement) -> Iterator[str]:
        """An abscissa in a unit other than cm⁻¹, and a range that was not measured."""
        yield from another_unit(measured, "wavenumbers in cm⁻¹", _NO_WAVENUMBERS)
        yield from beyond_measured(measured, self.range, "cm⁻¹")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"element": "H", "target": "vibrations.csv"}


def highest_wavenumber(interval: float) -> float:
    """The highest wavenumber, cm⁻¹, that values at an interval, fs, resolve well enough."""
    return LARGEST_BAND * math.pi / (interval * WAVENUMBER)
