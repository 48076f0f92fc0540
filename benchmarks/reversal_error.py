"""How far from its start a reversed trajectory ends, by its length, and what a step costs there and back.

Run with `python benchmarks/reversal_error.py [potential] [steps ...]` after the default campaign has made its
potential (`snakemake -c 2 results/water16/pretraining/potential.npz`). Liquid argon (108 atoms, Lennard-Jones, 4 fs
a step) and water (16 molecules, the potential of the campaign, 0.5 fs) go both ways in time from one starting point,
and their adjoint comes back, in floating point of both precisions and in fixed point with forces in single precision.
The distance is that of the worst atom; times are of the fastest of twenty runs of 100 steps, per step and leg.
"""

import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.config import load_config
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.datasets.reading import read_frames
from dynrefine.dynamics.adjoint import adjoint_leg
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation, propagate
from dynrefine.dynamics.mapping import for_each
from dynrefine.dynamics.replicas import DIRECTIONS, both_ways
from dynrefine.files.models import create_model, load_model
from dynrefine.geometry.system import Point, system_of, thermal_velocities
from dynrefine.quantities.base import Observer, Quantity
from dynrefine.sampling.initial_configurations import lattice_configurations

POTENTIAL = "results/water16/pretraining/potential.npz"
LENGTHS = (100, 1000, 5000, 20_000)
KINDS = (("floating", "float32"), ("floating", "float64"), ("exact", "float32"))
STRIDE, TIMED = 10, 100


def argon():
    """Model, elements, species, cell, positions, temperature (K) and time step (fs) of a lattice that melts."""
    campaign = load_config(Path("config/argon-quick.yaml"))
    model = create_model(campaign.potential, campaign.elements, jax.random.key(0))
    lattice = lattice_configurations(campaign.states[0], campaign.elements, 1, seed=1)
    return model, campaign.elements, lattice.species, lattice.cells[0], lattice.positions[0], 94.4, 4.0


def water(path):
    """The same of a frame of the data set."""
    campaign = load_config(Path("config/config.yaml"))
    model = load_model(path, campaign.potential, campaign.elements)
    frame = read_frames("workflow/data/water16/frames.extxyz")[0]
    species = np.array([0 if symbol == "O" else 1 for symbol in frame.get_chemical_symbols()])
    return model, campaign.elements, species, frame.cell.array, frame.positions, 300.0, 0.5


def squared(surfaces, system, point, neighbours):
    """Squared velocities."""
    return jnp.sum(point.velocities**2, axis=-1)


def timed(function, runs, *arguments):
    """What a compiled function returns, and how many seconds its fastest run took."""
    seconds = []
    for _ in range(runs):
        begun = time.perf_counter()
        result = jax.block_until_ready(function(*arguments))
        seconds.append(time.perf_counter() - begun)
    return result, min(seconds)


def there_and_back(liquid, reversal, precision, steps, runs):
    """Distance from the start in Å, and seconds of both ways."""
    model, elements, species, cell, positions, kelvin, timestep = liquid
    dtype = jnp.dtype(precision)
    model, system = model.cast(dtype), system_of(species, elements, dtype)
    field = force_field(
        [model.architecture],
        np.asarray(cell)[None],
        len(species),
        NeighbourSettings(neighbour_skin=1.0, rebuild_interval=STRIDE),
    )
    field = field.with_capacity(field.capacity * 3 // 2)
    frames = ObservationTimes(timestep, steps // STRIDE, STRIDE, steps // STRIDE, reversal)
    x = jnp.asarray(positions, dtype)
    v = thermal_velocities(jax.random.key(1), system_of(species, elements, jnp.float32).masses, kelvin)
    given = Point(x, v.astype(dtype), jnp.asarray(cell, dtype))
    start = frames.arithmetic.represented(given, timestep)

    observe = Observer({"squared": Quantity(squared, "Å²/fs²")}, {})
    simulation = Simulation(field, frames, observe, Observer({}, {}), model.parameters, system)

    def go(simulation, start):
        return both_ways(partial(propagate, simulation))(start)

    def come_back(simulation, legs):
        def leg(positions, velocities, *others):
            return adjoint_leg(simulation, Point(positions, velocities, given.cell), *others)

        directions = jnp.asarray(DIRECTIONS, legs.positions.dtype)
        return for_each(leg)(legs.positions, legs.velocities, directions, legs.series, legs.lists)[0]

    there = jax.jit(go).lower(simulation, start).compile()
    (legs, faults), forth = timed(there, runs, simulation, start)
    if np.any(faults.overflow | faults.outrun):
        sys.exit("a neighbour list did not suffice")
    back = jax.jit(come_back).lower(simulation, legs).compile()
    adjoint, hence = timed(back, runs, simulation, legs)
    distance = frames.arithmetic.distances(
        adjoint.positions[None], jax.tree.map(lambda each: each[None], given)
    )[0]
    return float(distance), forth, hence


def main(potential: str = POTENTIAL, *lengths: str) -> None:
    """Print the tables."""
    counts = [int(length) for length in lengths] or LENGTHS
    print(configure_jax("float64", 1))
    for name, liquid in {"argon": argon(), "water": water(potential)}.items():
        print(f"{name}: distance from the start (Å) after so many steps there and back")
        print(f"{'':22s}" + "".join(f"{steps:10d}" for steps in counts) + "   ms/step forth   back")
        for reversal, precision in KINDS:
            found = [there_and_back(liquid, reversal, precision, steps, runs=1) for steps in counts]
            distances = "".join(f"{distance:10.1e}" for distance, *_ in found)
            _, *seconds = there_and_back(liquid, reversal, precision, TIMED, runs=20)
            costs = (1e3 * each / TIMED / len(DIRECTIONS) for each in seconds)
            print(
                f"{reversal:10s}{precision:12s}{distances}" + "".join(f"{cost:12.3f}" for cost in costs),
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
