"""Evaluation of properties over all starting points of a state, with jackknife errors."""

from collections.abc import Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dynrefine.files.objectives import Evaluation, Objective, StateObjective
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Observable, settled
from dynrefine.sampling.reweighting import ensemble_coefficients
from dynrefine.statistics import Shares, jackknife_error, leave_one_out


def evaluate(observable: Observable, statistics: Float[Array, " S *C"], shares: Shares) -> Evaluation:
    """Evaluate an observable with jackknife errors over the chains that its samples are from.

    Arguments:
        observable: to evaluate.
        statistics: of each sample.
        shares: of the samples.
    """

    @jax.jit
    def evaluated(
        statistics: jax.Array, weights: jax.Array, chains: tuple[jax.Array, jax.Array]
    ) -> dict[str, jax.Array]:
        mean = jnp.tensordot(weights, statistics, axes=1)
        loss, cotangent = jax.value_and_grad(observable.loss)(mean)
        left_out = leave_one_out(*chains)
        return {
            "loss": loss,
            "loss_error": jackknife_error(jax.vmap(observable.loss)(left_out)),
            "prediction": observable.predict(mean),
            "prediction_error": jackknife_error(jax.vmap(observable.predict)(left_out)),
            "cotangent": cotangent,
            "contributions": jnp.tensordot(statistics, cotangent, axes=cotangent.ndim),
        }

    found = evaluated(statistics, shares.weights, shares.chain_means(statistics))
    loss, error = float(found.pop("loss")), float(found.pop("loss_error"))
    return Evaluation(loss, error, **{name: np.asarray(values) for name, values in found.items()})


def evaluate_state(
    observables: Mapping[str, Observable],
    weights: Mapping[str, float],
    observed: Observed,
    shares: Shares,
    kelvin: float,
) -> StateObjective:
    """Evaluate all observables of a state.

    Arguments:
        observables: by name.
        weights: of the observables in the objective, by name.
        observed: of all starting points of the state.
        shares: of the starting points in averages.
        kelvin: temperature, K.
    """
    dtype = jax.tree.leaves(observed)[0].dtype
    shares = replace(shares, weights=jnp.asarray(shares.weights, dtype))
    statistics = {name: jax.jit(observable.statistic)(observed) for name, observable in observables.items()}
    observables = {
        name: settled(each, *shares.chain_means(statistics[name])) for name, each in observables.items()
    }
    evaluations = {name: evaluate(each, statistics[name], shares) for name, each in observables.items()}
    return StateObjective(
        weights=np.asarray(shares.weights),
        coefficients=_coefficients(shares.weights, evaluations, weights, kelvin),
        abscissae={name: observable.abscissa for name, observable in observables.items()},
        targets={name: observable.target for name, observable in observables.items()},
        evaluations=evaluations,
    )


def of_one_observable(objective: Objective, label: str, name: str, kelvin: float) -> StateObjective:
    """A state as it would be if one of its observables were fitted alone.

    Arguments:
        objective: of an iteration.
        label: of the state.
        name: of the observable.
        kelvin: temperature of the state, K.
    """
    state = objective.states[label]
    return with_evaluations(state, {name: state.evaluations[name]}, objective.weights[label], kelvin)


def with_evaluations(
    state: StateObjective, evaluations: Mapping[str, Evaluation], weights: Mapping[str, float], kelvin: float
) -> StateObjective:
    """A state with other evaluations, and with the coefficients that follow from their contributions.

    Arguments:
        state: of the objective.
        evaluations: of its observables, by name.
        weights: of the observables in the objective, by name.
        kelvin: temperature of the state, K.
    """
    coefficients = _coefficients(jnp.asarray(state.weights), evaluations, weights, kelvin)
    return replace(state, coefficients=coefficients, evaluations=dict(evaluations))


def _coefficients(
    shares: jax.Array, evaluations: Mapping[str, Evaluation], weights: Mapping[str, float], kelvin: float
) -> np.ndarray:
    """In the ensemble part of the gradient [S], or of the energies of atoms [S, N], 1/eV."""
    contributions = sum(weights[name] * each.contributions for name, each in evaluations.items())
    return np.asarray(ensemble_coefficients(shares, jnp.asarray(contributions), kelvin))
