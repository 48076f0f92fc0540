"""What the time step of the canonical sampling, and the mass it gives hydrogen, do to where atoms are.

    python benchmarks/sampling_timestep.py results/water16/pretraining/potential.npz \\
        results/water16/dataset/train.extxyz --of 0.25:1.008 1:3 2:3

For each time step (fs) and mass of hydrogen (u), which its oxygen gives up: the mean energy, mean and spread of the
distance of hydrogens from their oxygens, how far oxygen has moved after a picosecond, which says how fast the
structure is sampled anew, and the virial pressure, -<dU/dV>; with standard errors from chains.
"""

import argparse
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.geometry import find_mic
from sampled import sampled, sampling_settings

from dynrefine.campaign.numerics import configure_numerics
from dynrefine.config.dynamics import ReusedSettings, State
from dynrefine.config.steps import SampleEnsemble, SimulationSettings
from dynrefine.datasets.reading import read_frames
from dynrefine.dynamics.langevin import RECORD_INTERVAL
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model, read_surfaces
from dynrefine.quantities.base import Observer
from dynrefine.sampling.records import observe_records
from dynrefine.statistics import standard_error

HYDROGEN, OXYGEN = (atomic_masses[atomic_numbers[symbol]] for symbol in "HO")


def settings_of(
    options: argparse.Namespace, model: Model, timestep: float, hydrogen: float
) -> SampleEnsemble:
    """Sampling with this time step and mass, beside the same friction."""
    ensemble = ReusedSettings(
        replicas=options.chains,
        samples_per_replica=1,
        equilibration=options.equilibration,
        decorrelation=options.length,
        timestep=timestep,
        friction=options.friction,
        masses={"H": hydrogen, "O": OXYGEN - 2.0 * (hydrogen - HYDROGEN)},
    )
    state = State(temperature=options.temperature, density=1.0)
    return sampling_settings(model, state, ensemble)


def bonds(positions: np.ndarray, frame: Atoms) -> np.ndarray:
    """Distances of hydrogens from the oxygen that was nearest where chains began [records, R, H], Å."""
    oxygen, hydrogen = (np.flatnonzero(frame.symbols == symbol) for symbol in "OH")
    nearest = frame.get_all_distances(mic=True)[np.ix_(hydrogen, oxygen)].argmin(axis=1)
    vectors = positions[:, :, hydrogen] - positions[:, :, oxygen[nearest]]
    _, lengths = find_mic(vectors.reshape(-1, 3), frame.cell)
    return lengths.reshape(vectors.shape[:-1])


def row(ensemble: Ensemble, frame: Atoms, pressures: np.ndarray) -> dict[str, float]:
    """What the table has of these chains and of their virial pressures [R, records]."""
    positions = ensemble.recorded_positions
    oxygen = positions[:, :, frame.symbols == "O"]
    later = round(1e3 / RECORD_INTERVAL)
    moved = np.sum((oxygen[later:] - oxygen[:-later]) ** 2, axis=-1)
    lengths = bonds(positions, frame)
    by_chain = {
        "energy (meV/molecule)": 1e3 * ensemble.energies.mean(axis=0) / oxygen.shape[2],
        "O-H (Å)": lengths.mean(axis=(0, 2)),
        "spread of O-H (Å)": lengths.std(axis=(0, 2)),
        "O moved in 1 ps (Å²)": moved.mean(axis=(0, 2)),
        "virial pressure (bar)": pressures.mean(axis=1),
    }
    found = {}
    for name, values in by_chain.items():
        found |= {name: values.mean(), f"{name}, error": float(standard_error(values))}
    return found


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("potential", type=Path)
    parser.add_argument("frame", type=Path, help="file whose last frame is where chains begin")
    parser.add_argument("--of", nargs="+", default=["0.25:1.008", "0.5:1.008", "1:3", "2:3"])
    parser.add_argument("--chains", type=int, default=24)
    parser.add_argument("--temperature", type=float, default=300.0, help="K")
    parser.add_argument("--friction", type=float, default=10.0, help="1/ps")
    parser.add_argument("--equilibration", type=float, default=5.0, help="ps")
    parser.add_argument("--length", type=float, default=20.0, help="of a chain after that, ps")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    configure_numerics("float32")
    model = read_surfaces(options.potential)["potential"].cast(jnp.float32)
    frame = read_frames(options.frame)[-1]
    observer = Observer.of(["virial_pressure"], {})
    rows = []
    for each in options.of:
        timestep, hydrogen = map(float, each.split(":"))
        settings = settings_of(options, model, timestep, hydrogen)
        ensemble = sampled(model, [frame] * options.chains, settings, options.seed)
        observing = SimulationSettings(
            elements=settings.elements, potential=settings.potential, surfaces={}, ensemble=settings.ensemble
        )
        pressures = observe_records(model, ensemble, observing, observer)["virial_pressure"]
        found = row(ensemble, frame, np.asarray(pressures))
        rows.append({"time step (fs)": timestep, "mass of H (u)": hydrogen} | found)
        print(pd.DataFrame(rows).to_csv(index=False, float_format="%.5g"), flush=True)


if __name__ == "__main__":
    main()
