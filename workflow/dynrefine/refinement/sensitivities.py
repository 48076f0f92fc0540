"""Derivatives of properties with respect to named parameters, or along given changes of all parameters.

The parameters are displaced along a few directions, one at a time. Central differences between runs from the same
starting points take two runs per direction, for all properties and all points of a curve at once; the adjoint would
take one run per number. The starting points depend on the parameters through their probability, as in the gradient:

    dC/dθ = <∂c/∂θ> - β (<c ∂U/∂θ> - <c> <∂U/∂θ>),    dp/dθ = (∂p/∂C) dC/dθ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from dynrefine.files.models import Model, flat_parameters, parameter_name, single_numbers
from dynrefine.files.sensitivities import Sensitivities
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Observable, settled
from dynrefine.statistics import Shares, jackknife_error, leave_one_out
from dynrefine.units import BOLTZMANN

_DISPLACEMENT = 1e-4  # of a parameter, relative to it
_PART = 1e-2  # of a given change


class Moving(NamedTuple):
    """What the same starting points give with another potential.

    Attributes:
        observe: what is observed with it, as far in time as derivatives can be trusted.
        energies: of the starting points at several potentials [K, S], eV.
    """

    observe: Callable[[Model], Observed]
    energies: Callable[[Sequence[Model]], np.ndarray]


@dataclass(frozen=True)
class Direction:
    """A direction of the parameters.

    Attributes:
        change: of the trainable parameters for a displacement of 1 [P].
        displacement: how far it is followed to either side.
    """

    change: np.ndarray
    displacement: float


def named_directions(potential: Model) -> dict[str, Direction]:
    """The directions of named parameters, one by one."""
    trainable = potential.parameters["trainable"]

    def along(name: str) -> np.ndarray:
        unit = jax.tree_util.tree_map_with_path(
            lambda path, leaf: jnp.full_like(leaf, parameter_name(path) == name), trainable
        )
        return np.asarray(flat_parameters(unit)[0])

    return {
        name: Direction(along(name), _DISPLACEMENT * (abs(value) or 1.0))
        for name, value in single_numbers(trainable).items()
    }


def numbered_directions(changes: Float[np.ndarray, "K P"]) -> dict[str, Direction]:
    """The directions of given changes of all parameters, by number."""
    return {f"change {number}": Direction(change, _PART) for number, change in enumerate(changes, 1)}


def measured(
    potential: Model,
    directions: Mapping[str, Direction],
    observables: Mapping[str, Observable],
    whole: Observed,
    moving: Moving,
) -> Sensitivities:
    """The sensitivities at the starting points of a chunk, by central differences.

    Arguments:
        potential: in double precision.
        directions: by name.
        observables: by name.
        whole: what was observed with this potential.
        moving: what the same starting points give with another one.
    """
    slopes, changes = [], {name: [] for name in observables}
    for direction in directions.values():
        sides = [potential.moved(sign * direction.displacement * direction.change) for sign in (1.0, -1.0)]
        width = 2.0 * direction.displacement
        above, below = map(moving.observe, sides)
        for name, observable in observables.items():
            difference = observable.statistic(above) - observable.statistic(below)
            changes[name].append(np.asarray(difference) / width)
        upper, lower = moving.energies(sides)
        slopes.append((upper - lower) / width)
    return Sensitivities(
        tuple(directions),
        np.stack(slopes, axis=1),
        {name: np.asarray(observable.statistic(whole)) for name, observable in observables.items()},
        {name: np.stack(each, axis=1) for name, each in changes.items()},
    )


@dataclass(frozen=True)
class Derivatives:
    """A property of a state and its derivatives with respect to P parameters.

    Attributes:
        prediction: the property [W].
        prediction_error: its standard error [W].
        jacobian: dp/dθ [W, P].
        left_out: the same without one of the chains of starting points [C, W, P].
    """

    prediction: np.ndarray
    prediction_error: np.ndarray
    jacobian: np.ndarray
    left_out: np.ndarray

    @property
    def jacobian_error(self) -> np.ndarray:
        """Its standard error by the jackknife [W, P]."""
        return np.asarray(jackknife_error(jnp.asarray(self.left_out)))


def derivatives(
    observable: Observable,
    sensitivities: Sensitivities,
    name: str,
    kelvin: float,
    chains: Int[np.ndarray, " S"] | None = None,
) -> Derivatives:
    """The derivatives of a property.

    Arguments:
        observable: of the state.
        sensitivities: of all starting points of the state, with equal weights.
        name: of the property.
        kelvin: temperature, K.
        chains: number of each starting point's chain; by default each has its own.
    """
    statistics, changes, slopes = map(
        jnp.asarray,
        (sensitivities.statistics[name], sensitivities.changes[name], sensitivities.energy_slopes),
    )
    shares = Shares.equal(len(statistics), statistics.dtype, chains)
    own = settled(observable, *shares.chain_means(statistics))
    along = slopes.reshape(*slopes.shape, *[1] * (statistics.ndim - 1))
    averaged = statistics, changes, slopes, along * statistics[:, None]

    def slopes_of(mean: jax.Array, change: jax.Array, slope: jax.Array, product: jax.Array) -> jax.Array:
        """[W, P] from averages of the statistic [*C], its change [P, *C], the slope [P] and their product [P, *C]."""
        slope = slope.reshape(-1, *[1] * mean.ndim)
        total = change - (product - slope * mean[None]) / (BOLTZMANN * kelvin)
        return jax.vmap(lambda along: jax.jvp(own.predict, (mean,), (along,))[1], out_axes=-1)(total)

    means = [jnp.tensordot(shares.weights, each, axes=1) for each in averaged]
    left_out = [leave_one_out(*shares.chain_means(each)) for each in averaged]
    return Derivatives(
        np.asarray(own.predict(means[0])),
        np.asarray(jackknife_error(jax.vmap(own.predict)(left_out[0]))),
        np.asarray(jax.jit(slopes_of)(*means)),
        np.asarray(jax.jit(jax.vmap(slopes_of))(*left_out)),
    )
