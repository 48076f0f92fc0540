"""Whether a refinement against synthetic targets moved the forces towards those of the teacher.

    python benchmarks/towards_teacher.py config/teacher-water.yaml

Of a finished campaign with a trained teacher, on every fourth of the student's frames, as CSV: root mean square force
errors against the teacher before and after, what the refinement changed, and the cosine between that change and the
way to the teacher, with its standard error over the frames. 1: straight there; 0: a change that knows nothing of it.
Of several configurations, later ones stand on top.
"""

import argparse
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd

from dynrefine.config import load_config
from dynrefine.config.load import read_together
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.files.models import Model, load_model
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.statistics import standard_error
from dynrefine.training.potential import evaluate


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configurations", nargs="+", type=Path, help="of a finished campaign")
    campaign = load_config(read_together(parser.parse_args().configurations))
    if campaign.dataset is None:
        sys.exit("error: the campaign has no frames on which to compare forces.")
    results = Path("results", campaign.campaign.name)
    last = f"{campaign.optimiser.iterations - 1:03d}/updated_potential.npz"
    refined_file = "averaged_potential.npz" if campaign.optimiser.averaged > 1 else last
    frames = [frame for file in campaign.dataset.files for frame in read_frames(file.path)][::4]
    data = to_arrays(frames, [element.symbol for element in campaign.elements])
    teacher, initial, refined = (
        forces(load_model(results / file, potential, campaign.elements), data)
        for file, potential in (
            ("pretraining/teacher.npz", campaign.of_teacher().potential),
            ("pretraining/potential.npz", campaign.potential),
            (f"refinement/{refined_file}", campaign.potential),
        )
    )
    way, change = teacher - initial, refined - initial
    cosines = (way * change).mean(axis=(1, 2)) / (size(way) * size(change))
    table = {
        "frames": len(frames),
        "initial, meV/Å": size(way),
        "refined, meV/Å": size(teacher - refined),
        "changed, meV/Å": size(change),
        "cosine": cosines.mean(),
        "cosine_error": standard_error(cosines),
    }
    pd.DataFrame([table]).to_csv(sys.stdout, index=False, float_format="%.4g")


def forces(potential: Model, frames: LabelledFrames) -> np.ndarray:
    """Of a potential on frames of the same number of atoms [frames, atoms, 3], meV/Å."""
    single = potential.cast(jnp.float32)
    return 1e3 * evaluate(single, with_neighbours(frames, single.architecture.cutoff, single.dtype))[1]


def size(forces: np.ndarray) -> float:
    """Root mean square of components, meV/Å."""
    return float(np.sqrt(np.mean(forces**2)))


if __name__ == "__main__":
    main()
