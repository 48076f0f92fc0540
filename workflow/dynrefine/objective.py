"""Losses with their errors, and what the gradient jobs need of them."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.observables.base import Observable


@dataclass(frozen=True)
class Evaluation:
    """One observable of one state, evaluated over all replicas.

    Attributes:
        loss: a pure number.
        loss_error: its standard error.
        prediction: the property [W].
        prediction_error: its standard error [W].
        cotangent: dL/dC of the averaged statistic C.
        contributions: l_s = dL/dC · c_s of each replica [S].
    """

    loss: float
    loss_error: float
    prediction: np.ndarray
    prediction_error: np.ndarray
    cotangent: np.ndarray
    contributions: np.ndarray


def evaluate(observable: Observable, statistics: jax.Array, weights: jax.Array) -> Evaluation:
    """Evaluate an observable with jackknife errors over replicas.

    Arguments:
        observable: see there.
        statistics: of each replica [S, ...].
        weights: of the replicas, normalised [S].
    """
    mean = jnp.tensordot(weights, statistics, axes=1)
    loss, cotangent = jax.value_and_grad(observable.loss)(mean)
    left_out = leave_one_out(statistics, weights)
    losses = jax.vmap(observable.loss)(left_out)
    predictions = jax.vmap(observable.predict)(left_out)
    axes = cotangent.ndim
    return Evaluation(
        loss=float(loss),
        loss_error=float(jackknife_error(losses)),
        prediction=np.asarray(observable.predict(mean)),
        prediction_error=np.asarray(jackknife_error(predictions)),
        cotangent=np.asarray(cotangent),
        contributions=np.asarray(jnp.tensordot(statistics, cotangent, axes=axes)),
    )


def leave_one_out(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted means [S, ...] of values [S, ...], each without one of them; weights [S] add up to one."""
    shape = (-1,) + (1,) * (values.ndim - 1)
    total = jnp.tensordot(weights, values, axes=1)
    own = weights.reshape(shape)
    return (total - own * values) / (1.0 - own)


def jackknife_error(left_out: jax.Array) -> jax.Array:
    """Standard error from leave-one-out estimates [S, ...]; not a number for a single one."""
    count = len(left_out)
    spread = jnp.sum((left_out - jnp.mean(left_out, axis=0)) ** 2, axis=0)
    return jnp.sqrt(spread * (count - 1) / count) if count > 1 else jnp.full_like(spread, jnp.nan)


def standard_error(values: np.ndarray, axis: int = 0) -> Any:
    """Standard error of the mean of independent values."""
    return np.std(values, axis=axis, ddof=1) / np.sqrt(values.shape[axis])
