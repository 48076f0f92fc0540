"""What every surface states about itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from dynrefine.config.base import PositiveFloat, Section
from dynrefine.config.data import Element, GivenModel


class SurfaceSettings(Section):
    """What every surface states about itself.

    A potential is either `trained` on the data set of the campaign or starts from the parameters in its settings. It
    may support `mixtures` of elements, or only certain elements (`symbols`), and may serve as other surfaces too
    (`serves_as`).
    """

    trained: ClassVar[bool] = True
    mixtures: ClassVar[bool] = True
    symbols: ClassVar[tuple[str, ...] | None] = None
    serves_as: ClassVar[tuple[str, ...]] = ()

    kind: str = Field(description="Kind of surface.")
    cutoff: PositiveFloat = Field(description="Distance beyond which atoms do not see each other, Å.")
    file: GivenModel | None = Field(
        None,
        description="NPZ file whose parameters are used as they are, instead of training: a path or {url, sha256}. A "
        "campaign or an export must have made it with the same settings and elements. null: none.",
        examples=[None],
    )

    @property
    def is_trained(self) -> bool:
        """Whether the campaign trains it."""
        return self.trained and self.file is None

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters that are single numbers with names: their units by name."""
        return {}

    @property
    def molecule(self) -> Sequence[tuple[str, tuple[float, float, float]]] | None:
        """Symbols and positions (Å) of the molecule that sampling starts from copies of; None: single atoms."""
        return None


def description(settings: SurfaceSettings, elements: Sequence[Element]) -> dict[str, Any]:
    """What the file of a model records of the configuration that made it."""
    own = settings.model_dump(exclude={"file"})
    return {**own, "elements": [element.model_dump() for element in elements]}


def differences(
    found: Mapping[str, Any], settings: SurfaceSettings, elements: Sequence[Element]
) -> Iterator[str]:
    """The differences between the file of a model and the configuration: "cutoff is 5 in the file and 6 in ..."."""
    for name, value in description(settings, elements).items():
        if found.get(name) != value:
            yield f"{name} is {found.get(name)} in the file and {value} in the configuration"
