"""Shapes in the annotations of the library, checked wherever its functions are called or traced."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray

LIBRARY = Path(find_spec("dynrefine").origin).parent  # found without an import, before the checks are at work
# Modules of the library that say the shapes of their arrays.
WITH_SHAPES = [
    ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts)
    for path in LIBRARY.rglob("*.py")
    if "from jaxtyping import" in path.read_text(encoding="utf-8")
]


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with checks of the annotations that say shapes; others, which tests may stretch, are left out."""
    shapes = {name: kind for name, kind in function.__annotations__.items() if _says_shape(kind)}
    if not shapes:
        return function
    function.__annotations__ = shapes
    return beartype(function)


def _says_shape(kind: Any) -> bool:
    is_shape = isinstance(kind, type) and issubclass(kind, AbstractArray)
    return is_shape or any(map(_says_shape, get_args(kind)))
