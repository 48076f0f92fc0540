"""What the iterations of a campaign left behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from dynrefine.files.arrays import required
from dynrefine.files.gradients import ChunkGradient, load_gradient

ALL = slice(None)


def gradients_of_chunks(
    results: Path, parameters: np.ndarray | slice = ALL
) -> dict[Path, list[list[ChunkGradient]]]:
    """The gradients of the chunks of each state, by the folder of the iteration, of iterations that are done.

    Arguments:
        results: folder of the campaign.
        parameters: numbers of those that the gradients are by; all if not given.
    """
    done = [path.parent for path in sorted((results / "refinement").glob("*/updated_potential.npz"))]
    return {folder: gradients_of_iteration(folder, parameters) for folder in done}


def gradients_of_iteration(folder: Path, parameters: np.ndarray | slice = ALL) -> list[list[ChunkGradient]]:
    """The same of a single iteration."""
    return [_of_state(state, parameters) for state in _states(folder)]


def potential_in(folder: Path) -> Path:
    """Of an iteration, or the one that the refinement began from."""
    names = ("updated_potential.npz", "joined_potential.npz", "potential.npz")
    return next(folder / name for name in names if (folder / name).exists())


def _states(iteration: Path) -> list[Path]:
    """The folders of those of which an iteration has a gradient."""
    return sorted({path.parent for path in iteration.glob("*/gradient_*.npz")})


def _of_state(state: Path, parameters: np.ndarray | slice) -> list[ChunkGradient]:
    return [
        _by_parameters(required(load_gradient(path))[0], parameters)
        for path in sorted(state.glob("gradient_*.npz"))
    ]


def _by_parameters(chunk: ChunkGradient, parameters: np.ndarray | slice) -> ChunkGradient:
    return replace(
        chunk,
        trajectory=chunk.trajectory[:, parameters],
        ensemble=chunk.ensemble[:, parameters],
        mean_energy_gradient=chunk.mean_energy_gradient[:, parameters],
    )
