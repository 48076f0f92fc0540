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

    Where `kind` chooses between sections, each is reached through an entry that stands for its kind.
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
    """Every key by its path; "*" stands for the entries of a list and for those with names of their own."""
    return dict(_walk(schema(), ()))


def as_keys(location: tuple[str | int, ...]) -> tuple[str, ...]:
    """A place in a configuration as a path of `all_keys`, with "*" for entries."""
    found: tuple[str, ...] = ()
    for part in location:
        entry = (*found, "*")
        found = entry if entry in all_keys() else (*found, str(part))
    return found


def sections_in(field: Schema) -> list[Schema]:
    """The sections a key may hold, itself or as its entries; several if `kind` chooses between them."""
    if "$ref" in field:
        field = schema()["$defs"][field["$ref"].rpartition("/")[2]]
    if "properties" in field:
        return [field]
    choices = [*field.get("anyOf", ()), *field.get("oneOf", ()), entries_of(field)]
    return [section for choice in choices for section in sections_in(choice)] if any(choices) else []


def entries_of(field: Schema) -> Schema:
    """The schema of the entries of a list, or of those with names of their own; empty if there are none."""
    named = field.get("patternProperties", {}).values()
    return next(iter(named), field.get("items", {}))


def kind_of(section: Schema) -> str:
    """The kind of one of the sections that `kind` chooses between."""
    kind = section["properties"]["kind"]
    return kind.get("const", kind.get("default", OUTSIDE))


def _walk(section: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Key]]:
    for name, field in section["properties"].items():
        here = (*path, name)
        yield here, Key(field)
        inner = sections_in(field)
        for each in inner:
            below = here
            if entries_of(field):
                below = (*here, "*")
                yield below, Key(field)
            if len(inner) > 1:
                below = (*here, kind_of(each))
                yield below, Key(field, is_kind=True)
            yield from _walk(each, below)
