"""Cost of a water trajectory and of its gradient: milliseconds per step and replica, and memory.

Run with `python benchmarks/water_gradient.py [replicas] [threads]`. Forward dynamics, the reversible adjoint and
backpropagation with every step rematerialised do the same physics in the same precision; each is compiled once and
the fastest of three runs counts. Temporary memory is what the compiler allocates beyond inputs and outputs.
"""

import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.adjoint import adjoint_leg
from dynrefine.datasets import read_frames
from dynrefine.dynamics.force_field import force_field
from dynrefine.dynamics.leapfrog import Frames, propagate
from dynrefine.initial_configurations import system_of
from dynrefine.job import configure_jax
from dynrefine.models import create_model
from dynrefine.series import observer
from dynrefine.system import thermal_velocities

ELEMENTS = [
    {"symbol": "O", "mass": 15.999, "charge": -2},
    {"symbol": "H", "mass": 1.008, "charge": 1},
]
SIZE = {"cutoff": 4.5, "radial_functions": 8, "angular_momentum": 2, "hidden_layers": [32, 32]}
TIMESTEP, STRIDE = 0.5, 4


def tamed(model):
    """A random model with small outputs, so that a short trajectory stays where it began."""
    model.parameters["constants"]["feature_scale"] *= 20.0
    model.parameters["trainable"]["layers"][-1]["weights"] *= 0.02
    return model.cast(jnp.float32)


def measure(function, *arguments):
    """Seconds of the fastest of three runs, and temporary memory in MB."""
    compiled = jax.jit(function).lower(*arguments).compile()
    memory = compiled.memory_analysis().temp_size_in_bytes / 1e6
    seconds = []
    for _ in range(4):
        begun = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:]), memory


def main(replicas: int, threads: int) -> None:
    """Print the table."""
    print(configure_jax("float32", threads))
    potential = tamed(
        create_model({"kind": "eann", "repulsion_strength": 0.0, **SIZE}, ELEMENTS, jax.random.key(1))
    )
    dipole = tamed(create_model({"kind": "dipole", **SIZE}, ELEMENTS, jax.random.key(2)))
    frame = read_frames("workflow/data/water16/frames.extxyz")[0]
    species = np.array([0 if symbol == "O" else 1 for symbol in frame.get_chemical_symbols()])
    system = system_of(species, frame.cell.array, ELEMENTS, jnp.float32)
    field = force_field(potential.architecture, len(species), frame.cell.array, 0.5, 5)
    observe = observer(["dipole_derivative"], {"dipole": dipole})
    positions = jnp.asarray(np.stack([frame.positions] * replicas), jnp.float32)
    keys = jax.random.split(jax.random.key(0), replicas)
    velocities = jax.vmap(lambda key: thermal_velocities(key, system.masses, 300.0))(keys)

    print(f"{replicas} replicas of {len(species)} atoms, {field.capacity} neighbours, float32")
    print("steps  method                      ms/step/replica  ratio  memory (MB)")
    for steps in (100, 400, 2000):
        frames = Frames.spanning(steps * TIMESTEP, STRIDE * TIMESTEP, TIMESTEP)

        def run(trainable, rematerialise, frames=frames):
            parameters = {**potential.parameters, "trainable": trainable}
            leg = partial(propagate, field, frames, observe, parameters, system, direction=1.0)
            return jax.vmap(lambda x, v: leg(x, v, rematerialise=rematerialise)[0])(positions, velocities)

        def backpropagated(trainable, run=run):
            return jnp.sum(run(trainable, True).series["dipole_derivative"] ** 2)

        def adjoint(trainable, legs, frames=frames):
            parameters = {**potential.parameters, "trainable": trainable}
            seeds = jax.tree.map(lambda a: 2.0 * a, legs.series)
            walk = partial(adjoint_leg, field, frames, observe, parameters, system)
            each = jax.vmap(lambda x, v, s: walk(x, v, 1.0, s)[0].gradient)
            return each(legs.positions, legs.velocities, seeds)

        trainable = potential.parameters["trainable"]
        legs = jax.jit(lambda t, run=run: run(t, False))(trainable)
        forward, forward_memory = measure(lambda t, run=run: run(t, False), trainable)
        rows = {"forward": (forward, forward_memory), "adjoint": measure(adjoint, trainable, legs)}
        rows["backpropagation, rematerialised"] = measure(jax.grad(backpropagated), trainable)
        for name, (seconds, memory) in rows.items():
            cost = 1e3 * seconds / steps / replicas
            print(f"{steps:5d}  {name:32s} {cost:10.3f}  {seconds / forward:6.2f}  {memory:10.1f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], "8", "1")[:2]))
