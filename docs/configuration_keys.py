"""The keys of the configuration as a page of the documentation, from the JSON schema of the models."""

import json
import re
from collections.abc import Iterator
from typing import Any

from dynrefine.config.keys import Schema, entries_of, kind_of, schema, sections_in

# By the words of JSON Schema.
WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true` or `false`",
    "null": "`null`",
    "object": "section",
}
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def page() -> str:
    """The sections of the configuration with all their keys, in MyST."""
    seen: set[str] = set()
    lines = []
    for name, field in schema()["properties"].items():
        lines += [f"## {name}", ""]
        if sections_in(field):
            default = (
                f" Default: {_plain(field['default'])}." if entries_of(field) and "default" in field else ""
            )
            lines += [_text(field["description"]) + default, "", *_section(name, field, seen)]
        else:
            lines += _key(name, field, name in schema()["required"], seen)
    return "\n".join(lines)


def _section(path: str, field: Schema, seen: set[str]) -> Iterator[str]:
    """The keys of a section, of the entries of a list of sections, or of each of several kinds of it."""
    kinds = sections_in(field)
    for kind in kinds:
        if len(kinds) > 1:
            yield from (f"### {path}, kind: {kind_of(kind)}", "")
        inside = f"{path}[]" if "items" in field else f"{path}.*" if entries_of(field) else path
        required = kind.get("required", [])
        for name, each in kind["properties"].items():
            yield from _key(f"{inside}.{name}", each, name in required, seen)
            if sections_in(each):
                yield from _section(f"{inside}.{name}", each, seen)


def _key(path: str, field: Schema, required: bool, seen: set[str]) -> Iterator[str]:
    """A key with its type, default and meaning."""
    yield f"```{{confval}} {path}"
    if path in seen:
        yield ":no-index:"
    seen.add(path)
    yield f":type: {_type(field)}" + (", required" if required else "")
    if "default" in field and (entries_of(field) or not sections_in(field)):
        yield f":default: {_plain(field['default'])}"
    yield from ("", _text(field["description"]), "```", "")


def _text(description: str) -> str:
    """A description whose signs mean themselves."""
    return re.sub(r"([\\`*_<>{}$])", r"\\\1", description)


def _plain(value: Any) -> str:
    """A value as it may stand in the file."""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _type(field: Schema) -> str:
    """The values a key may have, in words."""
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if "$ref" in field:
        return _type(schema()["$defs"][field["$ref"].rpartition("/")[2]])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return _list(field, _type(field["items"]))
    if isinstance(field.get("additionalProperties"), dict):
        return f"{_type(field['additionalProperties'])} by name"
    limits = [text.format(f"{field[word]:g}") for word, text in LIMITS.items() if word in field]
    return " ".join([WORDS[field["type"]], " and ".join(limits)]).strip()


def _list(field: Schema, entry: str) -> str:
    """A list of entries, and how many of them."""
    entries = re.sub(r"\b(number|text|section)\b", r"\1s", entry)
    least, most = field.get("minItems"), field.get("maxItems")
    if least is not None and least == most:
        return f"list of {least} {entries}"
    return f"list of {entries}" + (f", {least} or more" if least else "")
