"""The parts of training a surface."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from dynrefine.errors import CampaignError
from dynrefine.files.models import Model
from dynrefine.files.parity import Parity
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, with_neighbours

Loss = Callable[
    [Any, Any, FramesWithNeighbours], jax.Array
]  # from architecture, parameters and frames to a pure number
Compared = Callable[[Any, Any, FramesWithNeighbours], tuple[jax.Array, jax.Array]]
Evaluated = tuple[Any, ...]  # arrays with the frame as first axis
Prepared = Callable[[Mapping[str, LabelledFrames], int], tuple[dict[str, LabelledFrames], dict[str, Any]]]


def frames_with(label_of: Callable[[LabelledFrames], np.ndarray], needed: str) -> Prepared:
    """A task's `prepared` that leaves out frames without their label.

    Arguments:
        label_of: frames -> the label of each, NaN where it is not known [F, ...].
        needed: the label and what to do where no frame of a part has it, which is an error.
    """

    def prepared(
        parts: Mapping[str, LabelledFrames], elements: int
    ) -> tuple[dict[str, LabelledFrames], dict[str, Any]]:
        chosen = {}
        for part, frames in parts.items():
            known = np.asarray(np.isfinite(label_of(frames)).reshape(len(frames), -1).all(axis=1))
            if not known.any():
                raise CampaignError(f"no frame of {part}.extxyz has {needed}")
            chosen[part] = frames[known]
        return chosen, {}

    return prepared


def evaluated_by(
    compared: Compared,
) -> Callable[[Model, FramesWithNeighbours], tuple[np.ndarray, np.ndarray]]:
    """A task's `evaluate` that gives predictions and labels as `compared` does."""

    def evaluate(model: Model, data: FramesWithNeighbours) -> tuple[np.ndarray, np.ndarray]:
        predicted, labelled = jax.jit(partial(compared, model.architecture))(model.parameters, data)
        return np.asarray(predicted), np.asarray(labelled)

    return evaluate


def relative_error(name: str, error: float, spread: float) -> dict[str, tuple[float, str]]:
    """An error in per cent of the spread of the labels, under its name; empty where all labels are the same."""
    return {name: (100 * error / spread, "%")} if spread > 0.0 else {}


@dataclass(frozen=True)
class Task:
    """What a surface is fitted to, and how the result is evaluated.

    Attributes:
        prepared: (parts by name, number of elements) -> the usable frames, and metadata for the model.
        loss_of: settings of the training -> the loss.
        evaluate: (model, frames) -> the predictions for them.
        errors: (evaluated, frames, symbols) -> the error and its unit, by quantity.
        parity: (evaluated, frames) -> labels and predictions of each quantity.
        compared: (architecture, parameters, frames) -> the part of the labels that the parameters decide, as
            predicted and as labelled: arrays of one shape with the frame as first axis. None for a surface that is
            never refined beside a potential.
    """

    prepared: Prepared
    loss_of: Callable[[Any], Loss]
    evaluate: Callable[[Model, FramesWithNeighbours], Evaluated]
    errors: Callable[[Any, LabelledFrames, Sequence[str]], dict[str, tuple[float, str]]]
    parity: Callable[[Any, LabelledFrames], list[Parity]]
    compared: Compared | None = None

    def errors_on(
        self, model: Model, frames: LabelledFrames, symbols: Sequence[str]
    ) -> dict[str, tuple[float, str]]:
        """The errors of a trained surface on labelled frames: the value and its unit, by quantity."""
        labelled, _ = self.prepared({"test": frames}, len(symbols))
        data = with_neighbours(labelled["test"], model.architecture.cutoff, model.dtype)
        return self.errors(self.evaluate(model, data), labelled["test"], symbols)
