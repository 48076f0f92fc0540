"""Evaluation of properties over all starting points of a state, with jackknife errors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.files.objectives import Evaluation, Objective, StateObjective
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Observable, settled
from dynrefine.sampling.reweighting import ensemble_coefficients
from dynrefine.statistics import Shares, jackknife_error, leave_one_out


@dataclass(frozen=True)
class Sample:
    """What was observed of the starting points of a state, and their shares in averages.

    Attributes:
        observed: along trajectories from F of them, and at all S.
        shares: of the starting points in averages.
        begun: indices of those where trajectories begin [F].
    """

    observed: Observed
    shares: Shares
    begun: Int[np.ndarray, " F"]

    @classmethod
    def whole(cls, observed: Observed, shares: Shares) -> "Sample":
        """A sample with a trajectory from each starting point."""
        return cls(observed, shares, np.arange(len(shares.weights)))

    def points_of(self, observable: Observable) -> slice | Int[np.ndarray, " F"]:
        """The starting points that an observable is averaged over: those with a trajectory if it needs one."""
        return self.begun if observable.along and len(self.begun) < len(self.shares.weights) else slice(None)

    def averaged_by(self, observable: Observable) -> tuple[Observed, Shares]:
        """What was observed at these points, and their shares in the average."""
        points = self.points_of(observable)
        if isinstance(points, slice):
            return self.observed, self.shares
        at_start = {name: values[points] for name, values in self.observed.at_start.items()}
        return Observed(self.observed.along, at_start), self.shares.among(points)


def evaluate(observable: Observable, statistics: Float[Array, " S *C"], shares: Shares) -> Evaluation:
    """Evaluate an observable with jackknife errors over the chains that its samples come from.

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
    sample: Sample,
    kelvin: float,
) -> StateObjective:
    """Evaluate all observables of a state.

    Arguments:
        observables: by name.
        weights: of the observables in the objective, by name.
        sample: of all starting points of the state.
        kelvin: temperature, K.
    """
    dtype = jax.tree.leaves(sample.observed)[0].dtype
    shares = replace(sample.shares, weights=jnp.asarray(sample.shares.weights, dtype))
    evaluations, as_settled = {}, {}
    for name, observable in observables.items():
        observed, own = replace(sample, shares=shares).averaged_by(observable)
        statistics = jax.jit(observable.statistic)(observed)
        as_settled[name] = settled(observable, *own.chain_means(statistics))
        evaluations[name] = evaluate(as_settled[name], statistics, own)
    return StateObjective(
        weights=np.asarray(shares.weights),
        begun=sample.begun,
        coefficients=_coefficients(shares.weights, sample.begun, evaluations, weights, kelvin),
        abscissae={name: observable.abscissa for name, observable in as_settled.items()},
        targets={name: observable.target for name, observable in as_settled.items()},
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
    coefficients = _coefficients(jnp.asarray(state.weights), state.begun, evaluations, weights, kelvin)
    return replace(state, coefficients=coefficients, evaluations=dict(evaluations))


def _coefficients(
    shares: jax.Array,
    begun: np.ndarray,
    evaluations: Mapping[str, Evaluation],
    weights: Mapping[str, float],
    kelvin: float,
) -> np.ndarray:
    """Coefficients in the ensemble part of the gradient [S], or those of the energies of atoms [S, N], 1/eV."""
    contributions = sum(
        weights[name] * _of_all(each.contributions, np.asarray(shares), begun)
        for name, each in evaluations.items()
    )
    return np.asarray(ensemble_coefficients(shares, jnp.asarray(contributions), kelvin))


def _of_all(
    contributions: Float[np.ndarray, " C *N"], shares: Float[np.ndarray, " S"], begun: Int[np.ndarray, " F"]
) -> Float[np.ndarray, " S *N"]:
    """Contributions of some points to their average, as contributions of all points to an average over all."""
    if len(contributions) == len(shares):
        return contributions
    own = shares[begun]
    result = np.zeros((len(shares), *contributions.shape[1:]), contributions.dtype)
    result[begun] = (contributions - np.tensordot(own, contributions, 1) / own.sum()) / own.sum()
    return result
