"""Fitting the dipole surface to Berry-phase dipoles."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.files.parity import Parity
from dynrefine.geometry.coordinates import inverse
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours
from dynrefine.training.base import Task, evaluated_by, frames_with, relative_error


def nearest_branch(difference: jax.Array, cells: jax.typing.ArrayLike) -> jax.Array:
    """Dipole differences [F, 3] in e Å, brought to the branch nearest zero.

    A Berry-phase dipole is defined modulo e times the cell vectors (rows of cells [F, 3, 3], Å).
    """
    quanta = jnp.einsum("fi,fij->fj", difference, inverse(jnp.asarray(cells)))
    return jnp.einsum("fi,fij->fj", quanta - jnp.round(quanta), cells)


def dipole_residuals(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> jax.Array:
    """Predicted less labelled dipole [F, 3] in e Å, on the nearest branch."""
    predicted = data.evaluate(partial(architecture.dipole, parameters))
    return nearest_branch(predicted - data.frames.dipoles, data.frames.cells)


def compared(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> tuple[jax.Array, jax.Array]:
    """The learned part of the dipole [F, 3] in e Å, as predicted and as labelled.

    The dipole of formal charges is left out where the surface separates it from its own: it jumps by whole quanta
    when frames are wrapped, which says nothing about the surface.
    """
    learned = getattr(architecture, "learned_dipole", architecture.dipole)
    predicted = data.evaluate(partial(learned, parameters))
    return predicted, predicted - dipole_residuals(architecture, parameters, data)


def dipole_loss(architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours) -> jax.Array:
    """Mean squared dipole component error per atom, e²Å²."""
    residuals = dipole_residuals(architecture, parameters, data)
    atoms = jnp.sum(data.frames.species >= 0, axis=1)
    return jnp.mean(jnp.sum(residuals**2, axis=1) / (3 * atoms).astype(residuals.dtype))


prepared = frames_with(
    lambda frames: frames.dipoles,
    "a dipole: give frames with Berry-phase dipoles (key `dipole`, e Å) in the files of the data set, or compute "
    "them with label_frames (labelling.geometries).",
)


def dipole_errors(
    evaluated: tuple[np.ndarray, np.ndarray], frames: LabelledFrames, symbols: Sequence[str]
) -> dict[str, tuple[float, str]]:
    """Errors of the dipole surface on labelled frames.

    Arguments:
        evaluated: predictions and labels, as `compared` gives them.
        frames, symbols: unused, since `evaluated` holds the labels.

    Returns:
        the value and its unit, by quantity: root mean square error of a component, standard deviation of the labels,
        and the ratio of both where the labels differ.
    """
    predicted, labelled = evaluated
    error = float(np.sqrt(np.mean((predicted - labelled) ** 2)))
    spread = float(np.sqrt(np.mean((labelled - labelled.mean(axis=0)) ** 2)))
    return {
        "dipole": (error, "e Å"),
        "spread of the labels": (spread, "e Å"),
        **relative_error("dipole, relative to the spread", error, spread),
    }


def parity(evaluated: tuple[np.ndarray, np.ndarray], frames: LabelledFrames) -> list[Parity]:
    """Labelled and predicted components of the learned part of the dipole, for a parity plot."""
    predicted, labelled = evaluated
    return [Parity("dipoles", "e Å", labelled.ravel(), predicted.ravel())]


TASK = Task(prepared, lambda settings: dipole_loss, evaluated_by(compared), dipole_errors, parity, compared)
