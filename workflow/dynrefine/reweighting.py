"""Boltzmann weights of configurations under a changed potential, and gradients of ensemble averages."""

import jax
import jax.numpy as jnp

from dynrefine.units import BOLTZMANN


def boltzmann_weights(energy_change: jax.Array, kelvin: float) -> jax.Array:
    """Normalised weights w_s ∝ exp(-β ΔU_s) of configurations sampled before the change.

    Arguments:
        energy_change: U under the new potential less U under the sampled one [S], eV.
        kelvin: temperature, K.
    """
    return jax.nn.softmax(-energy_change / (BOLTZMANN * kelvin))


def effective_sample_size(weights: jax.Array) -> jax.Array:
    """exp of the entropy of normalised weights [S]: S when they are equal, 1 when one dominates.

    Source: Thaler & Zavadlav, Nat. Commun. 12, 6884 (2021), eq. 6.
    """
    return jnp.exp(-jnp.sum(weights * jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny))))


def ensemble_coefficients(weights: jax.Array, losses: jax.Array, kelvin: float) -> jax.Array:
    """Factors f_s [S] with which Σ f_s ∂U(x_s)/∂θ is the ensemble part of the gradient.

    f_s = -β w_s (l_s - <l>), from the derivative of the normalised weights with respect to the potential.

    Arguments:
        weights: normalised [S].
        losses: l_s, the part of each sample in the linearised loss [S].
        kelvin: temperature, K.
    """
    centred = losses - jnp.sum(weights * losses)
    return -weights * centred / (BOLTZMANN * kelvin)
