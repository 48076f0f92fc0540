"""The checks of shapes are at work."""

import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from dynrefine.geometry.system import kinetic_energy


def test_a_wrong_shape_is_refused():
    assert kinetic_energy(jnp.ones(4), jnp.zeros((2, 4, 3))).shape == (2,)
    with pytest.raises(TypeCheckError):
        kinetic_energy(jnp.ones(3), jnp.zeros((4, 3)))
