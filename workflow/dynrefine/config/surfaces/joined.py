"""Settings of a potential with surfaces that are refined with it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, SerializeAsAny, Tag

from dynrefine.config.data import Element
from dynrefine.config.surfaces import PotentialSettings, surface_settings
from dynrefine.config.surfaces.base import SurfaceSettings

JOINED = "joined"  # the kind of a potential joined with such surfaces


def _as_written(values: Any) -> SurfaceSettings:
    return values if isinstance(values, SurfaceSettings) else surface_settings(values)


class JoinedSettings(SurfaceSettings):
    """A potential and other surfaces, by name; it occurs in steps and files, but not in configurations."""

    kind: Literal["joined"] = "joined"
    surfaces: dict[str, Annotated[SerializeAsAny[SurfaceSettings], BeforeValidator(_as_written)]]

    @classmethod
    def of(cls, surfaces: Mapping[str, SurfaceSettings]) -> "JoinedSettings":
        """Join these surfaces, the potential among them, wherever their parameters come from."""
        own = {name: each.model_copy(update={"file": None}) for name, each in surfaces.items()}
        return cls(cutoff=own["potential"].cutoff, surfaces=own)

    @property
    def parameters(self) -> Mapping[str, str]:
        """Those of the potential."""
        return self.surfaces["potential"].parameters

    @property
    def molecule(self) -> Sequence[tuple[str, tuple[float, float, float]]] | None:
        """That of the potential."""
        return self.surfaces["potential"].molecule


def _kind(values: Any) -> str:
    kind = values.get("kind") if isinstance(values, dict) else values.kind
    return JOINED if kind == JOINED else "single"


SimulatedPotential = Annotated[
    Annotated[JoinedSettings, Tag(JOINED)] | Annotated[PotentialSettings, Tag("single")], Discriminator(_kind)
]


def settings_in_file(description: Mapping[str, Any]) -> tuple[SurfaceSettings, list[Element]]:
    """The settings of a surface or joined potential, and its elements, from the description in a model's file."""
    own = {name: value for name, value in description.items() if name != "elements"}
    elements = [Element.model_validate(element) for element in description["elements"]]
    joined = own.get("kind") == JOINED
    return JoinedSettings.model_validate(own) if joined else surface_settings(own), elements
