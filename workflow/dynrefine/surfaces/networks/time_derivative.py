"""Time derivatives of sums of network outputs over atoms, such as dipoles and polarizabilities."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.geometry.neighbours import NeighbourList, displacements
from dynrefine.surfaces.networks.environment_network import EnvironmentNetwork, Environments

Contribution = Callable[[Mapping[str, Any], Environments], jax.Array]


def sum_of(
    network: EnvironmentNetwork,
    contribution: Callable[[Any, Environments], jax.Array],
    parameters: Any,
    species: jax.Array,
    geometry: tuple[jax.Array, jax.Array, NeighbourList],
) -> jax.Array:
    """Σ contribution(parameters, atoms); see `EnvironmentNetwork.sum_over_atoms`.

    Arguments:
        network: whose blocks of atoms are summed over.
        contribution, parameters, species: as there.
        geometry: positions [N, 3] and cell [3, 3] in Å, and neighbours.
    """
    positions, cell, neighbours = geometry
    vectors = displacements(positions, cell, neighbours)
    return network.sum_over_atoms(contribution, parameters, species, vectors, neighbours.indices)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def time_derivative(
    network: EnvironmentNetwork,
    contribution: Contribution,
    parameters: Mapping[str, Any],
    species: jax.Array,
    geometry: tuple[jax.Array, jax.Array, NeighbourList],
    velocities: jax.Array,
) -> jax.Array:
    """d/dt of `sum_of` along velocities [N, 3] in Å/fs; can be differentiated backwards once."""
    positions, cell, neighbours = geometry

    def total(positions: jax.Array) -> jax.Array:
        return sum_of(network, contribution, parameters, species, (positions, cell, neighbours))

    return jax.jvp(total, (positions,), (velocities,))[1]


def _forwards(network: EnvironmentNetwork, contribution: Contribution, *arguments: Any) -> tuple[Any, Any]:
    return time_derivative(network, contribution, *arguments), arguments


def _backwards(
    network: EnvironmentNetwork, contribution: Contribution, arguments: Any, seed: jax.Array
) -> tuple[Any, ...]:
    """Derivatives of s·(∂M/∂x) v as those of the gradient of s·M along v: twice as fast as the transpose."""
    parameters, species, (positions, cell, neighbours), velocities = arguments

    def along_seed(shared: tuple[Mapping[str, Any], jax.Array], atoms: Environments) -> jax.Array:
        own, seed = shared
        return jnp.vdot(contribution(own, atoms), seed)

    def gradients(positions: jax.Array) -> tuple[Any, jax.Array, jax.Array]:
        def projected(parameters: Any, positions: jax.Array, cell: jax.Array) -> jax.Array:
            geometry = positions, cell, neighbours
            return sum_of(network, along_seed, (parameters, seed), species, geometry)

        return jax.grad(projected, argnums=(0, 1, 2))(parameters, positions, cell)

    (_, by_velocities, _), along = jax.jvp(gradients, (positions,), (velocities,))
    by_parameters, by_positions, by_cell = along
    return by_parameters, None, (by_positions, by_cell, None), by_velocities


time_derivative.defvjp(_forwards, _backwards)
