"""Sentences for what pydantic finds wrong with a configuration."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from dynrefine.config.keys import Key, all_keys, as_keys
from dynrefine.config.surfaces import OUTSIDE

_EXPECTED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "{expected}",
    "list_type": "a list",
    "dict_type": "a section of keys",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "model_type": "a section of keys",
    "model_attributes_type": "a section of keys",
}


Location = tuple[str | int, ...]
Problem = Mapping[str, Any]  # as pydantic reports it

# What pydantic adds to a location if the name of an entry is wrong, and for each alternative type of a key.
_NAME = "[key]"
_ALTERNATIVE = re.compile(r"constrained-\w+|(literal|dict)\[.+\]")
_RENAMED: dict[Location, str] = {
    ("validation", "diffusion"): (
        "validation.properties.diffusion, where measured is called target and measured_error is called target_error, "
        "or validation.properties.einstein_diffusion for the Einstein relation (if the property is also fitted, "
        "under another name with kind: diffusion)"
    ),
    ("validation", "structure"): "validation.properties.rdf with the same keys",
}


def sentences(error: ValidationError) -> Iterator[str]:
    """One sentence for each key with a problem: the value found, what was expected, the remedy."""
    found: dict[Location, list[Problem]] = {}
    for problem in error.errors():
        location = tuple(part for part in problem["loc"] if not _ALTERNATIVE.fullmatch(str(part)))
        found.setdefault(location, []).append(problem)
    for location, problems in found.items():
        if not any(other[: len(location)] == location for other in found.keys() - {location}):
            yield _sentence(location, problems)


def key_path(location: Location) -> str:
    """A key as written in messages: states[0].temperature."""
    location = _without_kinds(tuple(part for part in location if part != _NAME))
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def _sentence(location: Location, problems: list[Problem]) -> str:
    """The message about a key; it has several problems if it may be of several types."""
    kind, value = problems[0]["type"], problems[0]["input"]
    expected = " or ".join(dict.fromkeys(map(_expected, problems)))
    if kind == "union_tag_invalid":
        location, value = (*location, "kind"), problems[0]["ctx"]["tag"]
    path = key_path(location)
    keys = all_keys()
    if kind == "extra_forbidden":
        return _unknown_key(location, value, keys)
    key = keys.get(as_keys(location))
    meaning = f" ({key.description.rstrip('.')})" if key else ""
    if kind == "missing":
        return f"{path} is missing{meaning}: add it, for instance as in config/reference.yaml."
    return f"{path} is {_shown(value)}, expected {expected}{meaning}: correct it."


def _expected(problem: Problem) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "union_tag_invalid":
        return context["expected_tags"].replace(", ", " or ").replace(f"'{OUTSIDE}'", OUTSIDE)
    return _EXPECTED.get(kind, kind.replace("_", " ")).format(**context)


def _unknown_key(location: Location, value: Any, keys: dict[tuple[str, ...], Key]) -> str:
    name, parents = str(location[-1]), as_keys(location[:-1])
    siblings = sorted(key[-1] for key in keys if key[:-1] == parents and key[-1] != "*")
    found = f"{key_path(location)} (value {_shown(value)}) is not a known key"
    if location in _RENAMED:
        return f"{found} any more, expected {_RENAMED[location]}: move it there."
    elsewhere = [".".join(map(str, _without_kinds(path))) for path, key in keys.items() if path[-1] == name]
    elsewhere = [path for path in dict.fromkeys(elsewhere) if path != key_path(location)]
    if elsewhere:
        return f"{found} here, expected at {' or '.join(elsewhere)}: move it there."
    nearest = difflib.get_close_matches(str(name), siblings, n=1, cutoff=0.6)
    if nearest:
        return f"{found}, expected '{nearest[0]}': correct the spelling."
    return f"{found}, expected one of {', '.join(siblings)}: rename or remove it."


def _without_kinds(location: Location) -> Location:
    keys, places = all_keys(), as_keys(location)
    return tuple(
        part for end, part in enumerate(location, 1) if not getattr(keys.get(places[:end]), "is_kind", False)
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
