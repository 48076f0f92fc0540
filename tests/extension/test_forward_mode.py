"""Derivatives of potentials whose own rules let reverse mode through alone."""

import logging
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_extension.pairs import Pairs, squared
from toy_extension.pairs_settings import Settings

from dynrefine.config.data import WATER
from dynrefine.dynamics.force_field import ForceField
from dynrefine.surfaces.base import labels_of, strain_derivative
from dynrefine.surfaces.forward_mode import goes_forward, jvp

pytestmark = pytest.mark.usefixtures("fast_compilation", "usual_promotion")

POINT, CHANGE = jnp.array([0.3, -0.7]), jnp.array([1.0, 0.5])


@pytest.fixture
def usual_promotion():
    """As users have it."""
    with jax.numpy_rank_promotion("allow"):
        yield


class Plain(Pairs):
    """The potential from outside without rules of its own."""

    def energy(self, *arguments):
        """The same energy."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("toy_extension.pairs.squared", lambda x: x * x)
            return super().energy(*arguments)


def field(kind=Pairs):
    """The force field of the potential, with or without rules."""
    potential = kind.from_settings(Settings(kind="toy_extension.pairs"), WATER)
    return ForceField(potential, skin=0.5, capacity=48, images=(1, 1, 1), rebuild_interval=1)


@pytest.fixture(scope="module")
def frame():
    """What a potential is given: parameters, species, positions, cell, neighbours."""
    positions = jnp.asarray(np.random.default_rng(1).uniform(0.0, 5.0, (5, 3)))
    species, cell = jnp.array([0, 1, 1, 0, 1]), jnp.diag(jnp.array([5.0, 5.2, 5.4]))
    parameters = field().architecture.initial_parameters(jax.random.key(2))
    neighbours = jax.jit(field().neighbours)(positions, cell)
    assert not neighbours.overflow
    return parameters, species, positions, cell, neighbours


def assert_same(found, expected):
    """To rounding."""
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12), found, expected)


def test_where_forward_mode_goes_through_it_is_taken():
    def cubed(x):
        return jnp.sum(x**3)

    assert goes_forward(jax.grad(cubed), (POINT,), (CHANGE,))
    value, along = jax.jit(partial(jvp, jax.grad(cubed)))((POINT,), (CHANGE,))
    assert_same((value, along), (3.0 * POINT**2, 6.0 * POINT * CHANGE))


def test_where_it_does_not_reverse_mode_is_and_a_sentence_says_so(caplog):
    def fourth(x):
        return jnp.sum(squared(squared(x)))

    assert not goes_forward(jax.grad(fourth), (POINT,), (CHANGE,))
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jit(partial(jax.jvp, jax.grad(fourth)))((POINT,), (CHANGE,))
    with caplog.at_level(logging.INFO):
        value, along = jax.jit(partial(jvp, jax.grad(fourth)))((POINT,), (CHANGE,))
    assert_same((value, along), (4.0 * POINT**3, 12.0 * POINT**2 * CHANGE))
    assert "custom_vjp rules that forward mode cannot follow" in caplog.text

    def slope(x):
        return jvp(fourth, (x,), (CHANGE,))[1]

    assert_same(jax.jit(jax.grad(slope))(POINT), 12.0 * POINT**2 * CHANGE)


def test_products_of_the_forces_are_those_of_the_plain_potential(frame):
    g = jnp.asarray(np.random.default_rng(3).normal(size=frame[2].shape))
    found, expected = (
        jax.jit(ForceField.forces_and_products, static_argnums=0)(field(kind), *frame, g)
        for kind in (Pairs, Plain)
    )
    assert_same(found, expected)


def test_training_and_stress_are_those_of_the_plain_potential(frame):
    parameters, *rest = frame

    def loss(potential, trainable):
        own = {**parameters, "trainable": trainable}
        energy, forces, stress = labels_of(potential, own, *rest)
        virial = strain_derivative(potential, own, *rest)
        return energy**2 + jnp.sum(forces**2) + jnp.sum(stress**2) + jnp.sum(virial**2)

    found, expected = (
        jax.jit(jax.value_and_grad(partial(loss, field(kind).architecture)))(parameters["trainable"])
        for kind in (Pairs, Plain)
    )
    assert_same(found, expected)
