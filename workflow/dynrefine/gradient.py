"""The gradient of the objective: trajectory part by the adjoint, ensemble part by reweighting."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.dynamics.force_field import ForceField, over_configurations
from dynrefine.dynamics.leapfrog import Simulation
from dynrefine.dynamics.replicas import split_directions, walk_legs_back
from dynrefine.errors import CampaignError
from dynrefine.models import flat_parameters
from dynrefine.neighbours import NeighbourList
from dynrefine.observables.base import Observable
from dynrefine.statics import STATICS, statics_gradient
from dynrefine.storage import ArrayFile, read_arrays, write_arrays
from dynrefine.system import System


@dataclass(frozen=True)
class ChunkGradient:
    """What the starting points of one chunk contribute to dL/dθ; their sum over all chunks is the gradient.

    Attributes:
        trajectory: from fixed starting points: through the dynamics, and explicitly in statics [F, P]; the adjoint
            follows the first F of the starting points.
        energy_gradients: ∂U/∂θ at the starting points [S, P], eV.
        coefficients: with which these enter the ensemble part [S], 1/eV; they add up to zero over all chunks.
        reversal_error: largest distance of an atom of each reversed trajectory from its start [F], Å.
    """

    trajectory: np.ndarray
    energy_gradients: np.ndarray
    coefficients: np.ndarray
    reversal_error: np.ndarray

    @property
    def ensemble(self) -> np.ndarray:
        """Through the probability of the starting points [S, P]."""
        return self.coefficients[:, None] * self.energy_gradients


def series_seeds(
    observables: Mapping[str, Observable],
    cotangents: Mapping[str, jax.Array],
    weights: jax.Array,
    series: Mapping[str, jax.Array],
) -> dict[str, jax.Array]:
    """dL/d(series) and dL/d(statics) of each starting point.

    Arguments:
        observables: by name.
        cotangents: dL/dC of each observable's averaged statistic, the observable's weight included.
        weights: of the starting points in the average [S].
        series: joined in time, by name [S, frames, ...], and statics [S, ...].

    Returns:
        a tree like `series`.
    """

    def linearised_loss(series: Mapping[str, jax.Array]) -> jax.Array:
        total = jnp.zeros((), weights.dtype)
        for name, observable in observables.items():
            mean = jnp.tensordot(weights, observable.statistic(series), axes=1)
            total += jnp.sum(cotangents[name] * mean)
        return total

    return jax.jit(jax.grad(linearised_loss))(dict(series))


def chunk_gradient(
    simulation: Simulation,
    starts: jax.Array,
    ends: tuple[Any, ...],
    seeds: Mapping[str, jax.Array],
    coefficients: jax.Array,
    tolerance: float,
) -> ChunkGradient:
    """Both parts of the gradient of one chunk.

    Arguments:
        simulation: see there, its frames until the kept state.
        starts: starting points [S, N, 3], Å.
        ends: `Leg.ends` of the first F legs, kept positions and velocities first [F, 2, N, 3].
        seeds: dL/d(series) joined in time, by name [F, frames, ...], and dL/d(statics) [F, ...].
        coefficients: from `reweighting.ensemble_coefficients` [S], 1/eV.
        tolerance: of the reversal, Å.

    Raises:
        CampaignError: a reversed trajectory missed its starting point, or the gradient is not finite.
    """
    followed = starts[: len(ends[0])]
    trajectory, distance = trajectory_gradient(simulation, followed, ends, seeds, tolerance)
    energetics = simulation.field, simulation.parameters, simulation.system
    static = {name: seed for name, seed in seeds.items() if name in STATICS}
    if static:
        trajectory = trajectory + np.asarray(statics_gradient(*energetics, followed, static))
    return ChunkGradient(
        trajectory=trajectory,
        energy_gradients=np.asarray(energy_gradients(*energetics, starts)),
        coefficients=np.asarray(coefficients),
        reversal_error=distance,
    )


def trajectory_gradient(
    simulation: Simulation,
    starts: jax.Array,
    ends: tuple[Any, ...],
    seeds: Mapping[str, jax.Array],
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient through trajectories, zero where nothing is observed along them.

    Arguments:
        as for `chunk_gradient`, the starting points [F, N, 3] those of the trajectories.

    Returns:
        rows that add up to it [F, P], and the distance of each reversed trajectory from its start [F], Å.

    Raises:
        CampaignError: a reversed trajectory missed its starting point, or the gradient is not finite.
    """
    split = {name: split_directions(seed) for name, seed in seeds.items() if name not in STATICS}
    if not split:
        size = flat_parameters(simulation.parameters["trainable"])[0].size
        return np.zeros((len(starts), size), starts.dtype), np.zeros(len(starts), starts.dtype)
    positions, velocities, *lists = ends
    legs = walk_legs_back(simulation, positions, velocities, split, *lists)
    frames = simulation.frames
    distance = frames.arithmetic.distances(legs.positions, starts, simulation.system)
    if frames.reversal == "exact":
        _require_exact_reversal(distance)
    else:
        _require_reversal(distance, tolerance)
    rows = np.asarray(jax.vmap(jax.vmap(lambda tree: flat_parameters(tree)[0]))(legs.gradient).sum(axis=1))
    if not np.isfinite(rows).all():
        raise CampaignError(
            "the adjoint gradient is not finite: chaos has overwhelmed the trajectories; lower gradient.depth."
        )
    return rows, distance


