"""What holds a surface that is refined with the potential: labels of frames, or what it predicted for them at first.

Its differences from these are part of the objective, like the errors of the potential. The length of its steps is
measured by how they change its predictions (`natural_gradient` has the equations). Both are in units of the spread of
the labels about their means over the frames.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from dynrefine.dynamics.mapping import FRAMES_AT_ONCE, LARGEST_METRIC, for_each, rows_fit, sum_with_gradient
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, with_neighbours
from dynrefine.training.base import Compared, Task


@dataclass(frozen=True, eq=False)
class LabelledSurface:
    """A surface with labelled frames.

    Attributes:
        model: of the surface.
        compared: predictions and labels of frames, `Task.compared`.
        data: the frames.
        beginning: surface whose predictions hold it; without one, the labels do.
    """

    model: Model
    compared: Compared
    data: FramesWithNeighbours
    beginning: Model | None = None

    @classmethod
    def of(cls, model: Model, task: Task, frames: LabelledFrames, dtype: Any) -> "LabelledSurface":
        """A surface, what it is fitted to, and the frames of its training part."""
        if task.compared is None:
            raise ValueError("a surface can be refined only if its task has a function `compared`")
        labelled, _ = task.prepared({"train": frames}, len(model.settings["elements"]))
        data = with_neighbours(labelled["train"], model.architecture.cutoff, dtype)
        return cls(model.cast(dtype), task.compared, data)

    @cached_property
    def spread(self) -> float:
        """Sum of the squared distances of all labels from their means over the frames.

        Computed frame by frame, because all at once could need too much memory.
        """

        @jax.jit
        def of_all(trainable: Any, data: FramesWithNeighbours) -> jax.Array:
            def label(frame: FramesWithNeighbours) -> jax.Array:
                return self._compared(trainable, frame)[1]

            return for_each(label, FRAMES_AT_ONCE)(data)

        labels = np.asarray(of_all(self.model.parameters["trainable"], self.data), float)
        return float(np.sum((labels - labels.mean(axis=0)) ** 2))

    def predicted(self, trainable: Any, frame: FramesWithNeighbours) -> jax.Array:
        """What it predicts for one frame, as a function of the trainable parameters."""
        return self._compared(trainable, frame)[0]

    def strayed(self, trainable: Any, frame: FramesWithNeighbours) -> jax.Array:
        """How far its predictions for one frame are from what holds them."""
        predicted, held_at = self._compared(trainable, frame)
        if self.beginning is not None:
            held_at = self.predicted(self.beginning.parameters["trainable"], frame)
        return predicted - jax.lax.stop_gradient(held_at)

    def _compared(self, trainable: Any, frame: FramesWithNeighbours) -> tuple[jax.Array, jax.Array]:
        parameters = {**self.model.parameters, "trainable": trainable}
        single = jax.tree.map(lambda array: array[None], frame)
        predicted, labelled = self.compared(self.model.architecture, parameters, single)
        return predicted[0], labelled[0]


def surface_anchor(surface: LabelledSurface) -> tuple[float, Float[np.ndarray, " P"]]:
    """The squared differences from what holds it, summed and over the spread of the labels, and their gradient."""

    def squared(trainable: Any, frame: FramesWithNeighbours) -> jax.Array:
        return jnp.sum(surface.strayed(trainable, frame) ** 2)

    error, gradient = sum_with_gradient(squared, surface.model.parameters["trainable"], surface.data)
    return float(error) / surface.spread, np.asarray(flat_parameters(gradient)[0]) / surface.spread


def surface_probes(
    surface: LabelledSurface, refined: Int[np.ndarray, " R"], count: int, key: jax.Array
) -> Float[np.ndarray, "M R"]:
    """The rows of the metric of a surface's step: derivatives of random projections of its predictions.

    If a frame has no more components than it gets probes, the probes are the components themselves.

    Arguments:
        surface: whose parameters are probed.
        refined: indices of those that are refined.
        count: least number of probes; each frame gets equally many.
        key: of the draws.

    Raises:
        CampaignError: the rows do not fit into memory.
    """
    frames, trainable = len(surface.data.frames), surface.model.parameters["trainable"]
    first = jax.tree.map(lambda array: array[0], surface.data)
    predicted = jax.eval_shape(surface.predicted, trainable, first)
    per_frame = min(math.ceil(count / frames), predicted.size)
    if not rows_fit(frames * per_frame, len(refined)):
        raise CampaignError(
            f"{frames * per_frame} probes of {len(refined)} parameters of a surface were requested, expected at "
            f"most {LARGEST_METRIC} numbers in all: name fewer parameters in the trainable of the surface in "
            "optimiser.surfaces, or lower its probes if there are more of them than training frames."
        )
    scale = math.sqrt(frames / surface.spread)

    def direction(number: jax.Array) -> jax.Array:
        if per_frame < predicted.size:
            return jax.random.normal(jax.random.fold_in(key, number), predicted.shape, predicted.dtype)
        component = jax.nn.one_hot(number % per_frame, per_frame, dtype=predicted.dtype)
        return math.sqrt(per_frame) * component.reshape(predicted.shape)

    @jax.jit
    def rows(data: FramesWithNeighbours) -> jax.Array:
        def row(number: jax.Array) -> jax.Array:
            own = jax.tree.map(lambda array: array[number // per_frame], data)

            def projected(trainable: Any) -> jax.Array:
                return scale * jnp.vdot(direction(number), surface.predicted(trainable, own))

            return flat_parameters(jax.grad(projected)(trainable))[0][refined]

        return for_each(row, FRAMES_AT_ONCE)(jnp.arange(frames * per_frame))

    return np.asarray(rows(surface.data))
