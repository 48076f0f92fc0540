"""Settings of the observables a potential can be refined against: a class and a line in PROPERTIES each."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

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
from dynrefine.errors import CampaignError
from dynrefine.registry import settings_class

FINEST_BIN, FARTHEST = 0.01, 15.0  # Å: how the distances of pairs are counted
Range = Annotated[list[NonNegativeFloat], Field(min_length=2, max_length=2)]


class PropertySettings(Section):
    """What every property needs: quantities `along` trajectories and `at_start` of them, and `surfaces`."""

    along: ClassVar[tuple[str, ...]] = ()
    at_start: ClassVar[tuple[str, ...]] = ()
    surfaces: ClassVar[tuple[str, ...]] = ()
    whole_window: ClassVar[bool] = False  # whether it needs the last lag too: no taper takes its weight

    kind: str | None = Field(
        None,
        description="The property, where its section has another name: so one may stand there several times.",
    )
    weight: PositiveFloat = Field(1.0, description="Weight in the objective, pure number.")

    @property
    def family(self) -> str | None:
        """What it measures, where other properties measure the same."""
        return None

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements that it names."""
        return ()

    @property
    def target_file(self) -> str | None:
        """The file of the measurement, where it is read from one."""
        return None

    @property
    def is_measured(self) -> bool:
        """Whether there is a measurement; without one a property can judge, but not be fitted."""
        return getattr(self, "target", None) is not None

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


class JudgingCurve(PropertySettings):
    """A curve, whose measurement is read from a file; without one it can judge, but not be fitted."""

    target: str | None = Field(
        None, description="CSV file of the measured property; null: none.", examples=[None]
    )
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


class MeasuredCurve(JudgingCurve):
    """One that makes no sense without a measurement."""

    target: str = Field(description="CSV file of the measured property.")


class JudgingNumber(PropertySettings):
    """A single number, measured with its uncertainty; without that it can judge, but not be fitted."""

    target: float | None = Field(
        None, description="The measured number, in the unit of the property; null: none.", examples=[None]
    )
    target_error: NonNegativeFloat = Field(0.0, description="Its uncertainty, in the same unit.")
    targets: dict[str, float] = Field(
        {},
        description="Measured numbers of states that have their own, by the names of the states, such as "
        "{350K: 5.1}.",
        examples=[{}],
    )


class MeasuredNumber(JudgingNumber):
    """One that makes no sense without a measurement."""

    target: float = Field(description="The measured number, in the unit of the observable.")


class Band(Section):
    range: Range = Field(
        description="First and last wavenumber of the band, cm⁻¹.", examples=[[1000.0, 4000.0]]
    )
    weight: NonNegativeFloat = Field(
        1.0, description="Weight of the band's squared differences, pure number."
    )


class Bands(Section):
    """Spectra that are compared band by band."""

    window: PositiveFloat = Field(
        400.0,
        description="Longest lag of the correlation, fs; at most twice the trajectory's length.",
    )
    resolution: PositiveFloat = Field(
        20.0, description="Distance of the wavenumbers at which spectra are compared, cm⁻¹."
    )
    bands: Annotated[list[Band], Field(min_length=1)] = Field(
        [Band(range=[100.0, 1000.0], weight=10.0), Band(range=[1000.0, 4000.0], weight=1.0)],
        description="Parts of the spectrum that are compared.",
    )


class InfraredSettings(Bands, MeasuredCurve):
    """Infrared absorption n(ν)α(ν)."""

    along: ClassVar[tuple[str, ...]] = ("dipole_derivative",)
    surfaces: ClassVar[tuple[str, ...]] = ("dipole",)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": "workflow/data/targets/water_infrared_298K.csv"}


class RamanSettings(Bands, JudgingCurve):
    """Raman spectrum, in shape."""

    along: ClassVar[tuple[str, ...]] = ("polarizability_derivative",)
    surfaces: ClassVar[tuple[str, ...]] = ("polarizability",)

    component: Literal["isotropic", "vv", "vh", "unpolarised"] = Field(
        "unpolarised",
        description="What is seen between polarisers: isotropic, vv (parallel), vh (crossed) or unpolarised, the sum "
        "of both.",
    )
    form: Literal["reduced", "stokes"] = Field(
        "reduced",
        description="What the measured intensities are: reduced, or as they are counted (stokes), to be multiplied "
        "by ν (1 - exp(-hcν/kT))/(ν₀ - ν)⁴.",
    )
    laser: PositiveFloat = Field(532.0, description="Wavelength of the light, for stokes, nm.")

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": "raman.csv", "bands": [{"range": [2800.0, 3800.0]}]}


