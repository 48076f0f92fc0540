"""The checks of shapes are at work, in every module that says shapes."""

from pathlib import Path

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError
from shapes import WITH_SHAPES

import dynrefine
from dynrefine.geometry.system import kinetic_energy

LIBRARY = Path(dynrefine.__file__).parent


def test_a_wrong_shape_is_refused():
    assert kinetic_energy(jnp.ones(4), jnp.zeros((2, 4, 3))).shape == (2,)
    with pytest.raises(TypeCheckError):
        kinetic_energy(jnp.ones(3), jnp.zeros((4, 3)))


def test_every_module_that_says_shapes_is_checked():
    for path in LIBRARY.rglob("*.py"):
        if "from jaxtyping import" in path.read_text(encoding="utf-8"):
            name = ".".join(("dynrefine", *path.relative_to(LIBRARY).with_suffix("").parts))
            assert any(f"{name}.".startswith(f"{module}.") for module in WITH_SHAPES), name
