"""Settings of the structure of a liquid."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from dynrefine.config.base import PositiveFloat, sentence
from dynrefine.config.properties.base import (
    JudgingCurve,
    Measurement,
    Place,
    PropertySettings,
    Range,
    another_unit,
    beyond_measured,
    exchanged_ends,
)

FINEST_BIN, FARTHEST = 0.01, 15.0  # Å: how the distances of pairs are counted

# words in the name of an abscissa that mean a unit other than Å
_NO_ANGSTROMS = ("nm", "bohr", "pm", "au")
# and one other than 1/Å
_NO_INVERSE_ANGSTROMS = ("nm", "1/nm", "nm^-1", "nm-1", "nm⁻¹", "1/bohr", "bohr", "au")
_ANGLES = ("deg", "degrees", "2theta", "theta")


class Distances(JudgingCurve):
    """Settings of curves that are functions of a distance."""

    widest: ClassVar[float] = 1.5  # in widths of the cell: how far the distances of pairs are counted

    longest: PositiveFloat = Field(
        6.0, description="Longest distance, Å; at most one and a half widths of the cell."
    )
    bin: PositiveFloat = Field(0.1, description="Width of the bins, Å; a multiple of 0.01 Å.")
    range: Range | None = Field(
        None,
        description="First and last distance that are compared, Å; null: all that were measured.",
        examples=[[2.35, 6.0]],
    )

    @property
    def ends(self) -> tuple[float, float]:
        """First and last distance that are compared, Å."""
        first, last = self.range or (0.0, self.longest)
        return first, last

    @property
    def drawn_ranges(self) -> Sequence[Sequence[float]]:
        """The compared range, if one is given: peaks of intramolecular bonds would dwarf everything else."""
        return [self.range] if self.range else []

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Bins that are too wide, and a reversed range."""
        yield from super().unsuitable(place)
        if self.bin > self.longest:
            yield sentence(
                f"{place.key}.bin is {self.bin:g} Å",
                f"at most {place.key}.longest, {self.longest:g} Å",
                "lower it",
            )
        yield from exchanged_ends(place.key, self.range)

    def unsuitable_target(self, measured: Measurement) -> Iterator[str]:
        """An abscissa in a unit other than Å, and distances that were not measured."""
        yield from another_unit(measured, "distances in Å", _NO_ANGSTROMS)
        (first, last), (lowest, highest) = self.ends, measured.abscissa[[0, -1]]
        if max(first, lowest) >= min(last, self.longest, highest):
            yield sentence(
                f"{measured.key} is '{measured.path}', measured from {lowest:g} to {highest:g} Å",
                f"distances between {first:g} and {min(last, self.longest):g} Å",
                f"change {measured.section}.range or {measured.section}.longest, or give another file",
            )


class RadialDistributionSettings(Distances):
    """Radial distribution function g(r) of a pair of elements."""

    at_start: ClassVar[tuple[str, ...]] = ("pair_distributions",)
    of_positions: ClassVar[bool] = True

    pair: Annotated[list[str], Field(min_length=2, max_length=2)] = Field(
        description="The two elements.", examples=[["O", "O"]]
    )
    longest: Annotated[float, Field(gt=0.0, le=FARTHEST)] = Field(
        6.0, description="Longest distance, Å; at most one and a half widths of the cell."
    )

    @property
    def family(self) -> str:
        """The structure of one element around the other."""
        return f"g(r) of {' and '.join(sorted(self.pair))}"

    @property
    def elements(self) -> tuple[str, ...]:
        """The pair."""
        return tuple(self.pair)

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Bins that are not multiples of the finest."""
        yield from super().unsuitable(place)
        bins = round(self.bin / FINEST_BIN)
        if bins < 1 or not math.isclose(bins * FINEST_BIN, self.bin, rel_tol=1e-6):
            yield sentence(
                f"{place.key}.bin is {self.bin:g} Å", f"a multiple of {FINEST_BIN:g} Å", "change it"
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"pair": ["O", "O"], "target": "workflow/data/targets/water_rdf_OO_295K.csv"}


class Scattering(PropertySettings):
    """How strongly each element scatters."""

    radiation: Literal["neutron", "xray"] = Field(
        "neutron",
        description="Radiation that is scattered: neutrons, with tabulated coherent scattering lengths, or X-rays, "
        "with the form factors of free atoms.",
    )
    lengths: dict[str, float] = Field(
        {},
        description="Coherent neutron scattering lengths by element, fm, such as {Ar: 24.9} for 36Ar; others are "
        "those of the natural elements.",
        examples=[{}],
    )

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements whose scattering lengths are given."""
        return tuple(self.lengths)

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Lengths where nothing depends on them."""
        yield from super().unsuitable(place)
        if self.lengths and self.radiation == "xray":
            yield sentence(
                f"{place.key}.lengths is given where radiation is xray",
                "neutron, since X-rays are not scattered by nuclei",
                "remove it, or change radiation",
            )


class StructureFactorSettings(Scattering, JudgingCurve):
    """Structure factor S(Q), or interference function F(Q), of neutron or X-ray diffraction."""

    at_start: ClassVar[tuple[str, ...]] = ("pair_distributions",)
    of_positions: ClassVar[bool] = True

    normalised: bool = Field(
        True,
        description="true: S(Q), which tends to 1, relative to the squared mean of the scattering lengths or form "
        "factors; false: F(Q), which tends to 0, in barn per steradian and atom for neutrons, in squared electrons "
        "per atom for X-rays.",
    )
    longest: Annotated[float, Field(gt=0.0, le=FARTHEST)] | None = Field(
        None, description="Distance at which g(r) - 1 is cut off, Å; null: half the width of the cell."
    )
    modification: Literal["lorch", "none"] = Field(
        "lorch",
        description="Factor of g(r) - 1 before its transform: sin(x)/x with x = πr/longest (lorch), or none. The "
        "measured function is cut off and multiplied in the same way.",
    )
    range: Range = Field([1.5, 10.0], description="First and last Q that are compared, 1/Å.")
    resolution: PositiveFloat = Field(0.1, description="Spacing of the Q that are compared, 1/Å.")

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A reversed range."""
        yield from super().unsuitable(place)
        yield from exchanged_ends(place.key, self.range)

    def unsuitable_target(self, measured: Measurement) -> Iterator[str]:
        """An abscissa in a unit other than 1/Å, and a range that was not measured."""
        yield from another_unit(measured, "momentum transfers in 1/Å", _NO_INVERSE_ANGSTROMS + _ANGLES)
        yield from beyond_measured(measured, self.range, "1/Å")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "target": "workflow/data/targets/water_neutron_D2O_298K.csv",
            "normalised": False,
            "lengths": {"H": 6.671},
        }
