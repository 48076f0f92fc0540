"""Settings of the properties that can be fitted or validated: one class and one line in PROPERTIES each."""

import re
from typing import TYPE_CHECKING, Any, Self

from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
    model_validator,
)

from dynrefine.config.base import Section
from dynrefine.config.properties.base import PropertySettings
from dynrefine.config.properties.scattering import IntermediateScatteringSettings, VanHoveSettings
from dynrefine.config.properties.spectra import InfraredSettings, RamanSettings, VibrationsSettings
from dynrefine.config.properties.structure import RadialDistributionSettings, StructureFactorSettings
from dynrefine.config.properties.thermodynamics import (
    CompressibilitySettings,
    DensitySettings,
    DielectricConstantSettings,
    HeatCapacitySettings,
    PressureSettings,
    ThermalExpansionSettings,
    VaporisationEnthalpySettings,
)
from dynrefine.config.properties.transport import (
    ConductivitySettings,
    DiffusionSettings,
    EinsteinDiffusionSettings,
    ViscositySettings,
)
from dynrefine.errors import CampaignError
from dynrefine.registry import settings_class

PROPERTIES: dict[str, type[PropertySettings]] = {
    "infrared": InfraredSettings,
    "raman": RamanSettings,
    "diffusion": DiffusionSettings,
    "einstein_diffusion": EinsteinDiffusionSettings,
    "viscosity": ViscositySettings,
    "conductivity": ConductivitySettings,
    "pressure": PressureSettings,
    "density": DensitySettings,
    "compressibility": CompressibilitySettings,
    "thermal_expansion": ThermalExpansionSettings,
    "heat_capacity": HeatCapacitySettings,
    "vaporisation_enthalpy": VaporisationEnthalpySettings,
    "rdf": RadialDistributionSettings,
    "structure_factor": StructureFactorSettings,
    "intermediate_scattering": IntermediateScatteringSettings,
    "van_hove": VanHoveSettings,
    "dielectric_constant": DielectricConstantSettings,
    "vibrations": VibrationsSettings,
}


def _with_named(schema: dict[str, Any]) -> None:
    """Allow sections with names of their own in the schema for editors, each checked against its `kind`."""
    of_kinds = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": field["anyOf"][0]}
        for kind, field in schema["properties"].items()
    ]
    schema["patternProperties"] = {r"\.": {"type": "object"}}  # the dotted name of an outside module
    schema["additionalProperties"] = {"type": "object", "required": ["kind"], "allOf": of_kinds}


class _Observables(Section):
    model_config = ConfigDict(json_schema_extra=_with_named)

    _named: dict[str, PropertySettings] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _read_the_named(cls, values: Any, handler: ModelWrapValidatorHandler) -> Any:
        """Read sections with names of their own: with a `kind`, or called by the dotted name of an outside module."""
        if not isinstance(values, dict):
            return handler(values)
        named = {
            str(name): each
            for name, each in values.items()
            if "." in str(name) or (isinstance(each, dict) and each.get("kind") is not None)
        }
        result = handler({name: each for name, each in values.items() if str(name) not in named})
        # fields by number, since a property's name may clash with an attribute of models
        fields: dict[str, Any] = {
            f"named_{index}": (_settings_of(name, each), Field(alias=name))
            for index, (name, each) in enumerate(named.items())
        }
        read = create_model("Named", __base__=Section, **fields).model_validate(named)
        result._named.update(zip(named, dict(read).values(), strict=True))
        return result

    def chosen(self) -> dict[str, PropertySettings]:
        """The settings of the properties that are given, by name."""
        return {name: settings for name, settings in self if settings is not None} | self._named

    def without_synthetic(self) -> Self:
        """The same properties, without the targets that a teacher makes."""
        own = {name: each.model_copy(update={"synthetic": False}) for name, each in self.chosen().items()}
        copied = self.model_copy(update={name: own[name] for name, each in self if each is not None})
        copied._named = {name: own[name] for name in self._named}
        return copied

    @model_serializer(mode="wrap")
    def _without_absent(self, serialise: SerializerFunctionWrapHandler) -> dict:
        """Leave out absent properties, so that a new one in the registry changes no campaign."""
        own = {name: settings for name, settings in serialise(self).items() if settings is not None}
        return own | {name: settings.model_dump() for name, settings in self._named.items()}


def _settings_of(name: str, section: Any) -> type[PropertySettings]:
    """The class of the settings of a section.

    Raises:
        CampaignError: its name cannot be part of a file name, or there is no such module.
        ValidationError: there is no such property.
    """
    if not re.fullmatch(r"[\w.-]+", name):
        raise CampaignError(
            f"a property is called '{name}', expected letters, digits and any of _.- in its name: rename it."
        )
    kind = (section.get("kind") if isinstance(section, dict) else None) or name
    if kind in PROPERTIES:
        return PROPERTIES[kind]
    if "." not in str(kind):
        expected = f"one of {', '.join(PROPERTIES)} or the dotted name of a module outside the library"
        problem: Any = {
            "type": "literal_error",
            "loc": (name, "kind"),
            "input": kind,
            "ctx": {"expected": expected},
        }
        raise ValidationError.from_exception_data("Observables", [problem])
    return settings_class("properties", kind)


if TYPE_CHECKING:
    Observables = _Observables  # type checkers do not accept a class made at run time
else:
    Observables = create_model(
        "Observables",
        __base__=_Observables,
        **{
            name: (
                settings | None,
                Field(
                    None, description=f"{settings.__doc__} Absent: left out.", examples=[settings.example()]
                ),
            )
            for name, settings in PROPERTIES.items()
        },
    )
