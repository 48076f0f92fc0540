"""Memory of a gradient and of a natural step by the number of parameters, with all rows held and without.

    python benchmarks/parameters.py --parameters 10000 100000 1000000

Networks of two hidden layers on the 16 molecules of the default campaign. Memory is what the compiler allocates for
temporaries and outputs: nothing of that is run. Rows: the gradient of each starting point, and of each probe of the
force metric, held at once. Blocks: sums over as many blocks as fit, and products of the metric. With --time, the
products of the metric are run.
"""

import argparse
import math
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import SURFACE, Case, allocated, fastest, water

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.config.data import WATER
from dynrefine.config.surfaces.embedded_atoms import EmbeddedAtomSettings
from dynrefine.datasets.arrays import to_arrays
from dynrefine.datasets.reading import read_frames
from dynrefine.dynamics.adjoint import adjoint_leg
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation, propagate
from dynrefine.dynamics.mapping import Blocks, for_each, sum_each
from dynrefine.dynamics.replicas import DIRECTIONS, both_ways
from dynrefine.files.models import Model, create_model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.system import Point
from dynrefine.quantities.base import Observer
from dynrefine.refinement.force_metric import probe_rows, projected_changes, pulled_back, unlabelled

PROBES, BLOCK = 1000, 2**25  # as in campaigns, and as in `force_metric.gram_of`


def surface(parameters: int) -> dict[str, Any]:
    """A network of about so many parameters, half of them of each element, with 24 features."""
    width = math.sqrt(13.0**2 + parameters / 2.0) - 13.0
    return SURFACE | {"hidden_layers": [max(1, round(width))] * 2}


def gradient(case: Case, starts: int, blocks: Blocks) -> int:
    """Bytes that the adjoint of short trajectories from so many starting points takes."""
    times = ObservationTimes(case.timestep, count=2, stride=2, kept=2)
    observers = Observer.of(["velocities"], {}), Observer({}, {})
    simulation = Simulation(case.field, times, *observers, case.parameters, case.system)
    start = jax.tree.map(lambda each: each[0], case.starts)
    legs = jax.eval_shape(lambda start: both_ways(partial(propagate, simulation))(start)[0], start)
    of_one = legs.positions, legs.velocities, start.cell, legs.series
    given = jax.tree.map(lambda each: jax.ShapeDtypeStruct((starts, *each.shape), each.dtype), of_one)

    def every(parameters: Any, *given: Any) -> Any:
        own = replace(simulation, parameters=parameters)

        def of_start(positions: jax.Array, velocities: jax.Array, cell: jax.Array, seeds: Any) -> Any:
            def leg(positions: jax.Array, velocities: jax.Array, direction: jax.Array, seeds: Any) -> Any:
                return adjoint_leg(own, Point(positions, velocities, cell), direction, seeds)[0].gradient

            both = for_each(leg)(positions, velocities, jnp.asarray(DIRECTIONS, positions.dtype), seeds)
            return jax.tree.map(lambda each: each.sum(axis=0), both), None

        return sum_each(of_start, blocks, parameters["trainable"])(*given)[0]

    return memory(every, case.parameters, *given)


def memory(function: Any, *arguments: Any) -> int:
    """Bytes that a compiled function takes for temporaries and outputs."""
    taken = allocated(jax.jit(function).lower(*arguments).compile())
    return taken.temp_size_in_bytes + taken.output_size_in_bytes


def metric(potential: Model, frames: LabelledFrames, size: int) -> dict[str, tuple[Any, ...]]:
    """Functions of the force metric and their arguments, by name."""
    data = unlabelled(potential, frames, potential.dtype)
    atoms = frames.positions.shape[1:]
    directions = jnp.zeros((len(frames), PROBES // len(frames), *atoms), potential.dtype)
    rows = partial(probe_rows, potential, np.arange(size))
    vector = jnp.ones(size, potential.dtype)
    return {
        "rows": (rows, data, directions, jnp.arange(directions.shape[0] * directions.shape[1])),
        "block of rows": (rows, data, directions, jnp.arange(min(PROBES, max(1, BLOCK // size)))),
        "A g": (partial(projected_changes, potential), data, directions, vector),
        "Aᵀ y": (partial(pulled_back, potential), data, directions[:, 0]),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--parameters", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--starts",
        type=int,
        default=320,
        help="starting points of the gradient, each from a chain of its own",
    )
    parser.add_argument("--time", action="store_true", help="run the products of the metric")
    options = parser.parse_args()
    read = to_arrays(read_frames("workflow/data/water16/frames.extxyz"), ["O", "H"])
    for number in options.parameters:
        print(configure_jax("float32", threads=1))
        settings = surface(number)
        case = water(1, jnp.float32, surface=settings)
        size = flat_parameters(case.parameters["trainable"])[0].size
        fitting = Blocks.fitting(options.starts, size, chains=options.starts)
        for name, blocks in (("rows", Blocks(options.starts)), ("blocks", fitting)):
            taken = gradient(case, options.starts, blocks) / 1e6
            print(f"{size:8d} gradient, {name} ({blocks.count}): {taken:.1f} MB", flush=True)
        potential = create_model(EmbeddedAtomSettings(**settings), WATER, jax.random.key(0)).cast(jnp.float32)
        for name, (function, *arguments) in metric(potential, read, size).items():
            print(f"{size:8d} metric, {name}: {memory(function, *arguments) / 1e6:.1f} MB", flush=True)
            if options.time and name in ("A g", "Aᵀ y"):
                seconds = fastest(jax.jit(function), *arguments)
                print(f"{size:8d} metric, {name}: {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
