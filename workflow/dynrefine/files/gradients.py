"""Files of gradients: what one chunk contributes to dL/dθ."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays


@dataclass(frozen=True)
class ChunkGradient:
    """What the starting points of one chunk contribute to dL/dθ; their sum over all chunks is the gradient.

    Attributes:
        trajectory: from fixed starting points: through the dynamics, and explicitly in statics [F, P]; the adjoint
            follows the first F of the starting points.
        energy_gradients: ∂U/∂θ at the starting points [S, P], eV.
        coefficients: with which these enter the ensemble part [S], 1/eV; they add up to zero over all chunks.
        reversal_error: largest distance of an atom of each reversed trajectory from its start [F], Å.
    """

    trajectory: np.ndarray
    energy_gradients: np.ndarray
    coefficients: np.ndarray
    reversal_error: np.ndarray

    @property
    def ensemble(self) -> np.ndarray:
        """Through the probability of the starting points [S, P]."""
        return self.coefficients[:, None] * self.energy_gradients


def save_gradient(path: str | Path, gradient: ChunkGradient, seconds_per_step: float) -> None:
    """Write a chunk's gradient, with the time that a step of one replica took (s)."""
    arrays = {field.name: getattr(gradient, field.name) for field in fields(gradient)}
    units = {"trajectory": "1", "energy_gradients": "eV", "coefficients": "1/eV", "reversal_error": "Å"}
    write_arrays(path, "gradient", ArrayFile(arrays, units, {"seconds_per_step": seconds_per_step}))


def load_gradient(path: str | Path) -> tuple[ChunkGradient, float] | None:
    """Read a chunk's gradient and the seconds per step; nothing where the job passed through."""
    content = read_arrays(path, "gradient")
    if content.passed_through:
        return None
    return ChunkGradient(**content.arrays), content.metadata["seconds_per_step"]
