"""Modules in which arrays may still change rank or type without being told to."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import isfunction
from typing import Any

import jax

# In the order of their imports, so that each finds the functions of those before as they are changed here.
IMPLICIT = (
    "geometry.bit_rows",
    "geometry.neighbours",
    "geometry.cell_lists",
    "surfaces.networks.embedded_density",
    "surfaces.nequix",  # it calls the package
    # They call Optax, which divides by counts of steps.
    "training.fit",
    "refinement.update",
)


def allow_promotion() -> None:
    """Let the functions of these modules go on as without the checks; call it before others import them."""
    for name in IMPLICIT:
        module = import_module(f"dynrefine.{name}")
        for own, function in list(vars(module).items()):
            if isfunction(function) and function.__module__ == module.__name__:
                setattr(module, own, _promoting(function))
            elif isinstance(function, jax.custom_jvp):
                function.defjvp(_promoting(function.jvp))


def _promoting(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def promoting(*arguments: Any, **named: Any) -> Any:
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return function(*arguments, **named)

    return promoting
