"""Forward-mode derivatives, also of potentials whose own rules allow reverse mode only.

Forward over reverse mode is the fastest way to the products that the adjoint needs. It cannot follow functions
with `jax.custom_vjp` rules that call them again, as in many networks. There the derivative along the tangent is found
as the transpose of the derivative in reverse mode, which is linear too.
"""

import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr

logger = logging.getLogger(__name__)

# What JAX (0.10) leaves in a program where forward mode meets a rule that it cannot follow; it raises an error only
# when the program is compiled.
_STUCK = "custom_lin"


def jvp(function: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value of a function and its derivative along tangents, like `jax.jvp`.

    Arguments:
        function: of trees of floating-point arrays, smooth; its derivative may be differentiated again backwards.
        primals: its arguments.
        tangents: trees like these.
    """
    if goes_forward(function, primals, tangents):
        return jax.jvp(function, primals, tangents)
    logger.info(
        "the potential has custom_vjp rules that forward mode cannot follow: second derivatives are taken by "
        "reverse mode alone, which is slower"
    )
    value, pull = jax.vjp(function, *primals)
    _, transposed = jax.vjp(pull, jax.tree.map(jnp.zeros_like, value))
    (along,) = transposed(tangents)
    return value, along


def goes_forward(function: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> bool:
    """Whether forward mode can follow a function; its arguments may be traced."""
    program = jax.make_jaxpr(lambda *both: jax.jvp(function, *both))(primals, tangents)
    return not _holds_stuck(program.jaxpr)


def _holds_stuck(program: Jaxpr) -> bool:
    for equation in program.eqns:
        if equation.primitive.name == _STUCK:
            return True
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(value) and _holds_stuck(getattr(value, "jaxpr", value)):
                return True
    return False


def _is_program(value: Any) -> bool:
    return isinstance(value, Jaxpr | ClosedJaxpr)
