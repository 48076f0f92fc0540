"""Shapes in the annotations of the library, checked wherever its functions are called or traced."""

from collections.abc import Callable
from typing import Any, get_args

from beartype import beartype
from jaxtyping import AbstractArray

# Modules, and packages with all of theirs, that say the shapes of their arrays.
WITH_SHAPES = [
    f"dynrefine.{name}"
    for name in (
        "dynamics.adjoint",
        "dynamics.barostat",
        "dynamics.force_field",
        "dynamics.langevin",
        "dynamics.leapfrog",
        "dynamics.mapping",
        "dynamics.replicas",
        "dynamics.starting_points",
        "geometry.system",
        "properties",
        "quantities",
        "refinement.covariance",
        "refinement.drawn_potentials",
        "refinement.force_metric",
        "refinement.gradient",
        "refinement.objective",
        "refinement.sensitivities",
        "refinement.validation",
        "sampling",
        "statistics",
        "surfaces.base",
    )
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
