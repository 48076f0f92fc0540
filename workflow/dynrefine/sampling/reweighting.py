"""Weights of configurations under a changed potential, and gradients of ensemble averages."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import Ensemble
from dynrefine.units import BOLTZMANN

_TOLERANCE = 1e-4  # of the MBAR equations, relative to the configurations that a potential has sampled


def boltzmann_weights(energy_change: Float[Array, " S"], kelvin: float) -> Float[Array, " S"]:
    """Normalised weights w_s ∝ exp(-β ΔU_s) of configurations sampled before the change.

    Arguments:
        energy_change: U under the new potential less U under the sampled one, eV.
        kelvin: temperature, K.
    """
    return jax.nn.softmax(-energy_change / (BOLTZMANN * kelvin))


def mixture_weights(
    energies: Float[np.ndarray, "K S"], counts: Int[np.ndarray, " K"], kelvin: float
) -> Float[np.ndarray, " S"]:
    """Normalised weights under the last of several potentials, for configurations sampled with any of them.

    w_s ∝ exp(-β U_K(x_s)) / Σ_k N_k exp(β F_k - β U_k(x_s)), the multistate Bennett acceptance ratio (MBAR), with the
    free energies F_k under which the weights at each potential add up to one. If one potential sampled
    all of them, these are Boltzmann weights.

    Arguments:
        energies: of the configurations at each potential, eV.
        counts: of configurations that each potential has sampled.
        kelvin: temperature, K.

    Raises:
        CampaignError: the free energies did not converge.

    Source: Shirts & Chodera, J. Chem. Phys. 129, 124105 (2008), eqs. 11 and 13.
    """
    exponents = -np.asarray(energies, float) / (BOLTZMANN * kelvin)
    exponents -= exponents.mean(axis=1, keepdims=True)
    sampled, numbers = exponents[counts > 0], counts[counts > 0]
    if len(sampled) == 1:
        return _softmax(exponents[-1] - sampled[0])
    # Most jobs have samples of one potential and do without SciPy, which takes a third of a job's import time.
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    def terms(free_energies: np.ndarray) -> np.ndarray:
        return sampled + (np.log(numbers) + free_energies)[:, None]

    def negative_log_likelihood(free_energies: np.ndarray) -> tuple[float, np.ndarray]:
        own = terms(free_energies)
        value = logsumexp(own, axis=0).sum() - numbers @ free_energies
        return value, _softmax(own).sum(axis=1) - numbers

    fitted = minimize(negative_log_likelihood, np.zeros(len(sampled)), jac=True, method="BFGS")
    missed = np.abs(_softmax(terms(fitted.x)).sum(axis=1) / numbers - 1.0).max()
    if not missed <= _TOLERANCE:
        raise CampaignError(
            f"the weights of starting points from {len(sampled)} potentials did not converge (the MBAR "
            f"equations are off by {missed:.1g}, expected at most {_TOLERANCE:g}): the potentials differ too much. "
            "Raise ensemble.reuse; with 1, every iteration samples anew."
        )
    return _softmax(exponents[-1] - logsumexp(terms(fitted.x), axis=0))


def _softmax(exponents: np.ndarray) -> np.ndarray:
    """Exponentials along the first axis, adding up to one."""
    exponentials = np.exp(exponents - exponents.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def weights_of(chunks: Sequence[Ensemble], kelvin: float) -> Float[np.ndarray, " S"]:
    """Normalised weights of all starting points of a state under the present potential.

    Arguments:
        chunks: of the state, or some of them.
        kelvin: temperature, K.
    """
    energies = np.concatenate([chunk.energies_by_potential for chunk in chunks], axis=1)
    sampled_by = np.concatenate([chunk.sampled_by for chunk in chunks])
    return mixture_weights(energies, np.bincount(sampled_by, minlength=len(energies)), kelvin)


def effective_sample_size(weights: Float[Array, " S"]) -> Float[Array, ""]:
    """exp of the entropy of normalised weights: S when they are equal, 1 when one dominates.

    Source: Thaler & Zavadlav, Nat. Commun. 12, 6884 (2021), eq. 6.
    """
    return jnp.exp(-jnp.sum(weights * jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).tiny))))


def ensemble_coefficients(
    weights: Float[Array, " S"], losses: Float[Array, " S *N"], kelvin: float
) -> Float[Array, " S *N"]:
    """Factors f_s with which Σ f_s ∂U(x_s)/∂θ is the ensemble part of the gradient.

    f_s = -β w_s (l_s - <l>), from the derivative of the normalised weights with respect to the potential.

    Arguments:
        weights: normalised.
        losses: l_s, what each sample, or the surroundings of each atom in it, contributes to the linearised loss.
        kelvin: temperature, K.
    """
    centred = losses - jnp.tensordot(weights, losses, axes=1)[None]
    return -weights.reshape(-1, *[1] * (losses.ndim - 1)) * centred / (BOLTZMANN * kelvin)
