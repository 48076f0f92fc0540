"""What all sections of the configuration share."""

from typing import Annotated

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
    """A section of the configuration: unchangeable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def sentence(found: str, expected: str, remedy: str) -> str:
    """What is said of a setting that does not suit: what was found, what was expected, what helps."""
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
    "sentence",
]