class DiffusionSettings(JudgingNumber):
    """Self-diffusion coefficient, 1e-9 m²/s, by the Green-Kubo integral."""

    along: ClassVar[tuple[str, ...]] = ("velocities",)
    whole_window: ClassVar[bool] = True

    target: PositiveFloat | None = Field(
        None, description="Measured self-diffusion coefficient, 1e-9 m²/s; null: none.", examples=[2.299]
    )
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

    @property
    def family(self) -> str:
        """Self-diffusion, however it is computed."""
        return f"self-diffusion of {self.element}"

    @property
    def elements(self) -> tuple[str, ...]:
        """The one that diffuses."""
        return (self.element,)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 2.299, "element": "O", "window": 300.0}


class EinsteinDiffusionSettings(DiffusionSettings):
    """Self-diffusion coefficient, 1e-9 m²/s, by the slope of the mean square displacement."""

    window: PositiveFloat = Field(
        1000.0,
        description="Longest lag, fs, at most twice the trajectory's length; the slope is that of its second half.",
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 2.299, "element": "O", "window": 40.0}


class ViscositySettings(JudgingNumber):
    """Shear viscosity, mPa s, by the Green-Kubo integral."""

    along: ClassVar[tuple[str, ...]] = ("stress",)
    whole_window: ClassVar[bool] = True

    target: PositiveFloat | None = Field(
        None, description="Measured shear viscosity, mPa s; null: none.", examples=[0.89]
    )
    window: PositiveFloat = Field(
        2000.0,
        description="Longest lag of the stress autocorrelation, fs; at most twice the trajectory's length.",
    )
    limit: PositiveFloat | Literal["auto"] = Field(
        "auto",
        description="Upper limit of the integral, fs; at most the window. auto: the first from which on nothing that "
        "the rest of the window adds is larger than its standard error.",
    )

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"target": 0.89, "window": 300.0}


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


class RadialDistributionSettings(JudgingCurve):
    """Radial distribution function g(r) of a pair of elements."""

    at_start: ClassVar[tuple[str, ...]] = ("pair_distributions",)

    pair: Annotated[list[str], Field(min_length=2, max_length=2)] = Field(
        description="The two elements.", examples=[["O", "O"]]
    )
    longest: Annotated[float, Field(gt=0.0, le=FARTHEST)] = Field(
        6.0, description="Longest distance, Å; at most one and a half widths of the cell."
    )
    bin: PositiveFloat = Field(0.1, description="Width of the bins, Å; a multiple of 0.01 Å.")
    range: Range | None = Field(
        None,
        description="First and last distance that count in the loss, Å; null: all that were measured.",
        examples=[[2.35, 6.0]],
    )

    @property
    def elements(self) -> tuple[str, ...]:
        """The pair."""
        return tuple(self.pair)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"pair": ["O", "O"], "target": "workflow/data/targets/water_rdf_OO_295K.csv"}


class StructureFactorSettings(JudgingCurve):
    """Structure factor S(Q), or interference function F(Q), of neutron or X-ray diffraction."""

    at_start: ClassVar[tuple[str, ...]] = ("pair_distributions",)

    radiation: Literal["neutron", "xray"] = Field(
        "neutron",
        description="Whether neutrons or X-rays are scattered: by tabulated coherent scattering lengths, or by the "
        "form factors of free atoms.",
    )
    normalised: bool = Field(
        True,
        description="true: S(Q), which tends to 1, relative to the squared mean of the scattering lengths or form "
        "factors; false: F(Q), which tends to 0, in barn per steradian and atom for neutrons, in squared electrons "
        "per atom for X-rays.",
    )
    lengths: dict[str, float] = Field(
        {},
        description="Coherent neutron scattering lengths by element, fm, such as {Ar: 24.9} of 36Ar; others are of "
        "the natural element.",
        examples=[{}],
    )
    longest: Annotated[float, Field(gt=0.0, le=FARTHEST)] | None = Field(
        None, description="Distance at which g(r) - 1 is cut off, Å; null: half the width of the cell."
    )
    modification: Literal["lorch", "none"] = Field(
        "lorch",
        description="What g(r) - 1 is multiplied by before its transform: sin(x)/x with x = πr/longest, or nothing. "
        "The measured function is cut off and multiplied alike.",
    )
    range: Range = Field([1.5, 10.0], description="First and last Q that are compared, 1/Å.")
    resolution: PositiveFloat = Field(0.1, description="Distance of the Q that are compared, 1/Å.")

    @property
    def elements(self) -> tuple[str, ...]:
        """Those whose scattering lengths are given."""
        return tuple(self.lengths)

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {
            "target": "workflow/data/targets/water_neutron_D2O_298K.csv",
            "normalised": False,
            "lengths": {"H": 6.671},
        }


