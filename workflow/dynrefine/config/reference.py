"""The files made from the models: config/schema.json for editors, config/reference.yaml for people."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from dynrefine.config.base import Section
from dynrefine.config.keys import is_list, kinds_in, section_in
from dynrefine.config.model import Config

COMMAND = "python -m dynrefine.config --write"
_WIDTH = 110


def documents() -> dict[str, str]:
    """The generated files' contents by their names in config/."""
    return {"schema.json": schema_text(), "reference.yaml": reference_text()}


def write_documents(folder: Path) -> None:
    """Write the generated files into `folder`."""
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


def schema_text() -> str:
    """The JSON schema of the configuration."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def reference_text() -> str:
    """A valid configuration that shows every key with its meaning and its default."""
    header = [
        "# yaml-language-server: $schema=schema.json",
        "# Every key with its meaning and its default; a campaign states only what differs.",
        f"# Made by {COMMAND}",
    ]
    return "\n".join([*header, *_section_lines(Config, {}, 0)]) + "\n"


def _section_lines(model: type[Section], example: dict[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in model.model_fields.items():
        required = field.default is PydanticUndefined
        value = example.get(name, _example(field))
        section = section_in(field.annotation)
        kinds = kinds_in(field.annotation)
        if depth == 0:
            yield ""
        note = " Required." if required else ""
        comment = f"{indent}# "
        yield from textwrap.wrap(
            f"{field.description}{note}", _WIDTH, initial_indent=comment, subsequent_indent=comment
        )
        if section is None or _holds_plain_values(value):
            yield f"{indent}{name}: {_scalar(value)}"
        elif value == {} and not field.examples:  # described where it has to be given
            yield f"{indent}{name}: {{}}"
        elif is_list(field):
            yield f"{indent}{name}:"
            yield from _list_lines(section, value or [{}], depth + 1)
        else:
            yield f"{indent}{name}:"
            yield from _section_lines(section, value or {}, depth + 1)
        for other in list(kinds.values())[1:]:
            yield f"{indent}# Or:"
            yield f"{indent}# {name}:"
            yield from (f"{indent}# {line[len(indent) :]}" for line in _section_lines(other, {}, depth + 1))


def _list_lines(section: type[Section], entries: list[dict[str, Any]], depth: int) -> Iterator[str]:
    """The entries of a list; only the first one is commented."""
    for number, entry in enumerate(entries):
        lines = list(_section_lines(section, entry, depth + 1))
        yield from _as_list_entry(lines if number == 0 else _without_comments(lines), depth)


def _holds_plain_values(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(entry, dict) for entry in value)


def _without_comments(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.lstrip().startswith("#")]


def _as_list_entry(lines: list[str], depth: int) -> Iterator[str]:
    """Put the dash of a list before the first key; comments above it keep their place."""
    first_key = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
    for index, line in enumerate(lines):
        yield "  " * depth + "- " + line.lstrip() if index == first_key else line


def _example(field: Any) -> Any:
    """The default in plain types, or the field's example where it has none."""
    if field.examples:
        return _plain(field.examples[0])
    return None if field.default is PydanticUndefined else _plain(field.default)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")
