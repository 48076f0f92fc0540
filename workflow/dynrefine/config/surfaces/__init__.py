"""Settings of the potential and of other surfaces: one class and one line in one of two unions each."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, SerializeAsAny, Tag, TypeAdapter

from dynrefine.config.base import Section
from dynrefine.config.data import DatasetSettings
from dynrefine.config.surfaces.base import SurfaceSettings
from dynrefine.config.surfaces.embedded_atoms import (
    DipoleSettings,
    EmbeddedAtomSettings,
    PolarizabilitySettings,
)
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.config.surfaces.nequix import NequixSettings
from dynrefine.config.surfaces.training import TrainingSettings
from dynrefine.registry import settings_class

OUTSIDE = "the dotted name of a module outside the library"


def _kind(values: Any) -> str:
    kind = values.get("kind", "eann") if isinstance(values, dict) else getattr(values, "kind", "eann")
    return OUTSIDE if "." in str(kind) else str(kind)


def _with_own_settings(values: Any) -> Any:
    """The settings of a surface outside the library, read by their own class."""
    if isinstance(values, SurfaceSettings):
        return values
    return settings_class("surfaces", values["kind"]).model_validate(values)


SurfaceOutside = Annotated[SerializeAsAny[SurfaceSettings], BeforeValidator(_with_own_settings), Tag(OUTSIDE)]
PotentialSettings = Annotated[
    Annotated[EmbeddedAtomSettings, Tag("eann")]
    | Annotated[LennardJonesSettings, Tag("lennard_jones")]
    | Annotated[FlexibleWaterSettings, Tag("flexible_water")]
    | Annotated[NequixSettings, Tag("nequix")]
    | SurfaceOutside,
    Discriminator(_kind),
]
OtherSurface = Annotated[
    Annotated[DipoleSettings, Tag("dipole")]
    | Annotated[PolarizabilitySettings, Tag("polarizability")]
    | SurfaceOutside,
    Discriminator(_kind),
]


def surface_settings(values: Mapping[str, Any]) -> SurfaceSettings:
    """The settings of a surface of any kind, from the file of a model."""
    return TypeAdapter(PotentialSettings | OtherSurface).validate_python(dict(values))


SurfaceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class TrainedSurface(Section):
    surface: OtherSurface = Field(
        description="Kind of the surface (for one outside the library, the dotted name of its module) and its "
        "settings."
    )
    training: TrainingSettings = Field(
        TrainingSettings(), description="Training of the surface on the frames."
    )
    task: str | None = Field(
        None,
        description="What the surface is fitted to: a module of dynrefine.training, or the dotted name of another "
        "module; null: the module with the name of the surface.",
    )
    dataset: DatasetSettings | None = Field(
        None, description="Ab initio frames of the surface; null: those of the campaign."
    )
