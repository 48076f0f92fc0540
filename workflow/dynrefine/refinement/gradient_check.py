"""The gradient against independent ways to compute it, on short trajectories of a few starting points.

The loss of an observable is L(θ) = loss(Σ_s w_s(θ) c_s(θ)): the trajectories start at fixed points and depend on θ
through the forces, the weights w_s ∝ exp(-β U(x_s; θ)) through the probability of the points. Its derivative is
exactly what the campaign calls the gradient. One program computes all observables along the same trajectories.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.leapfrog import Simulation, propagate
from dynrefine.dynamics.mapping import for_each
from dynrefine.dynamics.replicas import both_ways, run_legs, with_enough_room
from dynrefine.dynamics.starting_points import observe_starts
from dynrefine.files.models import flat_parameters
from dynrefine.files.trajectories import Observed, join_directions
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Observable
from dynrefine.refinement.gradient import Weighing, chunk_gradient, observed_seeds
from dynrefine.sampling.reweighting import boltzmann_weights, ensemble_coefficients


@dataclass(frozen=True, eq=False)
class CheckedLosses:
    """What the losses of the check depend on, apart from the trainable parameters.

    Attributes:
        simulation: of the trajectories.
        observables: whose losses they are, by name; K of them.
        kelvin: temperature, K.
        starts: of the trajectories.
    """

    simulation: Simulation
    observables: Mapping[str, Observable]
    kelvin: float
    starts: Point

    @property
    def vector(self) -> jax.Array:
        """The trainable parameters [P]."""
        return flat_parameters(self.simulation.parameters["trainable"])[0]

    def with_enough_room(self) -> "CheckedLosses":
        """The same with sufficient neighbour lists: a run that is differentiated directly cannot enlarge its own."""
        return replace(self, simulation=replace(self.simulation, field=self._sufficient))

    @cached_property
    def _sufficient(self) -> ForceField:
        """Found once for all references, because it takes a run of all trajectories."""
        return with_enough_room(_floating(self.simulation), self.starts).field

    def moved_to(self, vector: jax.Array) -> Simulation:
        """The simulation with the trainable parameters of a vector [P]."""
        parameters = self.simulation.parameters
        restore = flat_parameters(parameters["trainable"])[1]
        return replace(self.simulation, parameters={**parameters, "trainable": restore(vector)})

    def statistics(self, vector: jax.Array) -> dict[str, jax.Array]:
        """c_s(θ) of every starting point, differentiable by backpropagation step by step in floating point."""
        moved = self.moved_to(vector)
        leg = partial(propagate, _floating(moved), rematerialise=True)
        legs, _ = for_each(both_ways(leg))(self.starts)
        along = {name: join_directions(array) for name, array in legs.series.items()}

        def at_start(start: Point) -> dict[str, jax.Array]:
            neighbours = moved.field.neighbours(start.positions, start.cell)
            return moved.observed(moved.at_start, moved.parameters["trainable"], start, neighbours)

        starts = jax.lax.map(at_start, self.starts)
        return self.statistics_of(Observed(along, starts))

    def statistics_of(self, observed: Observed) -> dict[str, jax.Array]:
        """The statistics of what was observed, by observable."""
        return {name: observable.statistic(observed) for name, observable in self.observables.items()}

    def weights(self, vector: jax.Array) -> jax.Array:
        """w_s(θ), all equal at the present parameters."""
        field, species = self.simulation.field, self.simulation.system.species
        former, parameters = self.simulation.parameters, self.moved_to(vector).parameters

        def energy(point: Point, parameters: Mapping[str, Any]) -> jax.Array:
            neighbours = field.neighbours(point.positions, point.cell)
            return field.architecture.energy(parameters, species, point.positions, point.cell, neighbours)

        def change(point: Point) -> jax.Array:
            return energy(point, parameters) - jax.lax.stop_gradient(energy(point, former))

        return boltzmann_weights(jax.lax.map(change, self.starts), self.kelvin)

    def __call__(self, vector: jax.Array) -> jax.Array:
        """L(θ) of each observable [K] at a vector of trainable parameters [P]."""
        weights, statistics = self.weights(vector), self.statistics(vector)
        losses = [
            observable.loss(jnp.tensordot(weights, statistics[name], axes=1))
            for name, observable in self.observables.items()
        ]
        return jnp.stack(losses)

    def adjoint(self, tolerance: float) -> tuple[np.ndarray, float]:
        """The gradients as the campaign computes them [K, P], and the largest reversal error, Å."""
        own = self.simulation
        legs = run_legs(own, self.starts)
        along = {name: join_directions(array) for name, array in legs.series.items()}
        observed = Observed(along, observe_starts(own, self.starts))
        statistics = jax.jit(self.statistics_of)(observed)
        count = len(self.starts.positions)
        weights = jnp.full(count, 1.0 / count, self.starts.positions.dtype)
        means = {name: jnp.tensordot(weights, each, axes=1) for name, each in statistics.items()}
        cotangents = {
            name: jax.jit(jax.grad(observable.loss))(means[name])
            for name, observable in self.observables.items()
        }
        totals, reversals = [], []
        for name, cotangent in cotangents.items():
            # The cotangents of all others are zero, so one program differentiates each loss.
            alone = {other: float(other == name) * each for other, each in cotangents.items()}
            contributions = jnp.tensordot(statistics[name], cotangent, axes=cotangent.ndim)
            gradient = chunk_gradient(
                own,
                self.starts,
                legs.ends,
                observed_seeds(self.observables, alone, weights, observed),
                Weighing(weights, ensemble_coefficients(weights, contributions, self.kelvin), count),
                tolerance,
            )
            totals.append(gradient.trajectory.sum(axis=0) + gradient.ensemble.sum(axis=0))
            reversals.append(gradient.reversal_error.max())
        return np.stack(totals), float(max(reversals))


def backpropagated(losses: CheckedLosses) -> np.ndarray:
    """dL/dθ by backpropagation [K, P]."""
    losses = losses.with_enough_room()
    of_one = jax.jit(jax.grad(lambda vector, chosen: jnp.vdot(chosen, losses(vector))))
    chosen = np.eye(len(losses.observables), dtype=losses.vector.dtype)
    return np.stack([of_one(losses.vector, each) for each in chosen])


def compare_with_backpropagation(
    losses: CheckedLosses, tolerance: float, precision: str, reference: np.ndarray | None = None
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Rows of the check's table for the whole gradients, and the adjoint gradients [K, P].

    Arguments:
        losses: whose adjoint gradients are compared.
        tolerance: of the reversal, Å.
        precision: of the adjoint.
        reference: `backpropagated` of the same losses in double precision [K, P]; if not given, that of the losses
            themselves.
    """
    adjoint, reversal = losses.adjoint(tolerance)
    if reference is None:
        reference = backpropagated(losses)
    rows = []
    for name, own, expected in zip(losses.observables, adjoint, reference, strict=True):
        norm = np.linalg.norm(expected)
        rows += [
            {
                "observable": name,
                "comparison": "backpropagation",
                "precision": precision,
                "parameter": f"all ({len(expected)})",
                "adjoint": np.linalg.norm(own),
                "reference": norm,
                "relative_error": np.linalg.norm(own - expected) / norm,
                "cosine": own @ expected / (np.linalg.norm(own) * norm),
            },
            {
                "observable": name,
                "comparison": "reversal",
                "precision": precision,
                "parameter": "Å",
                "relative_error": reversal,
            },
        ]
    return rows, adjoint


