"""The keys of the configuration, found by walking its models."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic.fields import FieldInfo

from dynrefine.config.base import Section


@dataclass(frozen=True)
class Key:
    """One key: what it means, whether it must be given, and the section beneath it, if any."""

    field: FieldInfo
    section: type[Section] | None

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


def is_list(field: FieldInfo) -> bool:
    """Whether a key holds a list."""
    return getattr(field.annotation, "__origin__", None) is list


def _walk(model: type[Section], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Key]]:
    for name, field in model.model_fields.items():
        section = section_in(field.annotation)
        here = (*path, name)
        yield here, Key(field, section)
        if section:
            yield from _walk(section, (*here, "*") if is_list(field) else here)