class VibrationsSettings(JudgingCurve):
    """Vibrational density of states, by the velocity autocorrelation."""

    along: ClassVar[tuple[str, ...]] = ("velocities",)

    element: str | None = Field(
        None, description="Element whose atoms vibrate; null: all atoms.", examples=["H"]
    )
    window: PositiveFloat = Field(
        400.0, description="Longest lag of the correlation, fs; at most twice the trajectory's length."
    )
    resolution: PositiveFloat = Field(20.0, description="Distance of the wavenumbers, cm⁻¹.")
    range: Range = Field([0.0, 4000.0], description="First and last wavenumber, cm⁻¹.")

    @property
    def elements(self) -> tuple[str, ...]:
        """The one that vibrates, if it is one."""
        return (self.element,) if self.element is not None else ()

    @classmethod
    def example(cls) -> dict[str, Any]:
        return {"element": "H", "target": "vibrations.csv"}


PROPERTIES: dict[str, type[PropertySettings]] = {
    "infrared": InfraredSettings,
    "raman": RamanSettings,
    "diffusion": DiffusionSettings,
    "einstein_diffusion": EinsteinDiffusionSettings,
    "viscosity": ViscositySettings,
    "pressure": PressureSettings,
    "density": DensitySettings,
    "compressibility": CompressibilitySettings,
    "thermal_expansion": ThermalExpansionSettings,
    "heat_capacity": HeatCapacitySettings,
    "vaporisation_enthalpy": VaporisationEnthalpySettings,
    "rdf": RadialDistributionSettings,
    "structure_factor": StructureFactorSettings,
    "vibrations": VibrationsSettings,
}


class _Observables(Section):
    _named: dict[str, PropertySettings] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _read_the_named(cls, values: Any, handler: ModelWrapValidatorHandler) -> Any:
        """Sections under names of their own: of a `kind`, or with the dotted name of a module outside."""
        if not isinstance(values, dict):
            return handler(values)
        named = {
            str(name): each
            for name, each in values.items()
            if "." in str(name) or (isinstance(each, dict) and each.get("kind") is not None)
        }
        result = handler({name: each for name, each in values.items() if str(name) not in named})
        fields: dict[str, Any] = {name: (_settings_of(name, each), ...) for name, each in named.items()}
        read = create_model("Named", __base__=Section, **fields).model_validate(named)
        result._named.update({name: getattr(read, name) for name in named})
        return result

    def chosen(self) -> dict[str, PropertySettings]:
        """The settings of the observables this campaign fits, by their names."""
        return {name: settings for name, settings in self if settings is not None} | self._named

    @model_serializer(mode="wrap")
    def _without_absent(self, serialise: SerializerFunctionWrapHandler) -> dict:
        """Leave out what is not fitted, so that an observable added to the registry changes no campaign."""
        own = {name: settings for name, settings in serialise(self).items() if settings is not None}
        return own | {name: settings.model_dump() for name, settings in self._named.items()}


def _settings_of(name: str, section: Any) -> type[PropertySettings]:
    """The class of the settings of a section.

    Raises:
        CampaignError: there is no such property, or its name cannot stand in files.
    """
    if not re.fullmatch(r"[\w.-]+", name):
        raise CampaignError(
            f"a property is called '{name}', expected letters, digits and any of _.- in its name: rename it."
        )
    kind = (section.get("kind") if isinstance(section, dict) else None) or name
    if kind in PROPERTIES:
        return PROPERTIES[kind]
    if "." not in str(kind):
        raise CampaignError(
            f"{name}.kind is '{kind}', expected one of {', '.join(PROPERTIES)} or the dotted name of a module "
            "outside the library: correct it."
        )
    return settings_class("properties", kind)


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
