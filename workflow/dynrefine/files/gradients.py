"""Files of gradients: the contribution of one chunk to dL/dθ."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays


@dataclass(frozen=True)
class ChunkGradient:
    """The contributions of the starting points of one chunk to dL/dθ; the sum over all chunks is the gradient.

    Each row belongs to a block of starting points, of a single one unless there are many parameters
    (`dynamics.mapping.Blocks`).

    Attributes:
        trajectory: from fixed starting points: through the dynamics, and explicitly in statics [A, P]; the adjoint
            follows the first F of the starting points.
        trajectory_weights: of these blocks in averages [A].
        ensemble: through the probability of the starting points, Σ_s c_s ∂U(x_s)/∂θ by block [B, P].
        ensemble_weights: of these blocks in averages [B]; over all chunks they add up to one.
        coefficients: Σ_s c_s by block and kind of atoms [B, K], 1/eV; over all chunks they add up to zero. There is
            a single kind unless atoms have coefficients of their own (`refinement.locality`).
        mean_energy_gradient: Σ_s w_s ∂U(x_s)/∂θ of the chunk [K, P], eV, or the mean for an atom of each kind; over
            all chunks it adds up to the mean.
        trajectory_chains: chain of each trajectory block within the chunk [A]; starting points of one chain are
            correlated.
        ensemble_chains: chain of each ensemble block within the chunk [B].
        reversal_error: largest distance of an atom from its start in each reversed trajectory [F], Å.
    """

    trajectory: np.ndarray
    trajectory_weights: np.ndarray
    ensemble: np.ndarray
    ensemble_weights: np.ndarray
    coefficients: np.ndarray
    mean_energy_gradient: np.ndarray
    trajectory_chains: np.ndarray
    ensemble_chains: np.ndarray
    reversal_error: np.ndarray


def save_gradient(path: str | Path, gradient: ChunkGradient, seconds_per_step: float) -> None:
    """Write a chunk's gradient, with the time per step and replica (s)."""
    arrays = {field.name: getattr(gradient, field.name) for field in fields(gradient)}
    own = {"coefficients": "1/eV", "mean_energy_gradient": "eV", "reversal_error": "Å"}
    units = dict.fromkeys(arrays, "1") | own
    write_arrays(path, "gradient", ArrayFile(arrays, units, {"seconds_per_step": seconds_per_step}))


def load_gradient(path: str | Path) -> tuple[ChunkGradient, float] | None:
    """Read a chunk's gradient and the seconds per step; None where the job passed through."""
    content = read_arrays(path, "gradient")
    if content.passed_through:
        return None
    return ChunkGradient(**content.arrays), content.metadata["seconds_per_step"]
