"""What a step of molecular dynamics in ASE costs with the calculator, beside energy, force and stress alone.

    python benchmarks/calculator.py --molecules 16 64 512 --precision float32 float64

Times are CPU time of one thread, as in `gradient.py`.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from cases import LARGE_SURFACE, fastest, large_water
from parts import SUPERCELLS

from dynrefine.ase import DynrefineCalculator
from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.config.data import WATER
from dynrefine.config.surfaces.embedded_atoms import EmbeddedAtomSettings
from dynrefine.datasets.reading import read_frames
from dynrefine.export.verlet_list import VerletList
from dynrefine.files.models import Model, save_model
from dynrefine.surfaces.base import energy_forces_stress

STEPS = 100


def alone(model: Model, atoms: Atoms) -> float:
    """Seconds of energy, forces and stress with a list that is there."""
    neighbours, cell = VerletList(model.architecture, 0.5).of(
        atoms.positions, atoms.cell.array, atoms.pbc, model.dtype
    )
    species = jnp.asarray([0 if symbol == "O" else 1 for symbol in atoms.symbols], jnp.int32)
    frame = species, jnp.asarray(atoms.positions, model.dtype), jnp.asarray(cell, model.dtype), neighbours
    compiled = (
        jax.jit(partial(energy_forces_stress, model.architecture)).lower(model.parameters, *frame).compile()
    )
    return fastest(partial(compiled, model.parameters, *frame))


def in_dynamics(model: Model, atoms: Atoms) -> tuple[float, int]:
    """Seconds of a step of 0.5 fs at 300 K in ASE, and the lists that all of them needed."""
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder) / "potential.npz", model)
        atoms.calc = DynrefineCalculator(Path(folder) / "potential.npz", precision=np.dtype(model.dtype).name)
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    dynamics.run(10)
    taken, built = [], atoms.calc.lists_built
    for _ in range(STEPS // 10):
        begun = time.process_time()
        dynamics.run(10)
        taken.append((time.process_time() - begun) / 10)
    return float(np.median(taken)), atoms.calc.lists_built - built


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--molecules", nargs="+", type=int, default=[64], choices=list(SUPERCELLS))
    parser.add_argument("--precision", nargs="+", default=["float32"], choices=["float32", "float64"])
    options = parser.parse_args()
    print(configure_jax("float64", threads=1))
    settings = EmbeddedAtomSettings(repulsion_strength=0.0, **LARGE_SURFACE).model_dump()
    settings |= {"elements": [element.model_dump() for element in WATER]}
    for molecules in options.molecules:
        for precision in options.precision:
            case = large_water(1, jnp.dtype(precision), SUPERCELLS[molecules])
            model = Model(case.field.architecture, case.parameters, settings)
            atoms = read_frames("workflow/data/water16/frames.extxyz")[0].repeat(SUPERCELLS[molecules])
            milliseconds = 1e3 * alone(model, atoms)
            seconds, lists = in_dynamics(model, atoms)
            print(
                f"{molecules} molecules, {precision}: {milliseconds:.2f} ms alone, {1e3 * seconds:.2f} ms a step, "
                f"{lists} lists in {STEPS} steps",
                flush=True,
            )


if __name__ == "__main__":
    main()
