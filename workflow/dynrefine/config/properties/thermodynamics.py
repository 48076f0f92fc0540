"""Settings of thermodynamic properties."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from dynrefine.config.base import PositiveFloat, sentence
from dynrefine.config.properties.base import JudgingNumber, Place
from dynrefine.datasets.isotopes import element_of

# elements whose vapour is molecular
_MOLECULAR = ("H", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "I")


class PressureSettings(JudgingNumber):
    """Pressure at the state's density, bar; if it is right, so is the density at the measured pressure."""

    at_start: ClassVar[tuple[str, ...]] = ("virial_pressure",)
    at_one_temperature: ClassVar[tuple[str, ...]] = ()

    target: float | None = Field(
        None,
        description="Measured pressure at the state's temperature and density, bar; null: none.",
        examples=[1.0],
    )
    scale: PositiveFloat = Field(
        description="Difference that counts as a loss of one, bar. If it is the bulk modulus of the liquid, the loss "
        "is the squared relative difference of its density."
    )

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A fixed pressure."""
        yield from super().unsuitable(place)
        if place.config.ensemble.kind == "isobaric":
            yield sentence(
                f"{place.key} is given where ensemble.kind is isobaric",
                "canonical, since the pressure is fixed otherwise",
                "set ensemble.kind: canonical, or compare the density",
            )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 1.0, "scale": 22000.0}


class ScaledNumber(JudgingNumber):
    """A number whose relative difference from the measured one counts in units of a scale."""

    scale: PositiveFloat = Field(
        1.0, description="Relative difference that counts as a loss of one, pure number.", examples=[0.01]
    )


class AtConstantPressure(ScaledNumber):
    """A property that is known at fixed pressure, but not at fixed density."""

    def unsuitable(self, place: Place) -> Iterator[str]:
        """A fixed density."""
        yield from super().unsuitable(place)
        if place.config.ensemble.kind == "canonical":
            yield sentence(
                f"{place.key} is given where ensemble.kind is canonical",
                "isobaric, since the density is fixed otherwise",
                "set ensemble.kind: isobaric, or compare the pressure",
            )

    @classmethod
    def example(cls) -> None:
        return None


class DensitySettings(AtConstantPressure):
    """Mass density at the state's pressure, g/cm³; needs ensemble.kind: isobaric."""

    at_start: ClassVar[tuple[str, ...]] = ("density",)
    of_positions: ClassVar[bool] = True

    target: PositiveFloat | None = Field(
        None, description="Measured density, g/cm³; null: none.", examples=[0.997]
    )


class FluctuationSettings(ScaledNumber):
    """Settings of properties from fluctuations of volume and enthalpy."""

    at_start: ClassVar[tuple[str, ...]] = ("potential_energy", "volume")
    by_state: ClassVar[dict[str, str]] = ScaledNumber.by_state | {"quantum_corrections": "quantum_correction"}
    at_one_temperature: ClassVar[tuple[str, ...]] = ("target", "quantum_correction")

    quantum_correction: float = Field(
        0.0,
        description="Correction for quantum nuclei, in the unit of the property: added to the simulated value, whose "
        "nuclei are classical, before it is compared.",
    )
    quantum_corrections: dict[str, float] = Field(
        {},
        description="Corrections for states with their own, by state name.",
        examples=[{}],
    )


class CompressibilitySettings(AtConstantPressure, FluctuationSettings):
    """Isothermal compressibility, 1e-6/bar; needs ensemble.kind: isobaric."""

    target: PositiveFloat | None = Field(
        None, description="Measured compressibility, 1e-6/bar; null: none.", examples=[45.25]
    )


class ThermalExpansionSettings(AtConstantPressure, FluctuationSettings):
    """Thermal expansion, 1e-3/K; needs ensemble.kind: isobaric."""

    target: float | None = Field(
        None, description="Measured expansion, 1e-3/K; null: none.", examples=[0.257]
    )


class HeatCapacitySettings(FluctuationSettings):
    """Heat capacity, kJ/(kg K), at constant pressure if ensemble.kind is isobaric, otherwise at constant volume."""

    target: PositiveFloat | None = Field(
        None, description="Measured heat capacity, kJ/(kg K); null: none.", examples=[4.138]
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 4.138}


class VaporisationEnthalpySettings(ScaledNumber):
    """Enthalpy of vaporisation of a monatomic liquid, kJ/mol."""

    at_start: ClassVar[tuple[str, ...]] = ("potential_energy",)

    target: PositiveFloat | None = Field(
        None, description="Measured enthalpy of vaporisation, kJ/mol; null: none.", examples=[6.211]
    )
    gas_energy: float = Field(0.0, description="Potential energy of an atom in the gas, eV.")

    def unsuitable(self, place: Place) -> Iterator[str]:
        """Molecules, whose vapour has energies of its own."""
        yield from super().unsuitable(place)
        symbols = [element.symbol for element in place.config.elements]
        if len(symbols) > 1 or any(element_of(symbol) in _MOLECULAR for symbol in symbols):
            yield sentence(
                f"{place.key} is given where elements lists {', '.join(symbols)}",
                "one element whose vapour is monatomic, such as a noble gas",
                "remove it",
            )

    @classmethod
    def example(cls) -> None:
        return None


class DielectricConstantSettings(JudgingNumber):
    """Static dielectric constant, from the fluctuations of the dipole of whole molecules."""

    at_start: ClassVar[tuple[str, ...]] = ("whole_dipole", "volume")
    surfaces: ClassVar[tuple[str, ...]] = ("dipole",)

    target: PositiveFloat | None = Field(
        None, description="Measured dielectric constant, pure number; null: none.", examples=[78.4]
    )
    eps_infinity: Annotated[float, Field(ge=1.0)] = Field(
        1.0,
        description="Contribution of the electrons: the square of the refractive index for visible light, pure "
        "number.",
        examples=[1.78],
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 78.4, "eps_infinity": 1.78}
