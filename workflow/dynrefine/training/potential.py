"""Fitting a potential to energies, forces and stresses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.surfaces.training import PotentialTrainingSettings
from dynrefine.dynamics.mapping import FRAMES_AT_ONCE, for_each
from dynrefine.files.models import Model
from dynrefine.files.parity import Parity
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, with_neighbours
from dynrefine.surfaces.base import labels_of
from dynrefine.training.base import Loss, Task
from dynrefine.units import BAR

Predictions = tuple[np.ndarray, np.ndarray, np.ndarray]  # energies, forces and stresses, as from `evaluate`


@dataclass(frozen=True)
class LabelWeights:
    """Weights of the three kinds of labels in the loss.

    Attributes:
        energy: of the squared energy error per atom, 1/eV².
        force: of the mean squared force component error, Å²/eV².
        stress: of the mean squared virial component error per atom, 1/eV².
    """

    energy: float
    force: float
    stress: float


def fit_energy_offsets(frames: LabelledFrames, elements: int) -> np.ndarray:
    """Energy of each element [elements] in eV, by least squares over the compositions in the frames."""
    counts = np.stack([np.sum(frames.species == element, axis=1) for element in range(elements)], axis=1)
    return np.linalg.lstsq(counts.astype(float), np.asarray(frames.energies, float), rcond=None)[0]


def less_offsets(frames: LabelledFrames, offsets: np.ndarray) -> LabelledFrames:
    """The frames with energies relative to the element offsets, small enough for single precision."""
    padded = np.append(offsets, 0.0)  # species -1 (padding) picks the last one
    return replace(frames, energies=frames.energies - padded[frames.species].sum(axis=1))


def predictions(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Energies [F] eV (relative to the offsets), forces [F, N, 3] eV/Å and stresses [F, 3, 3] eV/Å³."""
    return data.evaluate(partial(labels_of, architecture, parameters))


def label_loss(
    architecture: Any, parameters: Mapping[str, Any], data: FramesWithNeighbours, weights: LabelWeights
) -> jax.Array:
    """Weighted squared errors of the labels, the mean over the frames.

    Arguments:
        architecture: of the potential.
        parameters: {"trainable", "constants"}.
        data: frames with energies relative to the offsets; stresses that are NaN are left out.
        weights: of the kinds of labels.
    """
    energies, forces, stresses = predictions(architecture, parameters, data)
    frames = data.frames
    present = frames.species >= 0
    atoms = jnp.sum(present, axis=1).astype(energies.dtype)
    energy_error = ((energies - frames.energies) / atoms) ** 2
    force_error = jnp.where(present[..., None], forces - frames.forces, 0.0) ** 2
    force_error = jnp.sum(force_error, axis=(1, 2)) / (3 * atoms)
    labelled = jnp.isfinite(frames.stresses)
    volumes = jnp.abs(jnp.linalg.det(frames.cells))
    virial_error = (stresses - jnp.where(labelled, frames.stresses, stresses)) * (volumes / atoms)[
        :, None, None
    ]
    stress_error = jnp.mean(virial_error**2, axis=(1, 2))
    return jnp.mean(
        weights.energy * energy_error + weights.force * force_error + weights.stress * stress_error
    )


def label_errors(
    predicted: Predictions, frames: LabelledFrames, symbols: Sequence[str]
) -> dict[str, tuple[float, str]]:
    """Root mean square errors on labelled frames: the value and its unit, by quantity.

    Arguments:
        predicted: from `evaluate`.
        frames: the same frames, energies relative to the offsets.
        symbols: of the elements.
    """
    energies, forces, stresses = predicted
    species = np.asarray(frames.species)
    force_error = forces - np.asarray(frames.forces)
    stress_error = stresses - np.asarray(frames.stresses)
    stress_error = stress_error[np.isfinite(stress_error)]

    def rms(values: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))

    energy_error = (energies - np.asarray(frames.energies)) / frames.atom_counts
    errors = {
        "energy": (1e3 * rms(energy_error), "meV/atom"),
        "force": (1e3 * rms(force_error[species >= 0]), "meV/Å"),
    }
    for element, symbol in enumerate(symbols):
        errors[f"force {symbol}"] = (1e3 * rms(force_error[species == element]), "meV/Å")
    if len(stress_error):
        errors["stress"] = (0.1 * rms(stress_error) / BAR, "MPa")
    return errors


def parity(predicted: Predictions, frames: LabelledFrames) -> list[Parity]:
    """Labelled and predicted energies and force components, for a parity plot."""
    energies, forces, _ = predicted
    present = np.asarray(frames.species) >= 0
    atoms = np.asarray(frames.atom_counts)
    labelled_forces = np.asarray(frames.forces)[present].ravel()
    return [
        Parity("energies", "eV/atom", np.asarray(frames.energies) / atoms, energies / atoms),
        Parity("forces", "eV/Å", labelled_forces, forces[present].ravel()),
    ]


def evaluate(model: Model, data: FramesWithNeighbours) -> Predictions:
    """Energies, forces and stresses as `predictions` returns them, as NumPy arrays.

    The frames are taken one after another, since large networks would need much memory for all at once.
    """

    @jax.jit
    def compiled(parameters: Mapping[str, Any], data: FramesWithNeighbours) -> Any:
        in_turn = for_each(partial(labels_of, model.architecture, parameters), FRAMES_AT_ONCE)
        frames = data.frames
        return in_turn(frames.species, frames.positions, frames.cells, data.neighbours)

    energies, forces, stresses = compiled(model.parameters, data)
    return np.asarray(energies), np.asarray(forces), np.asarray(stresses)


def errors_on(model: Model, frames: LabelledFrames, symbols: Sequence[str]) -> dict[str, tuple[float, str]]:
    """The errors of a trained potential on labelled frames, as `label_errors` returns them."""
    frames = less_offsets(frames, np.asarray(model.metadata["energy_offsets_eV"]))
    predicted = evaluate(model, with_neighbours(frames, model.architecture.cutoff, model.dtype))
    return label_errors(predicted, frames, symbols)


def prepared(
    parts: Mapping[str, LabelledFrames], elements: int
) -> tuple[dict[str, LabelledFrames], dict[str, Any]]:
    """The frames of each part with energies relative to the element offsets, and these for the model's metadata."""
    offsets = fit_energy_offsets(parts["train"], elements)
    labelled = {part: less_offsets(frames, offsets) for part, frames in parts.items()}
    return labelled, {"energy_offsets_eV": offsets.tolist()}


def loss_of(settings: PotentialTrainingSettings) -> Loss:
    """The loss with the weights of the configuration."""
    weights = LabelWeights(settings.energy_weight, settings.force_weight, settings.stress_weight)
    return partial(label_loss, weights=weights)


TASK = Task(prepared, loss_of, evaluate, label_errors, parity)
