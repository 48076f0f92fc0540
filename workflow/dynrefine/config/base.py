"""What all sections of the configuration share."""

from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)


class Section(BaseModel):
    """A section of the configuration: immutable, and strict about its keys."""

    # Built when first used, since a job uses only a few of the sections.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @classmethod
    def model_rebuild(cls, *, force: bool = False, raise_errors: bool = True, **_: Any) -> bool | None:
        """Build it without the caller's local names, since reading those can crash Python 3.13.0 to 3.13.2.

        See python/cpython issue 128396.
        """
        return super().model_rebuild(force=force, raise_errors=raise_errors, _types_namespace={})


class TrainableSettings(Section):
    trainable: list[str] = Field(
        [],
        description="Patterns of parameter names (as in files), such as layers/*. Parameters that match one are "
        "free, unless they also match a pattern after an exclamation mark, such as !center*; all others stay fixed. "
        "Without patterns, or with exclamation marks alone, every parameter that is not excluded is free.",
        examples=[[]],
    )

    def frees(self, name: str) -> bool:
        """Whether `trainable` leaves the parameters of this name free."""
        excluding = [pattern[1:] for pattern in self.trainable if pattern.startswith("!")]
        choosing = [pattern for pattern in self.trainable if not pattern.startswith("!")] or ["*"]
        return any(fnmatchcase(name, pattern) for pattern in choosing) and not any(
            fnmatchcase(name, pattern) for pattern in excluding
        )


def sentence(found: str, expected: str, remedy: str) -> str:
    """The message about an unsuitable setting: what was found, what was expected, and the remedy."""
    return f"{found}, expected {expected}: {remedy}."


Fraction = Annotated[float, Field(gt=0, lt=1)]
Layers = Annotated[list[PositiveInt], Field(min_length=1)]
Repeats = Annotated[list[PositiveInt], Field(min_length=3, max_length=3)]

__all__ = [
    "Fraction",
    "Layers",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveFloat",
    "PositiveInt",
    "Repeats",
    "Section",
    "TrainableSettings",
    "sentence",
]
