"""The files made from the models: config/schema.json for editors and config/reference.yaml for readers."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dynrefine.config.keys import Schema, kind_of, schema, sections_in
from dynrefine.config.surfaces import OUTSIDE

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
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema()}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def reference_text() -> str:
    """A valid configuration that shows every key with its meaning and its default."""
    header = [
        "# yaml-language-server: $schema=schema.json",
        "# Every key with its meaning and its default; a campaign states only what differs.",
        f"# Made by {COMMAND}",
    ]
    return "\n".join([*header, *_section_lines(schema(), {}, 0)]) + "\n"


def _section_lines(section: Schema, example: dict[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in section["properties"].items():
        sections = [each for each in sections_in(field) if not _is_outside(each)]
        first, others = sections[0] if sections else None, sections[1:]
        value = example.get(name, field["examples"][0] if "examples" in field else field.get("default"))
        if depth == 0:
            yield ""
        note = " Required." if name in section.get("required", ()) else ""
        comment = f"{indent}# "
        yield from textwrap.wrap(
            f"{field['description']}{note}", _WIDTH, initial_indent=comment, subsequent_indent=comment
        )
        if field.get("examples") == [None] and first is not None:
            yield f"{indent}{name}: null"
            others = [first]
        elif first is None or _holds_plain_values(value):
            yield f"{indent}{name}: {_scalar(value)}"
        elif value == {} and "examples" not in field:  # described where it must be given
            yield f"{indent}{name}: {{}}"
        elif "items" in field:
            yield f"{indent}{name}:"
            yield from _list_lines(first, value or [{}], depth + 1)
        else:
            yield f"{indent}{name}:"
            yield from _section_lines(first, value or {}, depth + 1)
        for other in others:
            yield f"{indent}# Or:"
            yield f"{indent}# {name}:"
            yield from (f"{indent}# {line[len(indent) :]}" for line in _section_lines(other, {}, depth + 1))


def _list_lines(section: Schema, entries: list[dict[str, Any]], depth: int) -> Iterator[str]:
    """The entries of a list; only the first one is commented."""
    for number, entry in enumerate(entries):
        lines = list(_section_lines(section, entry, depth + 1))
        yield from _as_list_entry(lines if number == 0 else _without_comments(lines), depth)


def _is_outside(section: Schema) -> bool:
    return "kind" in section["properties"] and kind_of(section) == OUTSIDE


def _holds_plain_values(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(entry, dict) for entry in value)


def _without_comments(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.lstrip().startswith("#")]


def _as_list_entry(lines: list[str], depth: int) -> Iterator[str]:
    """Put the dash of a list before the first key; comments above it keep their place."""
    first_key = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
    for index, line in enumerate(lines):
        yield "  " * depth + "- " + line.lstrip() if index == first_key else line


def _scalar(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")
