"""The keys of the configuration, from the JSON schema of its models."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from dynrefine.config.model import Config
from dynrefine.config.surfaces import OUTSIDE

Schema = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """One key: its part of the schema.

    Sections of which one is chosen by its `kind` are reached through entries that stand for the kind.
    """

    field: Schema
    is_kind: bool = False

    @property
    def description(self) -> str:
        """What the key means, with its unit."""
        return self.field.get("description", "")


@cache
def schema() -> Schema:
    """The JSON schema of the configuration."""
    return Config.model_json_schema()


@cache
def all_keys() -> dict[tuple[str, ...], Key]:
    """Every key by its path; an entry of a list counts as "*"."""
    return dict(_walk(schema(), ()))


def sections_in(field: Schema) -> list[Schema]:
    """The sections a key may hold, itself or as entries of a list; several where one is chosen by its kind."""
    if "$ref" in field:
        field = schema()["$defs"][field["$ref"].rpartition("/")[2]]
    if "properties" in field:
        return [field]
    choices = [*field.get("anyOf", ()), *field.get("oneOf", ()), field.get("items", {})]
    return [section for choice in choices for section in sections_in(choice)] if any(choices) else []


def kind_of(section: Schema) -> str:
    """The kind of a section of which one is chosen."""
    kind = section["properties"]["kind"]
    return kind.get("const", kind.get("default", OUTSIDE))


def _walk(section: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Key]]:
    for name, field in section["properties"].items():
        here = (*path, name)
        yield here, Key(field)
        inner = sections_in(field)
        for each in inner:
            below = (*here, "*") if "items" in field else here
            if len(inner) > 1:
                below = (*here, kind_of(each))
                yield below, Key(field, is_kind=True)
            yield from _walk(each, below)