def compare_with_finite_differences(
    losses: CheckedLosses, adjoint: np.ndarray, displacement: float, count: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of the check's table for single parameters and one random direction in all of them.

    Arguments:
        losses: in double precision.
        adjoint: gradients to check [K, P].
        displacement: of the central difference, pure number.
        count: parameters for each loss, chosen at random from the tenth with its largest derivatives.
        seed: of the choice.
    """
    values, rows = jax.jit(losses.with_enough_room()), []
    for number, (name, gradient) in enumerate(zip(losses.observables, adjoint, strict=True)):
        for parameter, direction in _directions(gradient, count, seed).items():
            shift = displacement * direction
            above, below = (float(values(losses.vector + sign * shift)[number]) for sign in (1.0, -1.0))
            reference = (above - below) / (2.0 * displacement)
            own = float(gradient @ direction)
            rows.append(
                {
                    "observable": name,
                    "comparison": "central difference",
                    "precision": "float64",
                    "parameter": parameter,
                    "adjoint": own,
                    "reference": reference,
                    "relative_error": abs(own - reference) / abs(reference),
                }
            )
    return rows


def _floating(simulation: Simulation) -> Simulation:
    """The same in floating point."""
    return replace(simulation, times=replace(simulation.times, reversal="floating"))


def _directions(gradient: np.ndarray, count: int, seed: int) -> dict[str, np.ndarray]:
    """Directions of `count` single parameters, and a random one of unit length in all of them [P]."""
    rng = np.random.default_rng(seed)
    largest = np.argsort(-np.abs(gradient))[: max(len(gradient) // 10, count)]
    chosen = rng.choice(largest, size=min(count, len(largest)), replace=False)
    directions = {f"number {index}": np.eye(1, len(gradient), index)[0] for index in chosen}
    random = rng.normal(size=len(gradient))
    return directions | {"random direction": random / np.linalg.norm(random)}
