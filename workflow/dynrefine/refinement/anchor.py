"""The anchor term of the objective: the refined potential must not forget its ab initio data."""

from typing import Any

import jax
import numpy as np

from dynrefine.config.objective import AnchorSettings
from dynrefine.dynamics.mapping import sum_with_gradient
from dynrefine.files.models import Model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.training.potential import LabelWeights, label_loss, less_offsets


def anchor_gradient(
    potential: Model, frames: LabelledFrames, settings: AnchorSettings, dtype: Any
) -> tuple[float, np.ndarray]:
    """Loss on labelled frames and its gradient.

    Arguments:
        potential: whose loss it is.
        frames: of the training set.
        settings: of the anchor; its `weight` is applied where terms are added up.
        dtype: of the computation.

    Returns:
        the loss, a pure number, and its derivative with respect to the trainable parameters [P].
    """
    weights = LabelWeights(settings.energy_weight, settings.force_weight, stress=0.0)
    offsets = np.asarray(potential.metadata["energy_offsets_eV"])
    data = with_neighbours(less_offsets(frames, offsets), potential.architecture.cutoff, dtype)

    def loss_of_frame(trainable: Any, frame: Any) -> jax.Array:
        parameters = {**potential.parameters, "trainable": trainable}
        single = jax.tree.map(lambda array: array[None], frame)
        return label_loss(potential.architecture, parameters, single, weights)

    loss, gradient = sum_with_gradient(loss_of_frame, potential.parameters["trainable"], data)
    mean = jax.tree.map(lambda total: total / len(frames), gradient)
    return float(loss) / len(frames), np.asarray(flat_parameters(mean)[0])
