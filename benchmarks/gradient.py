"""Cost of a trajectory and of its gradient, three ways: milliseconds per step and replica, and memory.

    python benchmarks/gradient.py argon water --steps 100 400 --precision float32

Both directions of time are run from every starting point, one after another as campaigns do on a CPU. Naive
backpropagation, backpropagation with every step rematerialised and the reversible adjoint differentiate the same
loss, the squared series, with respect to the potential's parameters; backpropagation includes the run forwards, the
adjoint does not. Times are CPU time of one thread, memory is what the compiler allocates beyond inputs and outputs.
"""

import argparse
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from cases import Case, argon, fastest, water

from dynrefine.adjoint import adjoint_leg
from dynrefine.dynamics.leapfrog import Frames, propagate
from dynrefine.dynamics.replicas import DIRECTIONS, both_ways, for_each
from dynrefine.job import configure_jax

SYSTEMS = {"argon": argon, "water": water}
METHODS = ("forward", "adjoint", "rematerialised", "naive")


def forward(case: Case, frames: Frames, rematerialise: bool = False) -> Any:
    """A function from parameters and a starting point to both its legs."""

    def legs(parameters: Any, positions: jax.Array, velocities: jax.Array) -> Any:
        leg = partial(propagate, case.simulation(frames, parameters), rematerialise=rematerialise)
        return both_ways(leg)(positions, velocities)[0]

    return legs


def backpropagation(case: Case, frames: Frames, rematerialise: bool) -> Any:
    """A function from parameters and a starting point to the gradient of its loss."""
    legs = forward(case, frames, rematerialise)

    def gradient(parameters: Any, positions: jax.Array, velocities: jax.Array) -> Any:
        def loss(trainable: Any) -> jax.Array:
            series = legs({**parameters, "trainable": trainable}, positions, velocities).series
            return sum(jnp.sum(values**2) for values in series.values())

        return jax.grad(loss)(parameters["trainable"])

    return gradient


def adjoint(case: Case, frames: Frames) -> Any:
    """A function from parameters and where the legs of a starting point ended to the same gradient."""

    def gradient(parameters: Any, legs: Any) -> Any:
        def one(positions: jax.Array, velocities: jax.Array, direction: jax.Array, series: Any) -> Any:
            seeds = jax.tree.map(lambda values: 2.0 * values, series)
            simulation = case.simulation(frames, parameters)
            return adjoint_leg(simulation, positions, velocities, direction, seeds)[0].gradient

        directions = jnp.asarray(DIRECTIONS, legs.positions.dtype)
        each = for_each(one)(legs.positions, legs.velocities, directions, legs.series)
        return jax.tree.map(lambda leaf: leaf.sum(axis=0), each)

    return gradient


def measure(case: Case, steps: int, methods: list[str], limit: float, label: str) -> None:
    """Print one row for each method."""
    frames = Frames.spanning(steps * case.timestep, case.stride * case.timestep, case.timestep)
    start = case.positions, case.velocities
    functions = {
        "forward": forward(case, frames),
        "adjoint": adjoint(case, frames),
        "rematerialised": backpropagation(case, frames, True),
        "naive": backpropagation(case, frames, False),
    }
    legs, reference = None, None
    for name in ("forward", *(method for method in METHODS[1:] if method in methods)):
        own = legs if name == "adjoint" else start

        def every(parameters: Any, *arguments: Any, function: Any = functions[name]) -> Any:
            return for_each(partial(function, parameters))(*arguments)

        arguments = (case.parameters, *(own if isinstance(own, tuple) else (own,)))
        compiled = jax.jit(every).lower(*arguments).compile()
        memory = compiled.memory_analysis().temp_size_in_bytes / 1e9
        row = f"{label} {steps:6d}  {name:15s}"
        if memory > limit:
            print(f"{row} {'-':>15s} {'-':>6s} {1e3 * memory:12.1f}  not run: above {limit:g} GB", flush=True)
            continue
        seconds = fastest(compiled, *arguments)
        if name == "forward":
            legs, reference = compiled(*arguments), seconds
        cost = 1e3 * seconds / (steps * len(DIRECTIONS) * len(case.positions))
        print(f"{row} {cost:15.3f} {seconds / reference:6.2f} {1e3 * memory:12.1f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS), metavar="system")
    parser.add_argument("--steps", nargs="+", type=int, default=[100, 400, 2000, 10000])
    parser.add_argument(
        "--precision", nargs="+", default=["float32", "float64"], choices=["float32", "float64"]
    )
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--starts", type=int, default=1, help="starting points, each with two trajectories")
    parser.add_argument("--memory", type=float, default=4.0, help="skip what needs more, GB")
    options = parser.parse_args()
    for precision in options.precision:
        print(configure_jax(precision, threads=1))
        print("system  precision  steps  method          ms/step/replica  ratio  memory (MB)")
        for system in options.systems:
            case = SYSTEMS[system](options.starts, jnp.dtype(precision))
            for steps in options.steps:
                measure(case, steps, options.methods, options.memory, f"{system:7s} {precision:9s}")


if __name__ == "__main__":
    main()
