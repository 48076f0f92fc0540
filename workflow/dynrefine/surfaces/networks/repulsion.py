"""A pair repulsion that acts only where the training data end."""

import jax
import jax.numpy as jnp


def core_repulsion(distance: jax.Array, radius: jax.Array, strength: float) -> jax.Array:
    """E(r) = strength (1 - r/radius)³ inside the radius, zero with two derivatives outside it.

    Arguments:
        distance: any shape, Å.
        radius: where the repulsion begins for these pairs, Å.
        strength: energy at contact, eV.

    Returns:
        the energy of each pair, eV.
    """
    return strength * jnp.maximum(1.0 - distance / radius, 0.0) ** 3
