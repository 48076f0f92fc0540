"""The gradient of the objective: trajectory part by the adjoint, ensemble part by reweighting."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.dynamics.adjoint import walk_legs_back
from dynrefine.dynamics.force_field import ForceField
from dynrefine.dynamics.leapfrog import Simulation
from dynrefine.dynamics.mapping import Blocks
from dynrefine.dynamics.starting_points import starting_gradient
from dynrefine.dynamics.sufficient_lists import fold_points
from dynrefine.errors import CampaignError
from dynrefine.files.gradients import ChunkGradient
from dynrefine.files.models import flat_parameters
from dynrefine.files.trajectories import Observed, split_directions
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.geometry.system import Point
from dynrefine.properties.base import Observable


def observed_seeds(
    observables: Mapping[str, Observable],
    cotangents: Mapping[str, jax.typing.ArrayLike],
    weights: Float[Array, " S"],
    observed: Observed,
) -> Observed:
    """The derivative of the linearised loss with respect to everything that was observed.

    Arguments:
        observables: by name.
        cotangents: dL/dC of each observable's averaged statistic, the observable's weight included.
        weights: of the starting points in the average.
        observed: of these starting points.
    """

    def linearised_loss(
        observed: Observed, cotangents: Mapping[str, jax.Array], weights: jax.Array
    ) -> jax.Array:
        total = jnp.zeros((), weights.dtype)
        for name, observable in observables.items():
            mean = jnp.tensordot(weights, observable.statistic(observed), axes=1)
            total += jnp.sum(cotangents[name] * mean)
        return total

    # Everything that differs between chunks and iterations is an argument, so one program serves them all.
    own = {name: jnp.asarray(each, weights.dtype) for name, each in cotangents.items()}
    return jax.jit(jax.grad(linearised_loss))(observed, own, weights)


class Weighing(NamedTuple):
    """How the starting points of a chunk enter averages and their derivatives.

    Attributes:
        weights: in averages; those of all chunks of a state add up to one.
        coefficients: of ∂U/∂θ, or of that of the energies of atoms, from `reweighting.ensemble_coefficients`, 1/eV.
        chains: number of chains that the starting points come from in turn.
    """

    weights: Float[Array, " S"]
    coefficients: Float[Array, " S *N"]
    chains: int

    @property
    def of_atoms(self) -> bool:
        """Whether the energies of atoms have coefficients of their own."""
        return self.coefficients.ndim == 2

    def by_kind(self, species: Int[Array, " N"]) -> Float[np.ndarray, "S K"]:
        """The coefficients summed by kind of atom; a single kind if atoms have no coefficients of their own."""
        coefficients = np.asarray(self.coefficients)
        return coefficients @ _kinds(species).T if self.of_atoms else coefficients[:, None]


def chunk_gradient(
    simulation: Simulation,
    starts: Point,
    ends: tuple[Any, ...],
    seeds: Observed,
    weighing: Weighing,
    tolerance: float,
) -> ChunkGradient:
    """Both parts of the gradient of one chunk.

    Arguments:
        simulation: with times up to the kept state.
        starts: S starting points.
        ends: `Leg.ends` of the first F legs, kept positions and velocities first [F, 2, N, 3].
        seeds: of the first F starting points, from `observed_seeds`.
        weighing: of the starting points.
        tolerance: of the reversal, Å.

    Raises:
        CampaignError: a reversed trajectory missed its starting point, or the gradient is not finite.
    """
    followed = starts.first(len(ends[0]))
    some, every = (fitting_blocks(simulation, points, weighing.chains) for points in (followed, starts))
    trajectory, distance = trajectory_gradient(simulation, followed, ends, seeds.along, some)
    require_sound(simulation, trajectory, distance, tolerance)
    if seeds.at_start:
        trajectory = trajectory + np.asarray(starting_gradient(simulation, followed, seeds.at_start, some))
    species = simulation.system.species
    ensemble, mean = energy_gradients(simulation.field, simulation.parameters, species, starts, weighing)
    weights = np.asarray(weighing.weights)
    return ChunkGradient(
        trajectory=trajectory,
        trajectory_weights=some.sums(weights[: some.points]),
        ensemble=np.asarray(ensemble),
        ensemble_weights=every.sums(weights),
        coefficients=np.stack([every.sums(own) for own in weighing.by_kind(species).T], axis=1),
        mean_energy_gradient=np.asarray(mean),
        trajectory_chains=some.groups,
        ensemble_chains=every.groups,
        reversal_error=distance,
    )


def fitting_blocks(simulation: Simulation, points: Point, chains: int) -> Blocks:
    """The blocks in which gradients are summed, for starting points from so many chains."""
    size = flat_parameters(simulation.parameters["trainable"])[0].size
    return Blocks.fitting(len(points.positions), size, chains)


def trajectory_gradient(
    simulation: Simulation,
    starts: Point,
    ends: tuple[Any, ...],
    seeds: Mapping[str, Float[Array, "F frames ..."]],
    blocks: Blocks,
) -> tuple[Float[np.ndarray, "B P"], Float[np.ndarray, " F"]]:
    """The gradient through trajectories, zero where nothing is observed along them.

    Arguments:
        simulation, ends: as for `chunk_gradient`.
        starts: F starting points.
        seeds: dL/d(series) joined in time, by name.
        blocks: of the starting points, from `fitting_blocks`.

    Returns:
        rows that add up to it, one for each block of starting points, and the distance of each reversed trajectory
        from its start, Å.
    """
    split = {name: split_directions(seed) for name, seed in seeds.items()}
    if not split:
        rows = blocks.zeros(flat_parameters(simulation.parameters["trainable"])[0])
        return np.asarray(rows), np.zeros(len(starts.positions), starts.positions.dtype)
    positions, velocities, *lists = ends
    ends_in_cells = Point(positions, velocities, starts.cell)
    legs = walk_legs_back(simulation, ends_in_cells, split, lists[0] if lists else None, blocks)
    rows = np.asarray(jax.vmap(lambda tree: flat_parameters(tree)[0])(legs.gradient))
    return rows, simulation.times.arithmetic.distances(legs.positions, starts)


def require_sound(
    simulation: Simulation,
    rows: Float[np.ndarray, "B P"],
    distance: Float[np.ndarray, " F"],
    tolerance: float,
) -> None:
    """Make sure that a gradient can be trusted.

    Arguments:
        simulation: of the trajectories.
        rows, distance: from `trajectory_gradient`.
        tolerance: of the reversal, Å.

    Raises:
        CampaignError: a reversed trajectory missed its starting point, or the gradient is not finite.
    """
    if simulation.times.reversal == "exact":
        _require_exact_reversal(distance)
    else:
        _require_reversal(distance, tolerance)
    if not np.isfinite(rows).all():
        raise CampaignError(
            "the adjoint gradient is not finite, because trajectories of this length are too chaotic: lower "
            "gradient.depth."
        )


def _kinds(species: Int[Array, " N"]) -> Float[np.ndarray, "K N"]:
    """One for the atoms of each kind, zero for the others."""
    own = np.asarray(species)
    return (np.unique(own)[:, None] == own).astype(float)


def energy_gradients(
    field: ForceField,
    parameters: Mapping[str, Any],
    species: Int[Array, " N"],
    points: Point,
    weighing: Weighing,
) -> tuple[Float[Array, "B P"], Float[Array, "K P"]]:
    """∂U/∂θ at S points: its sums by block, with the coefficients, and its mean, with the weights, eV.

    If the energies of atoms have coefficients, the mean is that of an atom of each kind.

    Raises:
        CampaignError: they have coefficients, but the potential is no sum over atoms.
    """
    size = flat_parameters(parameters["trainable"])[0]
    blocks = Blocks.fitting(len(points.positions), size.size, weighing.chains)
    add, kinds = _add_energy_gradient, np.ones((1, len(species)))
    if weighing.of_atoms:
        _require_atomic_energies(field)
        add, kinds = _add_gradients_of_atoms, _kinds(species)
    nothing = blocks.zeros(size), jnp.zeros((len(kinds), size.size), size.dtype)
    shares = jnp.asarray(kinds / kinds.sum(axis=1, keepdims=True), size.dtype)
    own = points, jnp.asarray(blocks.numbers), weighing.weights, weighing.coefficients
    return fold_points(add, nothing, field, (parameters, species, shares), own)


def _require_atomic_energies(field: ForceField) -> None:
    if not hasattr(field.architecture, "atomic_energies"):
        raise CampaignError(
            "gradient.locality is set, but the potential has no energies of single atoms (atomic_energies): "
            "remove gradient.locality."
        )


def _add_energy_gradient(
    sums: tuple[jax.Array, jax.Array],
    field: ForceField,
    common: Any,
    point: Point,
    neighbours: NeighbourList,
    number: jax.Array,
    weight: jax.Array,
    coefficient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    parameters, species, _ = common

    def energy(trainable: Any) -> jax.Array:
        moved = {**parameters, "trainable": trainable}
        return field.architecture.energy(moved, species, point.positions, point.cell, neighbours)

    rows, mean = sums
    gradient = flat_parameters(jax.grad(energy)(parameters["trainable"]))[0]
    return rows.at[number].add(coefficient * gradient), mean + weight * gradient[None]


def _add_gradients_of_atoms(
    sums: tuple[jax.Array, jax.Array],
    field: ForceField,
    common: Any,
    point: Point,
    neighbours: NeighbourList,
    number: jax.Array,
    weight: jax.Array,
    coefficients: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    parameters, species, shares = common

    def energies(trainable: Any) -> jax.Array:
        moved = {**parameters, "trainable": trainable}
        return field.architecture.atomic_energies(moved, species, point.positions, point.cell, neighbours)

    _, pull = jax.vjp(energies, parameters["trainable"])
    gradient, *of_kinds = (flat_parameters(pull(each)[0])[0] for each in (coefficients, *shares))
    rows, mean = sums
    return rows.at[number].add(gradient), mean + weight * jnp.stack(of_kinds)


def _require_reversal(distance: np.ndarray, tolerance: float) -> None:
    worst = float(np.max(distance))
    if not worst <= tolerance:
        raise CampaignError(
            f"a reversed trajectory missed its starting point by {worst:.2g} Å, expected at most {tolerance:g} Å "
            "(gradient.reversal_tolerance): lower gradient.depth, set precision: float64, or raise the tolerance."
        )


def _require_exact_reversal(distance: np.ndarray) -> None:
    worst = float(np.max(distance))
    if worst > 0.0:
        raise CampaignError(
            f"a trajectory with trajectory.reversal: exact missed its starting point by {worst:.2g} Å, because "
            "its forces differed on the way back: run all jobs of an iteration on machines of the same type and with "
            "the same version of JAX, or set trajectory.reversal: floating."
        )
