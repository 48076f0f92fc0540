"""Fitting the dipole surface to Berry-phase dipoles."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.models import Model
from dynrefine.training.frames_with_neighbours import FramesWithNeighbours


def nearest_branch(difference: jax.Array, cells: jax.Array) -> jax.Array:
    """Dipole differences [F, 3] in e Å, brought to the branch nearest zero.

    A Berry-phase dipole is defined modulo e times the cell vectors (rows of cells [F, 3, 3], Å).
    """
    quanta = jnp.einsum("fi,fij->fj", difference, jnp.linalg.inv(cells))
    return jnp.einsum("fi,fij->fj", quanta - jnp.round(quanta), cells)


def dipole_residuals(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> jax.Array:
    """Predicted less labelled dipole [F, 3] in e Å, on the nearest branch."""

    def one(species: Any, positions: Any, cell: Any, neighbours: Any) -> jax.Array:
        return architecture.dipole(parameters, species, positions, cell, neighbours)

    return nearest_branch(data.evaluate(one) - data.frames.dipoles, data.frames.cells)


def dipole_loss(architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
    """Mean squared dipole component error per atom, e²Å²."""
    residuals = dipole_residuals(architecture, parameters, data)
    atoms = jnp.sum(data.frames.species >= 0, axis=1)
    return jnp.mean(jnp.sum(residuals**2, axis=1) / (3 * atoms))


def dipole_errors(model: Model, data: FramesWithNeighbours) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """Error of the dipole surface on labelled frames.

    Returns:
        {"dipole_eA", "spread_eA", "relative_error"}: root mean square error of a component, the standard deviation
        of the labels on the branch of the predictions, and their ratio; then the predicted and the labelled
        dipoles [F, 3] in e Å, both less the formal charges' part, the labels on the branch of the predictions.
    """
    architecture = model.architecture
    residuals = np.asarray(jax.jit(lambda p, d: dipole_residuals(architecture, p, d))(model.parameters, data))

    def one(species: Any, positions: Any, cell: Any, neighbours: Any) -> jax.Array:
        return architecture.dipole(model.parameters, species, positions, cell, neighbours)

    predicted = np.asarray(jax.jit(lambda d: d.evaluate(one))(data))
    labelled = predicted - residuals
    error = float(np.sqrt(np.mean(residuals**2)))
    spread = float(np.sqrt(np.mean((labelled - labelled.mean(axis=0)) ** 2)))
    summary = {"dipole_eA": error, "spread_eA": spread, "relative_error": error / spread}
    return summary, predicted, labelled
