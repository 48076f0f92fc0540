"""The gradient against independent ways to compute it, on short trajectories of a few starting points.

The loss is L(θ) = loss(Σ_s w_s(θ) c_s(θ)): the trajectories start at fixed points and depend on θ through the
forces, the weights w_s ∝ exp(-β U(x_s; θ)) through the probability of the points. Its derivative is exactly what
the campaign calls the gradient.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.leapfrog import Simulation, propagate
from dynrefine.dynamics.replicas import both_ways, run_legs
from dynrefine.dynamics.starting_points import observe_starts
from dynrefine.files.models import flat_parameters
from dynrefine.files.trajectories import Observed, join_directions
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Observable
from dynrefine.refinement.gradient import Weighing, chunk_gradient, observed_seeds
from dynrefine.sampling.reweighting import boltzmann_weights, ensemble_coefficients


@dataclass(frozen=True, eq=False)
class CheckedLoss:
    """Everything that the loss of the check depends on but the trainable parameters.

    Attributes:
        simulation: of the trajectories.
        observable: whose loss it is.
        kelvin: temperature, K.
        starts: of the trajectories.
    """

    simulation: Simulation
    observable: Observable
    kelvin: float
    starts: Point

    @property
    def vector(self) -> jax.Array:
        """The trainable parameters [P]."""
        return flat_parameters(self.simulation.parameters["trainable"])[0]

    def moved_to(self, vector: jax.Array) -> Simulation:
        """The simulation with the trainable parameters of a vector [P]."""
        parameters = self.simulation.parameters
        restore = flat_parameters(parameters["trainable"])[1]
        return replace(self.simulation, parameters={**parameters, "trainable": restore(vector)})

    def statistics(self, vector: jax.Array) -> jax.Array:
        """c_s(θ) of every starting point, differentiable by backpropagation step by step in floating point."""
        moved = self.moved_to(vector)
        floating = replace(moved, times=replace(moved.times, reversal="floating"))
        leg = partial(propagate, floating, rematerialise=True)
        legs, _ = jax.vmap(both_ways(leg))(self.starts)
        along = {name: join_directions(array) for name, array in legs.series.items()}

        def at_start(start: Point) -> dict[str, jax.Array]:
            neighbours = moved.field.neighbours(start.positions, start.cell)
            return moved.observed(moved.at_start, moved.parameters["trainable"], start, neighbours)

        starts = jax.lax.map(at_start, self.starts)
        return self.observable.statistic(Observed(along, starts))

    def weights(self, vector: jax.Array) -> jax.Array:
        """w_s(θ), equal at the parameters themselves."""
        field, species = self.simulation.field, self.simulation.system.species
        former, parameters = self.simulation.parameters, self.moved_to(vector).parameters

        def energy(point: Point, parameters: Mapping[str, Any]) -> jax.Array:
            neighbours = field.neighbours(point.positions, point.cell)
            return field.architecture.energy(parameters, species, point.positions, point.cell, neighbours)

        def change(point: Point) -> jax.Array:
            return energy(point, parameters) - jax.lax.stop_gradient(energy(point, former))

        return boltzmann_weights(jax.lax.map(change, self.starts), self.kelvin)

    def __call__(self, vector: jax.Array) -> jax.Array:
        """L(θ) at a vector of trainable parameters [P]."""
        return self.observable.loss(jnp.tensordot(self.weights(vector), self.statistics(vector), axes=1))

    def adjoint(self, tolerance: float) -> tuple[np.ndarray, float]:
        """The gradient as the campaign computes it [P], and the largest reversal error, Å."""
        own = self.simulation
        legs = run_legs(own, self.starts)
        along = {name: join_directions(array) for name, array in legs.series.items()}
        observed = Observed(along, observe_starts(own, self.starts))
        statistics = jax.jit(self.observable.statistic)(observed)
        count = len(self.starts.positions)
        weights = jnp.full(count, 1.0 / count, self.starts.positions.dtype)
        cotangent = jax.jit(jax.grad(self.observable.loss))(jnp.tensordot(weights, statistics, axes=1))
        contributions = jnp.tensordot(statistics, cotangent, axes=cotangent.ndim)
        gradient = chunk_gradient(
            own,
            self.starts,
            legs.ends,
            observed_seeds({"checked": self.observable}, {"checked": cotangent}, weights, observed),
            Weighing(weights, ensemble_coefficients(weights, contributions, self.kelvin), count),
            tolerance,
        )
        total = gradient.trajectory.sum(axis=0) + gradient.ensemble.sum(axis=0)
        return total, float(gradient.reversal_error.max())


def backpropagated(loss: CheckedLoss) -> np.ndarray:
    """dL/dθ by backpropagation [P]."""
    return np.asarray(jax.jit(jax.grad(loss))(loss.vector))


def compare_with_backpropagation(
    loss: CheckedLoss, tolerance: float, precision: str, reference: np.ndarray | None = None
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Rows of the check's table for the whole gradient, and the adjoint gradient [P].

    Arguments:
        loss: whose adjoint gradient is compared.
        tolerance: of the reversal, Å.
        precision: of the adjoint.
        reference: `backpropagated` of the same loss in double precision [P]; that of the loss itself if not given.
    """
    adjoint, reversal = loss.adjoint(tolerance)
    if reference is None:
        reference = backpropagated(loss)
    norm = np.linalg.norm(reference)
    rows = [
        {
            "comparison": "backpropagation",
            "precision": precision,
            "parameter": f"all ({len(reference)})",
            "adjoint": np.linalg.norm(adjoint),
            "reference": norm,
            "relative_error": np.linalg.norm(adjoint - reference) / norm,
            "cosine": adjoint @ reference / (np.linalg.norm(adjoint) * norm),
        },
        {"comparison": "reversal", "precision": precision, "parameter": "Å", "relative_error": reversal},
    ]
    return rows, adjoint


def compare_with_finite_differences(
    loss: CheckedLoss, adjoint: np.ndarray, displacement: float, count: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of the check's table for single parameters and one random direction in all of them.

    Arguments:
        loss: in double precision.
        adjoint: gradient to check [P].
        displacement: of the central difference, pure number.
        count: parameters, chosen at random among the tenth with the largest derivatives.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    largest = np.argsort(-np.abs(adjoint))[: max(len(adjoint) // 10, count)]
    chosen = rng.choice(largest, size=min(count, len(largest)), replace=False)
    directions = {f"number {index}": np.eye(1, len(adjoint), index)[0] for index in chosen}
    random = rng.normal(size=len(adjoint))
    directions["random direction"] = random / np.linalg.norm(random)
    value, rows = jax.jit(loss), []
    for name, direction in directions.items():
        shift = displacement * direction
        above, below = (value(loss.vector + sign * shift) for sign in (1.0, -1.0))
        reference = float(above - below) / (2.0 * displacement)
        own = float(adjoint @ direction)
        rows.append(
            {
                "comparison": "central difference",
                "precision": "float64",
                "parameter": name,
                "adjoint": own,
                "reference": reference,
                "relative_error": abs(own - reference) / abs(reference),
            }
        )
    return rows
