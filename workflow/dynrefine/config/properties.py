"""Settings of the observables a potential can be refined against: a class and a line in PROPERTIES each."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, Section
from dynrefine.registry import settings_class


class PropertySettings(Section):
    """What every property needs: quantities `along` trajectories and `at_start` of them, and `surfaces`."""

    along: ClassVar[tuple[str, ...]] = ()
    at_start: ClassVar[tuple[str, ...]] = ()
    surfaces: ClassVar[tuple[str, ...]] = ()

    weight: PositiveFloat = Field(1.0, description="Weight in the objective, pure number.")

    @property
    def target_file(self) -> str | None:
        """The file of the measurement, where it is read from one."""
        return None

    @property
    def own_targets(self) -> Mapping[str, Any]:
        """The measurements of states that have their own, by the names of the states."""
        return getattr(self, "targets", {})

    def of_state(self, *names: str) -> Self:
        """The settings of a state, with the measurement that is given under one of its names, if any."""
        own = self.own_targets
        return next((self.model_copy(update={"target": own[name]}) for name in names if name in own), self)

    @property
    def compared_bands(self) -> Sequence["Band"]:
        """The parts of the abscissa that are compared, where they are chosen."""
        return getattr(self, "bands", ())

    @property
    def target_files(self) -> list[str]:
        """The files of all measurements."""
        file = self.target_file
        return [file, *self.own_targets.values()] if file is not None else []

    @classmethod
    def example(cls) -> dict[str, Any] | None:
        """What a campaign writes at least; none of what cannot stand beside the other properties."""
        raise NotImplementedError


class MeasuredCurve(PropertySettings):
    """An observable whose measurement is read from a file."""

    target: str = Field(description="CSV file of the measured property.")
    targets: dict[str, str] = Field(
        {},
        description="Files of states that have measurements of their own, by the names of the states, such as "
        "{350K: file}.",
        examples=[{}],
    )

    @property
    def target_file(self) -> str | None:
        """The file of the measurement."""
        return self.target


class MeasuredNumber(PropertySettings):
    """An observable that is a single number, given with its uncertainty."""

    target: float = Field(description="The measured number, in the unit of the observable.")
    target_error: NonNegativeFloat = Field(0.0, description="Its uncertainty, in the same unit.")
    targets: dict[str, float] = Field(
        {},
        description="Measured numbers of states that have their own, by the names of the states, such as "
        "{350K: 5.1}.",
        examples=[{}],
    )


class Band(Section):
    range: Annotated[list[NonNegativeFloat], Field(min_length=2, max_length=2)] = Field(
        description="First and last wavenumber of the band, cm⁻¹.", examples=[[1000.0, 4000.0]]
    )
    weight: NonNegativeFloat = Field(
        1.0, description="Weight of the band's squared differences, pure number."
    )


class InfraredSettings(MeasuredCurve):
    """Infrared absorption n(ν)α(ν)."""

    along: ClassVar[tuple[str, ...]] = ("dipole_derivative",)
    surfaces: ClassVar[tuple[str, ...]] = ("dipole",)

    window: PositiveFloat = Field(
        400.0,
        description="Longest lag of the dipole correlation, fs; at most twice the trajectory's length.",
    )
    resolution: PositiveFloat = Field(
        20.0, description="Distance of the wavenumbers at which spectra are compared, cm⁻¹."
    )
    bands: Annotated[list[Band], Field(min_length=1)] = Field(
        [Band(range=[100.0, 1000.0], weight=10.0), Band(range=[1000.0, 4000.0], weight=1.0)],
        description="Parts of the spectrum that are compared.",
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": "workflow/data/targets/water_infrared_298K.csv"}


class DiffusionSettings(MeasuredNumber):
    """Self-diffusion coefficient, 1e-9 m²/s, by the Green-Kubo integral."""

    along: ClassVar[tuple[str, ...]] = ("velocities",)

    target: PositiveFloat = Field(description="Measured self-diffusion coefficient, 1e-9 m²/s.")
    element: str = Field(description="Element whose atoms diffuse.")
    window: PositiveFloat = Field(
        1000.0, description="Upper limit of the integral, fs; at most twice the trajectory's length."
    )
    viscosity: PositiveFloat | None = Field(
        None,
        description="Viscosity for the finite-size correction, mPa s; null: the coefficient in the finite cell is "
        "compared with the target.",
        examples=[0.89],
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 2.299, "element": "O", "window": 400.0}


class PressureSettings(MeasuredNumber):
    """Pressure at the state's density, bar; where it is as measured, so is the density at that pressure."""

    at_start: ClassVar[tuple[str, ...]] = ("virial_pressure",)

    target: float = Field(description="Measured pressure at the state's temperature and density, bar.")
    scale: PositiveFloat = Field(
        description="Difference that counts as a loss of one, bar; with the bulk modulus of the liquid the loss "
        "is the squared relative difference of its density."
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 1.0, "scale": 22000.0}


