"""The keys of the configuration as a page of the documentation, from the JSON schema of the models."""

import json
import re
from collections.abc import Iterator
from typing import Any

from dynrefine.config import Config

Schema = dict[str, Any]

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
    schema = Config.model_json_schema()
    seen: set[str] = set()
    lines = []
    for name, field in schema["properties"].items():
        lines += [f"## {name}", ""]
        if any(_sections_in(field, schema)):
            default = (
                f" Default: {_plain(field['default'])}." if "items" in field and "default" in field else ""
            )
            lines += [_text(field["description"]) + default, "", *_section(name, field, schema, seen)]
        else:
            lines += _key(name, field, schema, name in schema["required"], seen)
    return "\n".join(lines)


def _section(path: str, field: Schema, schema: Schema, seen: set[str]) -> Iterator[str]:
    """The keys of a section, of the entries of a list of sections, or of each of several kinds of it."""
    kinds = list(_sections_in(field, schema))
    for kind in kinds:
        if len(kinds) > 1:
            names = kind["properties"]["kind"]
            yield from (f"### {path}, kind: {names.get('const', names.get('default'))}", "")
        inside = f"{path}[]" if "items" in field else path
        required = kind.get("required", [])
        for name, each in kind["properties"].items():
            yield from _key(f"{inside}.{name}", each, schema, name in required, seen)
            if any(_sections_in(each, schema)):
                yield from _section(f"{inside}.{name}", each, schema, seen)


def _key(path: str, field: Schema, schema: Schema, required: bool, seen: set[str]) -> Iterator[str]:
    """A key with its type, default and meaning."""
    yield f"```{{confval}} {path}"
    if path in seen:
        yield ":no-index:"
    seen.add(path)
    yield f":type: {_type(field, schema)}" + (", required" if required else "")
    if "default" in field and ("items" in field or not any(_sections_in(field, schema))):
        yield f":default: {_plain(field['default'])}"
    yield from ("", _text(field["description"]), "```", "")


def _text(description: str) -> str:
    """A description whose signs mean themselves."""
    return re.sub(r"([\\`*_<>{}$])", r"\\\1", description)


def _plain(value: Any) -> str:
    """A value as it may stand in the file."""
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _sections_in(field: Schema, schema: Schema) -> Iterator[Schema]:
    """The sections that a key may hold, itself or as entries of a list."""
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    if "properties" in field:
        yield field
    inner = [
        *field.get("anyOf", ()),
        *field.get("oneOf", ()),
        *([field["items"]] if "items" in field else ()),
    ]
    for each in inner:
        yield from _sections_in(each, schema)


def _type(field: Schema, schema: Schema) -> str:
    """The values a key may have, in words."""
    choices = field.get("anyOf") or field.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(_type(choice, schema) for choice in choices))
    if "$ref" in field:
        return _type(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return _list(field, _type(field["items"], schema))
    if isinstance(field.get("additionalProperties"), dict):
        return f"{_type(field['additionalProperties'], schema)} by name"
    limits = [text.format(f"{field[word]:g}") for word, text in LIMITS.items() if word in field]
    return " ".join([WORDS[field["type"]], " and ".join(limits)]).strip()


def _list(field: Schema, entry: str) -> str:
    """A list of entries, and how many of them."""
    entries = re.sub(r"\b(number|text|section)\b", r"\1s", entry)
    least, most = field.get("minItems"), field.get("maxItems")
    if least is not None and least == most:
        return f"list of {least} {entries}"
    return f"list of {entries}" + (f", {least} or more" if least else "")
