"""The keys of the configuration, found by walking its models."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import Tag
from pydantic.fields import FieldInfo

from dynrefine.config.base import Section


@dataclass(frozen=True)
class Key:
    """One key: what it means, whether it must be given, and the section beneath it, if any.

    Sections of which one is chosen by its `kind` are reached through entries that stand for the kind.
    """

    field: FieldInfo
    section: type[Section] | None
    is_kind: bool = False

    @property
    def description(self) -> str:
        """What the key means, with its unit."""
        return self.field.description or ""


@cache
def all_keys() -> dict[tuple[str, ...], Key]:
    """Every key by its path; an entry of a list counts as "*"."""
    from dynrefine.config.model import Config

    return dict(_walk(Config, ()))


def section_in(annotation: Any) -> type[Section] | None:
    """The section in an annotation such as list[Section] or Section | None."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(section_in, get_args(annotation))), None)


def kinds_in(annotation: Any) -> dict[str, type[Section]]:
    """The sections of which one is chosen, by their kinds; none where there is no choice."""
    tagged = [get_args(member) for member in get_args(annotation)]
    return {pair[1].tag: pair[0] for pair in tagged if len(pair) == 2 and isinstance(pair[1], Tag)}


def is_list(field: FieldInfo) -> bool:
    """Whether a key holds a list."""
    return getattr(field.annotation, "__origin__", None) is list


def _walk(model: type[Section], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Key]]:
    for name, field in model.model_fields.items():
        section = section_in(field.annotation)
        here = (*path, name)
        yield here, Key(field, section)
        kinds = kinds_in(field.annotation)
        for kind, chosen in kinds.items():
            yield (*here, kind), Key(field, chosen, is_kind=True)
            yield from _walk(chosen, (*here, kind))
        if section and not kinds:
            yield from _walk(section, (*here, "*") if is_list(field) else here)
