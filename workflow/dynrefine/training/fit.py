"""Mini-batch fitting with early stopping; a resumed fit gives the same bits."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynrefine.config.surfaces.training import TrainingSettings
from dynrefine.dynamics.mapping import FRAMES_AT_ONCE, for_each
from dynrefine.errors import CampaignError
from dynrefine.training.checkpoint import Checkpoint, FitState
from dynrefine.training.soap import soap

logger = logging.getLogger(__name__)

Loss = Callable[[Any, Any], jax.Array]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to fit.

    Attributes:
        epochs: largest number of passes over the training frames.
        batch_size: frames per step.
        optimiser: adam or soap.
        learning_rate: at the first step.
        final_learning_rate: reached exponentially at the last step.
        patience: epochs without a better validation loss before stopping.
        checkpoint_interval: epochs between validations, each followed by a checkpoint.
        seed: of the shuffling.
    """

    epochs: int
    batch_size: int
    optimiser: str
    learning_rate: float
    final_learning_rate: float
    patience: int
    checkpoint_interval: int
    seed: int

    @classmethod
    def from_settings(cls, settings: TrainingSettings, seed: int) -> "Schedule":
        """The schedule that a configuration section (`training` or `dipole_training`) describes."""
        names = [field.name for field in fields(cls) if field.name != "seed"]
        return cls(**{name: getattr(settings, name) for name in names}, seed=seed)

    def steps(self, frames: int) -> optax.GradientTransformation:
        """The optimiser with gradient clipping and exponentially falling learning rate."""
        steps = self.epochs * self.steps_per_epoch(frames)
        rate = optax.exponential_decay(
            self.learning_rate, steps, self.final_learning_rate / self.learning_rate
        )
        optimiser = {"adam": optax.adam, "soap": soap}[self.optimiser]
        return optax.chain(optax.clip_by_global_norm(10.0), optimiser(rate))

    def steps_per_epoch(self, frames: int) -> int:
        """Full batches in one pass; the frames left over get their turn in later, reshuffled epochs."""
        return max(frames // self.batch_size, 1)


def fit(
    loss: Loss,
    trainable: Any,
    data: Mapping[str, Any],
    schedule: Schedule,
    checkpoint: Checkpoint,
) -> tuple[Any, np.ndarray]:
    """Fit trainable parameters; an interrupted run continues from its checkpoint with the same result.

    The checkpoint stays until the caller, having written the result, removes it.

    Arguments:
        loss: (trainable, frames) -> scalar, the mean over the frames.
        trainable: the first parameters.
        data: {"train", "validation"}, trees of arrays with the frame as common first axis.
        schedule: how long and how fast.
        checkpoint: to continue from; written after each validation.

    Returns:
        the parameters of the lowest validation loss, and the learning curve [rows, 3]: epoch, training loss,
        validation loss.

    Raises:
        CampaignError: the loss became infinite or not a number.
    """
    training, validation = data["train"], data["validation"]
    frames = len(jax.tree.leaves(training)[0])
    optimiser = schedule.steps(frames)
    run_epochs = _epoch_runner(loss, optimiser, schedule, frames)
    validation_loss = jax.jit(partial(_mean_of_frames, loss))
    state = FitState(
        trainable, optimiser.init(trainable), trainable, np.inf, 0, np.zeros((0, 3), dtype=np.float64)
    )
    state = checkpoint.read(state)
    while True:
        epoch = int(state.curve[-1, 0]) if len(state.curve) else 0
        if epoch >= schedule.epochs or epoch - state.best_epoch >= schedule.patience:
            break
        count = min(schedule.checkpoint_interval, schedule.epochs - epoch)
        epochs = jnp.arange(epoch, epoch + count)
        trainable, optimiser_state, losses = run_epochs(state.trainable, state.optimiser, epochs, training)
        errors = float(jnp.mean(losses)), float(validation_loss(trainable, validation))
        if not np.all(np.isfinite(errors)):
            raise CampaignError(
                f"the fit diverged at epoch {epoch + count}: training loss {errors[0]}, validation loss "
                f"{errors[1]}; lower the learning rate or look for faulty labels in dataset/frames.csv."
            )
        better = errors[1] < state.best_loss
        state = FitState(
            trainable,
            optimiser_state,
            best=trainable if better else state.best,
            best_loss=errors[1] if better else state.best_loss,
            best_epoch=epoch + count if better else state.best_epoch,
            curve=np.vstack([state.curve, [epoch + count, *errors]]),
        )
        checkpoint.write(state)
        logger.info("epoch %d: training loss %.6g, validation loss %.6g", epoch + count, *errors)
    return state.best, state.curve


def _mean_of_frames(loss: Loss, trainable: Any, frames: Any) -> jax.Array:
    """The loss, one frame after another, since large networks would need much memory for all at once."""

    def of_frame(frame: Any) -> jax.Array:
        return loss(trainable, jax.tree.map(lambda array: array[None], frame))

    return jnp.mean(for_each(of_frame, FRAMES_AT_ONCE)(frames))


def _epoch_runner(
    loss: Loss, optimiser: optax.GradientTransformation, schedule: Schedule, frames: int
) -> Callable[..., tuple[Any, Any, jax.Array]]:
    batch_size = min(schedule.batch_size, frames)
    steps = schedule.steps_per_epoch(frames)

    def step(carry: tuple[Any, Any], batch: jax.Array, training: Any) -> tuple[tuple[Any, Any], jax.Array]:
        trainable, state = carry
        chosen = jax.tree.map(lambda array: array[batch], training)
        value, gradient = jax.value_and_grad(loss)(trainable, chosen)
        updates, state = optimiser.update(gradient, state, trainable)
        return (optax.apply_updates(trainable, updates), state), value

    @jax.jit
    def run(trainable: Any, state: Any, epochs: jax.Array, training: Any) -> tuple[Any, Any, jax.Array]:
        def epoch(carry: tuple[Any, Any], number: jax.Array) -> tuple[tuple[Any, Any], jax.Array]:
            key = jax.random.fold_in(jax.random.key(schedule.seed), number)
            order = jax.random.permutation(key, frames)[: steps * batch_size].reshape(steps, batch_size)
            return jax.lax.scan(lambda c, batch: step(c, batch, training), carry, order)

        (trainable, state), losses = jax.lax.scan(epoch, (trainable, state), epochs)
        return trainable, state, losses

    return run
