"""The state of a fit as a file, from which an interrupted fit continues."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitState:
    """Everything needed to continue a fit."""

    trainable: Any
    optimiser: Any
    best: Any
    best_loss: float
    best_epoch: int
    curve: np.ndarray  # rows: epoch, training loss, validation loss


@dataclass(frozen=True)
class Checkpoint:
    """A file that is kept until the result of the fit is written.

    Attributes:
        path: of the file.
        fingerprint: of everything the fit depends on; a file with another fingerprint is not used.
    """

    path: Path
    fingerprint: str

    def write(self, state: FitState) -> None:
        """Write a state in place of the previous one."""
        arrays = {"curve": state.curve}
        for name in ("trainable", "optimiser", "best"):
            for index, leaf in enumerate(jax.tree.leaves(getattr(state, name))):
                arrays[f"{name}/{index:04d}"] = np.asarray(leaf)
        metadata = {
            "fingerprint": self.fingerprint,
            "best_loss": state.best_loss,
            "best_epoch": state.best_epoch,
        }
        write_arrays(self.path, "checkpoint", ArrayFile(arrays, dict.fromkeys(arrays, "1"), metadata))

    def read(self, fresh: FitState) -> FitState:
        """The kept state of this fit, or else the fresh one, which has the same trees."""
        if not self.path.exists():
            return fresh
        content = read_arrays(self.path, "checkpoint")
        if content.metadata["fingerprint"] != self.fingerprint:
            logger.info(
                "the checkpoint %s belongs to other data or settings: fitting from the start", self.path
            )
            return fresh

        def restore(name: str, template: Any) -> Any:
            leaves = [jnp.asarray(array) for _, array in sorted(content.group(name).items())]
            return jax.tree.unflatten(jax.tree.structure(template), leaves)

        logger.info("going on from %s at epoch %d", self.path, content.arrays["curve"][-1, 0])
        return FitState(
            restore("trainable", fresh.trainable),
            restore("optimiser", fresh.optimiser),
            restore("best", fresh.best),
            content.metadata["best_loss"],
            content.metadata["best_epoch"],
            content.arrays["curve"],
        )

    def remove(self) -> None:
        """Delete the file, once the result of the fit is written."""
        self.path.unlink(missing_ok=True)