class ScaledNumber(MeasuredNumber):
    """A number whose relative difference from the measured one is counted in units of a scale."""

    scale: PositiveFloat = Field(
        1.0, description="Relative difference that counts as a loss of one, pure number.", examples=[0.01]
    )


class AtConstantPressure(ScaledNumber):
    """A property that is known where the pressure is held, not where the density is."""

    @classmethod
    def example(cls) -> None:
        return None


class DensitySettings(AtConstantPressure):
    """Mass density at the state's pressure, g/cm³; needs ensemble.kind: isobaric."""

    at_start: ClassVar[tuple[str, ...]] = ("density",)

    target: PositiveFloat = Field(description="Measured density, g/cm³.", examples=[0.997])


class FluctuationSettings(ScaledNumber):
    """What properties from fluctuations of volume and enthalpy need."""

    at_start: ClassVar[tuple[str, ...]] = ("potential_energy", "volume")

    quantum_correction: float = Field(
        0.0,
        description="Added to the simulated value, whose nuclei are classical, before it is compared; in the unit "
        "of the property.",
    )


class CompressibilitySettings(AtConstantPressure, FluctuationSettings):
    """Isothermal compressibility, 1e-6/bar; needs ensemble.kind: isobaric."""

    target: PositiveFloat = Field(description="Measured compressibility, 1e-6/bar.", examples=[45.25])


class ThermalExpansionSettings(AtConstantPressure, FluctuationSettings):
    """Thermal expansion, 1e-3/K; needs ensemble.kind: isobaric."""

    target: float = Field(description="Measured expansion, 1e-3/K.", examples=[0.257])


class HeatCapacitySettings(FluctuationSettings):
    """Heat capacity, kJ/(kg K), at constant pressure where ensemble.kind is isobaric, else at constant volume."""

    target: PositiveFloat = Field(description="Measured heat capacity, kJ/(kg K).")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 4.138}


class VaporisationEnthalpySettings(ScaledNumber):
    """Enthalpy of vaporisation of a liquid of single atoms, kJ/mol."""

    at_start: ClassVar[tuple[str, ...]] = ("potential_energy",)

    target: PositiveFloat = Field(description="Measured enthalpy of vaporisation, kJ/mol.", examples=[6.211])
    gas_energy: float = Field(0.0, description="Potential energy of an atom in the gas, eV.")

    @classmethod
    def example(cls) -> None:
        return None


PROPERTIES: dict[str, type[PropertySettings]] = {
    "infrared": InfraredSettings,
    "diffusion": DiffusionSettings,
    "pressure": PressureSettings,
    "density": DensitySettings,
    "compressibility": CompressibilitySettings,
    "thermal_expansion": ThermalExpansionSettings,
    "heat_capacity": HeatCapacitySettings,
    "vaporisation_enthalpy": VaporisationEnthalpySettings,
}


class _Observables(Section):
    _outside: dict[str, PropertySettings] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _read_those_outside(cls, values: Any, handler: ModelWrapValidatorHandler) -> Any:
        """Names with a dot are of properties outside the library, whose settings have a class of their own."""
        if not isinstance(values, dict):
            return handler(values)
        outside = {name: each for name, each in values.items() if "." in str(name)}
        result = handler({name: each for name, each in values.items() if name not in outside})
        for name, each in outside.items():
            result._outside[name] = settings_class("properties", name).model_validate(each)
        return result

    def chosen(self) -> dict[str, PropertySettings]:
        """The settings of the observables this campaign fits, by their names."""
        return {name: settings for name, settings in self if settings is not None} | self._outside

    @model_serializer(mode="wrap")
    def _without_absent(self, serialise: SerializerFunctionWrapHandler) -> dict:
        """Leave out what is not fitted, so that an observable added to the registry changes no campaign."""
        own = {name: settings for name, settings in serialise(self).items() if settings is not None}
        return own | {name: settings.model_dump() for name, settings in self._outside.items()}


if TYPE_CHECKING:
    Observables = _Observables  # a class that is made at run time is no type to a checker
else:
    Observables = create_model(
        "Observables",
        __base__=_Observables,
        **{
            name: (
                settings | None,
                Field(
                    None, description=f"{settings.__doc__} Absent: not fitted.", examples=[settings.example()]
                ),
            )
            for name, settings in PROPERTIES.items()
        },
    )
