"""Fitting the dipole surface to the dipole around each atom, from Wannier centres."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.files.parity import Parity
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours
from dynrefine.training.base import Task, evaluated_by, frames_with, relative_error

Evaluated = tuple[np.ndarray, np.ndarray]  # dipoles as `compared` gives them


def predictions(architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
    """The dipole around each atom beyond its formal charge [F, N, 3], e Å."""
    return data.evaluate(partial(architecture.local_dipoles, parameters))


def compared(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> tuple[jax.Array, jax.Array]:
    """Dipoles around the atoms [F, N, 3] in e Å, as predicted and as labelled."""
    return predictions(architecture, parameters, data), jnp.asarray(data.frames.local_dipoles)


def loss(architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
    """Mean squared error of a component of the dipole around an atom, e²Å²."""
    predicted, labelled = compared(architecture, parameters, data)
    residuals = predicted - labelled
    present = data.frames.species >= 0
    squared = jnp.where(present[..., None], residuals, 0.0) ** 2
    return jnp.sum(squared) / (3 * jnp.sum(present)).astype(squared.dtype)


prepared = frames_with(
    lambda frames: frames.local_dipoles,
    "dipoles around its atoms: give frames with displacements of Wannier centres by atom (atomic_dipole, with "
    "dipole: wannier), or train on total dipoles (task: dipole).",
)


def errors(
    evaluated: Evaluated, frames: LabelledFrames, symbols: Sequence[str]
) -> dict[str, tuple[float, str]]:
    """Root mean square errors of a component: the value and its unit, by quantity.

    Arguments:
        evaluated: as `compared` gives them.
        frames: the same frames.
        symbols: of the elements.
    """
    predicted, labelled = evaluated
    found = {}
    for element, symbol in enumerate(symbols):
        chosen = np.asarray(frames.species) == element
        error = float(np.sqrt(np.mean((predicted - labelled)[chosen] ** 2)))
        spread = float(np.std(labelled[chosen]))
        found |= {f"dipole around {symbol}": (error, "e Å")}
        found |= relative_error(f"dipole around {symbol}, relative to its spread", error, spread)
    return found


def parity(evaluated: Evaluated, frames: LabelledFrames) -> list[Parity]:
    """Labelled and predicted components, of the atoms with a labelled dipole, for a parity plot."""
    predicted, labelled = evaluated
    chosen = np.any(labelled != 0.0, axis=-1)
    return [Parity("dipoles", "e Å", labelled[chosen].ravel(), predicted[chosen].ravel())]


TASK = Task(prepared, lambda settings: loss, evaluated_by(compared), errors, parity, compared)
