"""Cost of a trajectory and of its gradient, four ways: milliseconds per step and replica, and memory.

    python benchmarks/gradient.py --systems argon water --steps 100 400 --precision float32

Both directions of time are run from every starting point, one after another on a CPU and all at once on a GPU, as
campaigns do. Naive backpropagation, backpropagation with every step rematerialised and the reversible adjoint, in
floating point and exact in fixed point, differentiate the same loss, the squared series, with respect to the
potential's parameters; backpropagation includes the run forwards, the adjoint does not. Times are CPU time of one
thread, or those of a clock on a GPU; memory is what the compiler allocates beyond inputs and outputs.
"""

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from cases import Case, allocated, argon, fastest, large_water, water

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.dynamics.adjoint import adjoint_leg
from dynrefine.dynamics.leapfrog import ObservationTimes, propagate
from dynrefine.dynamics.mapping import for_each
from dynrefine.dynamics.replicas import DIRECTIONS, both_ways
from dynrefine.geometry.system import Point

SYSTEMS = {
    "argon": argon,
    "water": water,
    "water64": partial(large_water, supercell=(2, 2, 1)),
    "water128": partial(large_water, supercell=(2, 2, 2)),
    "water512": partial(large_water, supercell=(4, 4, 2)),
}
METHODS = ("forward", "adjoint", "exact adjoint", "rematerialised", "naive")


def forward(case: Case, frames: ObservationTimes, rematerialise: bool = False) -> Any:
    """A function from parameters and a starting point to both its legs."""

    def legs(parameters: Any, start: Point) -> Any:
        leg = partial(propagate, case.simulation(frames, parameters), rematerialise=rematerialise)
        return both_ways(leg)(start)[0]

    return legs


def backpropagation(case: Case, frames: ObservationTimes, rematerialise: bool) -> Any:
    """A function from parameters and a starting point to the gradient of its loss."""
    legs = forward(case, frames, rematerialise)

    def gradient(parameters: Any, start: Point) -> Any:
        def loss(trainable: Any) -> jax.Array:
            series = legs({**parameters, "trainable": trainable}, start).series
            return sum((jnp.sum(values**2) for values in series.values()), jnp.zeros(()))

        return jax.grad(loss)(parameters["trainable"])

    return gradient


def adjoint(case: Case, frames: ObservationTimes) -> Any:
    """A function from parameters, where the legs of a starting point ended, and seeds to the same gradient."""

    def gradient(parameters: Any, legs: Any, seeds: Any) -> Any:
        def one(
            positions: jax.Array, velocities: jax.Array, direction: jax.Array, seeds: Any, lists: Any
        ) -> Any:
            simulation = case.simulation(frames, parameters)
            end = Point(positions, velocities, case.starts.cell[0])
            return adjoint_leg(simulation, end, direction, seeds, lists)[0].gradient

        directions = jnp.asarray(DIRECTIONS, case.system.masses.dtype)
        each = for_each(one)(legs.positions, legs.velocities, directions, seeds, legs.lists)
        return jax.tree.map(lambda leaf: leaf.sum(axis=0), each)

    return gradient


def of_every_start(
    case: Case, frames: ObservationTimes, function: Any, *arguments: Any
) -> jax.stages.Compiled:
    """A function of one starting point, compiled for all of them."""

    def every(parameters: Any, *arguments: Any) -> Any:
        return for_each(partial(function, parameters))(*arguments)

    options = frames.arithmetic.compiler_options
    return jax.jit(every, compiler_options=options).lower(case.parameters, *arguments).compile()


def measure(case: Case, steps: int, methods: list[str], limit: float, label: str) -> None:
    """Print one row for each method."""
    floating = ObservationTimes.spanning(steps * case.timestep, case.stride * case.timestep, case.timestep)
    exact = replace(floating, reversal="exact")

    def start(frames: ObservationTimes) -> tuple[Point]:
        return (frames.arithmetic.represented(case.starts, case.timestep),)

    def ends(frames: ObservationTimes) -> tuple[Any, Any]:
        legs = of_every_start(case, frames, forward(case, frames), *start(frames))(
            case.parameters, *start(frames)
        )
        return legs, jax.tree.map(lambda values: 2.0 * values, legs.series)

    rows = {
        "forward": (floating, forward(case, floating), partial(start, floating)),
        "adjoint": (floating, adjoint(case, floating), partial(ends, floating)),
        "exact adjoint": (exact, adjoint(case, exact), partial(ends, exact)),
        "rematerialised": (floating, backpropagation(case, floating, True), partial(start, floating)),
        "naive": (floating, backpropagation(case, floating, False), partial(start, floating)),
    }
    reference = None
    for name in ("forward", *(method for method in METHODS[1:] if method in methods)):
        frames, function, arguments_of = rows[name]
        arguments = jax.block_until_ready(arguments_of())
        compiled = of_every_start(case, frames, function, *arguments)
        memory = allocated(compiled).temp_size_in_bytes / 1e9
        row = f"{label} {steps:6d}  {name:15s}"
        if memory > limit:
            print(f"{row} {'-':>15s} {'-':>6s} {1e3 * memory:12.1f}  not run: above {limit:g} GB", flush=True)
            continue
        seconds = fastest(compiled, case.parameters, *arguments)
        reference = reference or seconds
        cost = 1e3 * seconds / (steps * len(DIRECTIONS) * len(case.starts.positions))
        print(f"{row} {cost:15.3g} {seconds / reference:6.2f} {1e3 * memory:12.1f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=["argon", "water"], choices=list(SYSTEMS))
    parser.add_argument("--steps", nargs="+", type=int, default=[100, 400, 2000, 10000])
    parser.add_argument(
        "--precision", nargs="+", default=["float32", "float64"], choices=["float32", "float64"]
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument(
        "--starts", nargs="+", type=int, default=[1], help="starting points, each with two trajectories"
    )
    parser.add_argument("--memory", type=float, default=4.0, help="skip what needs more, GB")
    options = parser.parse_args()
    for precision in options.precision:
        print(configure_jax(precision, threads=1))
        print("system   precision starts  steps  method          ms/step/replica  ratio  memory (MB)")
        for system in options.systems:
            for starts in options.starts:
                case = SYSTEMS[system](starts, jnp.dtype(precision))
                for steps in options.steps:
                    label = f"{system:8s} {precision:9s} {starts:6d}"
                    measure(case, steps, options.methods, options.memory, label)
                peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
                if peak is not None:
                    print(f"{system} from {starts} starting points: {peak / 1e6:.0f} MB at most so far")


if __name__ == "__main__":
    main()
