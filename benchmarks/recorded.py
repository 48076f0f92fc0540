"""What the iterations of a campaign left behind."""

from pathlib import Path

from dynrefine.files.arrays import required
from dynrefine.files.gradients import ChunkGradient, load_gradient


def gradients_of_chunks(results: Path) -> dict[Path, list[list[ChunkGradient]]]:
    """The gradients of the chunks of each state, by the folder of the iteration, of those that have got so far."""
    found = {}
    for iteration in sorted((results / "refinement").iterdir()):
        states = [state for state in sorted(iteration.iterdir()) if list(state.glob("ensemble_*.npz"))]
        files = [sorted(state.glob("gradient_*.npz")) for state in states]
        if (iteration / "updated_potential.npz").exists():
            found[iteration] = [[required(load_gradient(path))[0] for path in paths] for paths in files]
    return found
