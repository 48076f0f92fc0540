"""Errors in the values of a configuration that must be found before these are read as settings."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from dynrefine.config.base import sentence
from dynrefine.config.keys import all_keys, as_keys
from dynrefine.config.messages import Location, key_path
from dynrefine.registry import is_found

Leaves = Sequence[tuple[Location, Any]]

# The keys that choose outside modules, and the folder of the library whose modules these extend.
_FOLDERS: Mapping[Location, str] = {
    ("ensemble", "kind"): "sampling",
    ("potential", "kind"): "surfaces",
    ("teacher", "potential", "kind"): "surfaces",
    ("surfaces", "*", "surface", "kind"): "surfaces",
    ("objective", "observables", "*", "kind"): "properties",
    ("validation", "properties", "*", "kind"): "properties",
}


def unreadable_values(values: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each value that would be misread, or that names a missing module."""
    leaves = list(_leaves(values, ()))
    return chain(_truths_for_numbers(leaves), _missing_modules(leaves))


def _missing_modules(leaves: Leaves) -> Iterator[str]:
    """A sentence for each dotted kind that lacks its module, or the module of its settings."""
    for location, value in leaves:
        folder = next((each for keys, each in _FOLDERS.items() if _matches(location, keys)), None)
        if folder is None or not isinstance(value, str) or "." not in value:
            continue
        wanted = [value] if folder == "sampling" else [value, f"{value}_settings"]
        missing = [name for name in wanted if not is_found(folder, name)]
        if missing:
            yield sentence(
                f"{key_path(location)} is '{value}'",
                f"the dotted name of a module that Python finds, {' and '.join(missing)}",
                "correct it, or install the package that holds it",
            )


def _matches(location: Location, keys: Location) -> bool:
    return len(location) == len(keys) and all(
        key in ("*", part) for part, key in zip(location, keys, strict=True)
    )


def _truths_for_numbers(leaves: Leaves) -> Iterator[str]:
    """A sentence for each true or false where a number is expected, since Python would read it as 1 or 0."""
    for location, value in leaves:
        if not isinstance(value, bool):
            continue
        pattern = as_keys(location)
        keys = [all_keys().get(pattern), all_keys().get(pattern[:-1])]
        field = next((key.field for key in keys if key is not None), None)
        if field is not None and not _may_hold(field, "boolean") and _may_hold(field, "number", "integer"):
            yield (
                f"{key_path(location)} is {str(value).lower()}, expected a number (YAML reads yes, no, on and off "
                "as true and false): correct it."
            )


def _leaves(value: Any, location: Location) -> Iterator[tuple[Location, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, (*location, str(name)))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(each, (*location, index))
    else:
        yield location, value


def _may_hold(field: Mapping[str, Any], *types: str) -> bool:
    """Whether the schema of a key, or of the entries of its list or section, allows one of these types."""
    inner = [field.get("items"), field.get("additionalProperties"), *field.get("anyOf", ())]
    return field.get("type") in types or any(
        _may_hold(each, *types) for each in inner if isinstance(each, Mapping)
    )
