"""Fitting the polarizability surface to that of cells, or to the contribution of each atom where known."""

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

Evaluated = tuple[np.ndarray, np.ndarray]  # polarizabilities as `compared` gives them


def predictions(architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
    """The contribution of each atom to the polarizability [F, N, 3, 3], Å³."""
    return data.evaluate(partial(architecture.local_polarizabilities, parameters))


def compared(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> tuple[jax.Array, jax.Array]:
    """Polarizabilities of the cells [F, 3, 3] in Å³, as predicted and as labelled."""
    predicted = jnp.sum(predictions(architecture, parameters, data), axis=1)
    return predicted, jnp.asarray(data.frames.polarizabilities)


def loss(architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
    """Mean squared error of a component, Å⁶: of an atom's contribution, or of the sum over the root of N atoms."""
    predicted, frames = predictions(architecture, parameters, data), data.frames
    present = frames.species >= 0
    known = jnp.all(jnp.isfinite(frames.local_polarizabilities), axis=(1, 2, 3))
    chosen = (known[:, None] & present)[:, :, None, None]
    of_atoms = jnp.where(chosen, predicted - frames.local_polarizabilities, 0.0) ** 2
    of_cells = (jnp.sum(predicted, axis=1) - frames.polarizabilities) ** 2
    squares = jnp.where(known, jnp.sum(of_atoms, axis=(1, 2, 3)), jnp.sum(of_cells, axis=(1, 2)))
    return jnp.mean(squares / (9 * jnp.sum(present, axis=1)).astype(squares.dtype))


prepared = frames_with(
    lambda frames: frames.polarizabilities,
    "a polarizability: give frames with one (key `polarizability`, nine numbers in Å³, or atomic_polarizability by "
    "atom) in the dataset of the surface.",
)


def errors(
    evaluated: Evaluated, frames: LabelledFrames, symbols: Sequence[str]
) -> dict[str, tuple[float, str]]:
    """Errors on labelled frames, and the spreads to compare them with.

    Arguments:
        evaluated: predictions and labels.
        frames, symbols: unused, since `evaluated` holds the labels.

    Returns:
        the value and its unit, by quantity, for the mean polarizability and for the traceless rest.
    """
    found = {}
    parts = (_split(values) for values in evaluated)
    for name, predicted, labelled in zip(("mean", "traceless part"), *parts, strict=True):
        error = float(np.sqrt(np.mean((predicted - labelled) ** 2)))
        spread = float(np.sqrt(np.mean((labelled - labelled.mean(axis=0)) ** 2)))
        found |= {name: (error, "Å³"), f"spread of the labels, {name}": (spread, "Å³")}
        found |= relative_error(f"{name}, relative to the spread", error, spread)
    return found


def parity(evaluated: Evaluated, frames: LabelledFrames) -> list[Parity]:
    """Labelled and predicted components for a parity plot."""
    predicted, labelled = evaluated
    return [Parity("polarizabilities", "Å³", labelled.ravel(), predicted.ravel())]


def _split(tensors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A third of the trace [F], and the six components of the traceless rest [F, 6]."""
    mean = np.trace(tensors, axis1=1, axis2=2) / 3.0
    rest = tensors - mean[:, None, None] * np.eye(3)
    return mean, rest[:, *np.triu_indices(3)]


TASK = Task(prepared, lambda settings: loss, evaluated_by(compared), errors, parity, compared)
