"""The interface of surfaces, and derivatives of any potential.

A surface is a frozen dataclass of its architecture with `cutoff` (Å), `from_settings(settings, elements)`,
`initial_parameters(key)`, and functions of (parameters, species, positions, cell, neighbours): `energy` for a
potential, `dipole` and `dipole_derivative` for a dipole surface. Parameters are a tree {"trainable": ...,
"constants": ...}, of which the first part is trained and refined. A surface may start from parameters that are not
random (`first_parameters`) and take constants from the training frames (`fitted_constants`). A sum over atoms may
give the contribution of each (`atomic_energies`, `atomic_dipole_derivatives`), which gradient.locality needs. A
surface whose sums suffice only up to some width of the cell gives the width of cells in units of it
(`relative_width`). A potential may have its own `forces_and_pullback` and `strain_derivative_and_pullback`, where
these are faster than automatic differentiation of its energy.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dynrefine.errors import CampaignError
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.surfaces.forward_mode import jvp

_WIDEST = 1.1  # in units of the width for which a surface's sums suffice; at constant pressure cells breathe


class Surface(NamedTuple):
    """A surface as observed quantities see it; the parameters may be traced.

    Attributes:
        architecture: of the surface.
        parameters: {"trainable", "constants"}, trees of arrays.
    """

    architecture: Any
    parameters: Mapping[str, Any]


def require_no_wider(architecture: Any, cells: np.ndarray) -> None:
    """Check that the sums of a surface suffice for cells [..., 3, 3], Å.

    Raises:
        CampaignError: one of them is too wide.
    """
    if not hasattr(architecture, "relative_width"):
        return
    found = float(np.max(architecture.relative_width(np.asarray(cells, float))))
    if found > _WIDEST:
        raise CampaignError(
            f"a cell is {found:.2f} times as wide as the reciprocal_vectors of the potential allow, expected at "
            f"most {_WIDEST}: take a smaller cell, or a potential made with that many times more of them."
        )


def energy_forces_stress(
    potential: Any,
    parameters: Mapping[str, Any],
    species: Int[Array, " N"],
    positions: Float[Array, "N 3"],
    cell: Float[Array, "3 3"],
    neighbours: NeighbourList,
) -> tuple[Float[Array, ""], Float[Array, "N 3"], Float[Array, "3 3"]]:
    """Energy in eV, forces in eV/Å and stress in eV/Å³ (positive under tension, as in ASE).

    The stress is the derivative of the energy with respect to a homogeneous strain, divided by the volume.
    """

    def strained(positions: jax.Array, strain: jax.Array) -> jax.Array:
        return _strained_energy(potential, parameters, species, positions, cell, neighbours, strain)

    zero = jnp.zeros((3, 3), dtype=positions.dtype)
    energy, (gradient, virial) = jax.value_and_grad(strained, argnums=(0, 1))(positions, zero)
    return energy, -gradient, virial / jnp.abs(jnp.linalg.det(cell))


def labels_of(
    potential: Any,
    parameters: Mapping[str, Any],
    species: jax.Array,
    positions: jax.Array,
    cell: jax.Array,
    neighbours: NeighbourList,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """As `energy_forces_stress`, to be differentiated backwards by the trainable parameters only."""
    frame = species, positions, cell, neighbours
    return _labels(potential, parameters["trainable"], parameters["constants"], frame)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _labels(
    potential: Any, trainable: Any, constants: Any, frame: tuple[Any, ...]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    return energy_forces_stress(potential, {"trainable": trainable, "constants": constants}, *frame)


def _labels_forwards(potential: Any, *arguments: Any) -> tuple[Any, Any]:
    return _labels(potential, *arguments), arguments


def _labels_backwards(potential: Any, arguments: Any, cotangents: tuple[jax.Array, ...]) -> tuple[Any, ...]:
    """Forces and stress add the change of the energy's gradient by the parameters along their cotangents."""
    trainable, constants, (species, positions, cell, neighbours) = arguments
    by_energy, by_forces, by_stress = cotangents

    def gradient(positions: jax.Array, strain: jax.Array) -> Any:
        def energy(trainable: Any) -> jax.Array:
            own = {"trainable": trainable, "constants": constants}
            return _strained_energy(potential, own, species, positions, cell, neighbours, strain)

        return jax.grad(energy)(trainable)

    along = -by_forces, by_stress / jnp.abs(jnp.linalg.det(cell))
    of_energy, of_others = jvp(gradient, (positions, jnp.zeros_like(cell)), along)
    return jax.tree.map(lambda one, other: by_energy * one + other, of_energy, of_others), None, None


_labels.defvjp(_labels_forwards, _labels_backwards)


def strain_derivative(
    potential: Any,
    parameters: Mapping[str, Any],
    species: Int[Array, " N"],
    positions: Float[Array, "N 3"],
    cell: Float[Array, "3 3"],
    neighbours: NeighbourList,
) -> Float[Array, "3 3"]:
    """∂U/∂strain of a homogeneous strain, eV: the stress of `energy_forces_stress` times the volume.

    It can be differentiated backwards by positions and trainable parameters, at the cost of the products of a force:
    for a cotangent s, the result is the change of the energy's gradient along the strain s.
    """
    frame = species, cell, neighbours
    return _strain_derivative(potential, parameters["trainable"], positions, parameters["constants"], frame)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _strain_derivative(
    potential: Any, trainable: Any, positions: jax.Array, constants: Any, frame: tuple[Any, ...]
) -> jax.Array:
    species, cell, neighbours = frame
    parameters = {"trainable": trainable, "constants": constants}
    if hasattr(potential, "strain_derivative_and_pullback"):
        return potential.strain_derivative_and_pullback(parameters, species, positions, cell, neighbours)[0]

    def energy(strain: jax.Array) -> jax.Array:
        return _strained_energy(potential, parameters, species, positions, cell, neighbours, strain)

    return jax.grad(energy)(jnp.zeros_like(cell))


def _strain_derivative_forwards(potential: Any, *arguments: Any) -> tuple[jax.Array, Any]:
    return _strain_derivative(potential, *arguments), arguments


def _strain_derivative_backwards(potential: Any, arguments: Any, cotangent: jax.Array) -> tuple[Any, ...]:
    trainable, positions, constants, (species, cell, neighbours) = arguments
    if hasattr(potential, "strain_derivative_and_pullback"):
        parameters = {"trainable": trainable, "constants": constants}
        _, pull = potential.strain_derivative_and_pullback(parameters, species, positions, cell, neighbours)
        by_positions, by_trainable = pull(0.5 * (cotangent + cotangent.T))
        return by_trainable, by_positions, None, None

    def gradient(strain: jax.Array) -> Any:
        def energy(trainable: Any, positions: jax.Array) -> jax.Array:
            own = {"trainable": trainable, "constants": constants}
            return _strained_energy(potential, own, species, positions, cell, neighbours, strain)

        return jax.grad(energy, argnums=(0, 1))(trainable, positions)

    _, (by_trainable, by_positions) = jvp(gradient, (jnp.zeros_like(cell),), (cotangent,))
    return by_trainable, by_positions, None, None


_strain_derivative.defvjp(_strain_derivative_forwards, _strain_derivative_backwards)


def _strained_energy(
    potential: Any,
    parameters: Mapping[str, Any],
    species: jax.Array,
    positions: jax.Array,
    cell: jax.Array,
    neighbours: NeighbourList,
    strain: jax.Array,
) -> jax.Array:
    deformation = jnp.eye(3, dtype=positions.dtype) + 0.5 * (strain + strain.T)
    return potential.energy(parameters, species, positions @ deformation, cell @ deformation, neighbours)