def energy_gradients(
    field: ForceField, parameters: Mapping[str, Any], system: System, positions: jax.Array
) -> jax.Array:
    """∂U/∂θ of configurations: [S, P] in eV from positions [S, N, 3] in Å."""

    def one(
        field: ForceField, parameters: Mapping[str, Any], x: jax.Array, neighbours: NeighbourList
    ) -> jax.Array:
        def energy(trainable: Any) -> jax.Array:
            own = {**parameters, "trainable": trainable}
            return field.architecture.energy(own, system.species, x, system.cell, neighbours)

        return flat_parameters(jax.grad(energy)(parameters["trainable"]))[0]

    return over_configurations(one, field, parameters, system, positions)


def save_gradient(path: str | Path, gradient: ChunkGradient, seconds_per_step: float) -> None:
    """Write a chunk's gradient, with the time that a step of one replica took (s)."""
    arrays = {field.name: getattr(gradient, field.name) for field in fields(gradient)}
    units = {"trajectory": "1", "energy_gradients": "eV", "coefficients": "1/eV", "reversal_error": "Å"}
    write_arrays(path, "gradient", ArrayFile(arrays, units, {"seconds_per_step": seconds_per_step}))


def load_gradient(path: str | Path) -> tuple[ChunkGradient, float] | None:
    """Read a chunk's gradient and the seconds per step; nothing where the job passed through."""
    content = read_arrays(path, "gradient")
    if content.passed_through:
        return None
    return ChunkGradient(**content.arrays), content.metadata["seconds_per_step"]


def _require_reversal(distance: np.ndarray, tolerance: float) -> None:
    worst = float(np.max(distance))
    if not worst <= tolerance:
        raise CampaignError(
            f"a reversed trajectory missed its starting point by {worst:.2g} Å where gradient.reversal_tolerance "
            f"allows {tolerance:g} Å: shorten gradient.depth, set precision: float64, or allow more."
        )


def _require_exact_reversal(distance: np.ndarray) -> None:
    worst = float(np.max(distance))
    if worst > 0.0:
        raise CampaignError(
            f"a trajectory with trajectory.reversal: exact missed its starting point by {worst:.2g} Å, since "
            "its forces were not the same on the way back: run the jobs of an iteration on machines of one type with "
            "one version of JAX, or set trajectory.reversal: floating."
        )
