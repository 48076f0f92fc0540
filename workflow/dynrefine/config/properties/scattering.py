"""Settings of time-dependent structure."""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, sentence
from dynrefine.config.properties.base import (
    Correlated,
    JudgingCurve,
    Measurement,
    Place,
    another_unit,
)
from dynrefine.config.properties.structure import Distances, Scattering

# words in the name of an abscissa that mean a unit other than fs
_NO_FEMTOSECONDS = ("ps", "ns", "s", "au")


class IntermediateScatteringSettings(Correlated, Scattering, JudgingCurve):
    """Intermediate scattering function F(q,t) at one momentum transfer, coherent or of single atoms."""

    along: ClassVar[tuple[str, ...]] = ("positions",)
    at_start: ClassVar[tuple[str, ...]] = ("cell",)

    momentum_transfer: PositiveFloat = Field(
        description="Length of q, 1/Å; another length needs another section."
    )
    width: PositiveFloat = Field(
        0.1,
        description="Width of the shell of the cell's wave vectors around this length, 1/Å; if the shell is empty, "
        "the nearest ones are used.",
    )
    vectors: PositiveInt = Field(
        30, description="Largest number of wave vectors from the shell, the nearest first."
    )
    part: Literal["coherent", "self"] = Field(
        "coherent",
        description="coherent: of the density, where all atoms interfere; self: of each atom with itself, averaged "
        "over the atoms with the incoherent cross sections of neutrons, or the squared form factors of X-rays, as "
        "weights.",
    )
    element: str | None = Field(
        None, description="Element whose atoms alone scatter; null: all atoms scatter.", examples=["O"]
    )
    normalised: bool = Field(
        True, description="true: F(q,t)/F(q,0); false: F(q,t), whose value at t = 0 is S(q) of the density."
    )

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements it names."""
        return (*super().elements, *((self.element,) if self.element is not None else ()))

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Coherent lengths where atoms are weighted by the cross sections of natural elements."""
        yield from super().unsuitable(place)
        if self.lengths and self.part == "self":
            yield sentence(
                f"{place.key}.lengths is given where part is self",
                "none, since atoms are weighted by their incoherent cross sections",
                "remove it; deuterium is the element D",
            )

    def unsuitable_target(self, measured: Measurement) -> Iterator[str]:
        """An abscissa in a unit other than fs, and lags that were not measured."""
        yield from another_unit(measured, "times in fs", _NO_FEMTOSECONDS)
        first, last = measured.abscissa[[0, -1]]
        if first > 0.0 or last < self.window:
            yield sentence(
                f"{measured.key} is '{measured.path}', measured from {first:g} to {last:g} fs",
                f"all lags from 0 to {measured.section}.window, {self.window:g} fs",
                "shorten the window, or give another file",
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"momentum_transfer": 2.0, "target": "scattering.csv", "window": 300.0}


class VanHoveSettings(Distances, Scattering):
    """Distinct van Hove function g(r,t): where other atoms are at time t if an atom was at the origin at time 0."""

    along: ClassVar[tuple[str, ...]] = ("positions",)
    at_start: ClassVar[tuple[str, ...]] = ("cell",)
    widest: ClassVar[float] = 0.5

    time: NonNegativeFloat = Field(
        description="The time t, fs, at most twice the trajectory's length; another time needs another section."
    )
    origins: PositiveInt = Field(
        20, description="Largest number of time origins in a trajectory, evenly spaced."
    )
    longest: PositiveFloat = Field(
        6.0, description="Longest distance, Å; at most half the width of the cell."
    )
    bin: PositiveFloat = Field(0.1, description="Spacing of the distances r, Å.")

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A time that was not recorded, or is longer than the trajectories allow."""
        yield from super().unsuitable(place)
        interval, (expected, longest) = place.interval, place.longest_lag()
        if self.time > longest or not math.isclose(
            round(self.time / interval) * interval, self.time, abs_tol=1e-6
        ):
            yield sentence(
                f"{place.key}.time is {self.time:g} fs",
                f"a multiple of trajectory.sampling_interval, {interval:g} fs, and at most {expected}",
                "change it",
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "time": 200.0,
            "radiation": "xray",
            "target": "workflow/data/targets/water_van_hove_191fs.csv",
        }
