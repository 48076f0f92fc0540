"""What the iterations of a campaign left behind."""

from pathlib import Path

from dynrefine.files.arrays import required
from dynrefine.files.gradients import ChunkGradient, load_gradient


def gradients_of_chunks(results: Path) -> dict[Path, list[list[ChunkGradient]]]:
    """The gradients of the chunks of each state, by the folder of the iteration, of iterations that are done."""
    done = [path.parent for path in sorted((results / "refinement").glob("*/updated_potential.npz"))]
    return {iteration: [_of_state(state) for state in _states(iteration)] for iteration in done}


def _states(iteration: Path) -> list[Path]:
    """The folders of those of which an iteration has a gradient."""
    return sorted({path.parent for path in iteration.glob("*/gradient_*.npz")})


def _of_state(state: Path) -> list[ChunkGradient]:
    return [required(load_gradient(path))[0] for path in sorted(state.glob("gradient_*.npz"))]
