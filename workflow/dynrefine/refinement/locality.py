"""The ensemble part of the gradient without the noise of atoms far apart.

It is the covariance -β <(l - <l>) ∂U/∂θ> of l, what a starting point contributes to the loss, and the energy. The
energy is a sum over atoms, of u_i, and a correlation function is one too, of l_j. Atoms far apart hardly depend on
each other, yet a pair of them brings as much noise as a pair of neighbours: the covariance grows with the number of
atoms, but the variance of its estimate with the square of that number. So pairs count by their distance,

    -β Σ_ij t(r_ij) <(l_j - <l_j>) ∂u_i/∂θ>,    t(r) = cos²(π r / 2R), zero from R on,

as weather forecasts leave out distant covariances (Houtekamer & Mitchell, Mon. Weather Rev. 129, 123 (2001)). R has
to reach farther than structure, and farther than sound travels along the trajectories. This also leaves out that all
atoms in a cell of N depend on each other by 1/N, in total by ρ kT times the compressibility, 6 % for water (Lebowitz,
Percus & Verlet, Phys. Rev. 153, 250 (1967)). For the pressure at constant volume, that would be everything: it
depends on the parameters by -∂<∂U/∂θ>/∂V, of which the covariances of neighbours alone leave zero.

A correlation function is homogeneous of second degree in the correlated quantity q, so l_j is q_j · (∂l/∂q) / 2 by
Euler's theorem. The rest of l counts with all atoms.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.files.ensembles import Ensemble
from dynrefine.files.objectives import Evaluation
from dynrefine.files.trajectories import Observed
from dynrefine.geometry.coordinates import to_cartesian, to_fractional
from dynrefine.properties.base import Observable
from dynrefine.quantities.base import name_of_parts, quantity

_DEGREE = 2.0  # of a correlation function in what is correlated


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Which atoms are near each other in the starting points.

    Attributes:
        positions: of the starting points, Å.
        cells: of the starting points, vectors as rows, Å.
        radius: R, beyond which atoms are far apart, Å.
    """

    positions: Float[Array, "S N 3"]
    cells: Float[Array, "S 3 3"]
    radius: float

    @classmethod
    def of(cls, ensembles: Sequence[Ensemble], radius: float) -> "Surroundings":
        """Those in all starting points of the chunks of a state."""
        positions, cells = (
            jnp.concatenate([jnp.asarray(getattr(each, name)) for each in ensembles])
            for name in ("positions", "cells")
        )
        return cls(positions, cells, radius)

    def at(self, chosen: slice | Int[np.ndarray, " F"]) -> "Surroundings":
        """Those in some of the starting points."""
        return replace(self, positions=self.positions[chosen], cells=self.cells[chosen])

    def gathered(self, values: Float[Array, "S N"]) -> Float[Array, "S N"]:
        """Σ_j t(r_ij) values_j of each atom i, by nearest images."""

        def of_point(point: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            positions, cell, values = point
            fractions = to_fractional(positions.T, cell)
            separation = fractions[:, :, None] - fractions[:, None, :]
            vectors = to_cartesian(separation - jnp.round(separation), cell)
            phase = 0.5 * math.pi * jnp.minimum(jnp.sqrt(jnp.sum(vectors**2, axis=0)) / self.radius, 1.0)
            return jnp.matmul(jnp.cos(phase) ** 2, values, precision="highest")

        return jax.jit(lambda *points: jax.lax.map(of_point, points))(self.positions, self.cells, values)


def near_contributions(
    observable: Observable, evaluation: Evaluation, observed: Observed, surroundings: Surroundings
) -> Float[np.ndarray, "S N"]:
    """What the surroundings of each atom contribute to the linearised loss of each starting point.

    Arguments:
        observable: whose loss it is.
        evaluation: of the observable.
        observed: at the points where it was evaluated, with what the atoms contribute where known.
        surroundings: of the atoms there.
    """
    parts = _parts(observable, observed.along)
    if not parts:  # all of it counts with all atoms
        return np.repeat(evaluation.contributions[:, None], surroundings.positions.shape[1], axis=1)
    cotangent = jnp.asarray(evaluation.cotangent)

    def linearised(observed: Observed, cotangent: jax.Array) -> jax.Array:
        statistic = observable.statistic(observed)
        return jnp.sum(jnp.tensordot(statistic, cotangent, axes=cotangent.ndim))

    # Everything that differs between iterations is an argument, so one program serves them all.
    slopes = jax.jit(jax.grad(linearised))(observed.needed_by([observable]), cotangent).along
    own = jnp.zeros(surroundings.positions.shape[:2], cotangent.dtype)
    for name, values in parts.items():
        slope = slopes[name] if values.ndim == slopes[name].ndim else slopes[name][:, :, None]
        products = (slope * values).reshape(*values.shape[:3], -1)
        own += jnp.sum(products, axis=(1, 3)) / _DEGREE
    rest = jnp.asarray(evaluation.contributions) - jnp.sum(own, axis=1)
    return np.asarray(rest[:, None] + surroundings.gathered(own))


def _parts(observable: Observable, along: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """What the atoms contribute to the quantities of an observable [S, frames, N, ...], where recorded."""
    rows = {name: along[name] for name in observable.along if quantity(name).has_rows_of_atoms}
    parts = {name: name_of_parts(name) for name in observable.along}
    return rows | {name: along[own] for name, own in parts.items() if own in along}
