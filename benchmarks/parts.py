"""Where the time of a step of water or argon goes: milliseconds of each part.

    python benchmarks/parts.py --molecules 64 512 --surface large
    python benchmarks/parts.py --argon 108 346

Times are CPU time of one thread, as in `gradient.py`.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from cases import Case, allocated, argon, fastest, large_water, rich_water, water

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.geometry.system import Point
from dynrefine.quantities.base import Observer
from dynrefine.surfaces.base import Surface

SUPERCELLS = {16: (1, 1, 1), 64: (2, 2, 1), 128: (2, 2, 2), 256: (4, 2, 2), 512: (4, 4, 2)}
SURFACES = {"small": water, "large": large_water, "rich": rich_water}


def parts(case: Case) -> dict[str, tuple[Any, ...]]:
    """Functions and their arguments, by name."""
    field, parameters, system = case.field, case.parameters, case.system
    point = jax.tree.map(lambda each: each[0], case.starts)
    x, v, cell = point.positions, point.velocities, point.cell
    neighbours = jax.jit(field.neighbours)(x, cell)
    if bool(neighbours.overflow):
        raise SystemExit("the list overflows")

    def energy(parameters: Any, x: jax.Array) -> jax.Array:
        return field.architecture.energy(parameters, system.species, x, cell, neighbours)

    def force(parameters: Any, x: jax.Array) -> Any:
        return field.energy_and_forces(parameters, system.species, x, cell, neighbours)

    def products(parameters: Any, x: jax.Array, g: jax.Array) -> Any:
        return field.forces_and_products(parameters, system.species, x, cell, neighbours, g)

    result: dict[str, tuple[Any, ...]] = {
        "list": (lambda x: field.neighbours(x, cell), x),
        "energy": (energy, parameters, x),
        "force": (force, parameters, x),
        "force, both products": (products, parameters, x, v),
    }
    for name, observer in {**_each(case.observe), **_each(Observer.of(["stress"], {}))}.items():

        def observed(parameters: Any, x: jax.Array, v: jax.Array, observer: Any = observer) -> Any:
            potential = Surface(field.architecture, parameters)
            return observer(potential, system, Point(x, v, cell), neighbours)

        def pulled(parameters: Any, x: jax.Array, v: jax.Array, observed: Any = observed) -> Any:
            def values(trainable: Any, x: jax.Array, v: jax.Array) -> Any:
                return observed({**parameters, "trainable": trainable}, x, v)

            found, pull = jax.vjp(values, parameters["trainable"], x, v)
            return pull(jax.tree.map(jnp.ones_like, found))

        result |= {name: (observed, parameters, x, v), f"{name}, pulled back": (pulled, parameters, x, v)}
    return result


def _each(observer: Observer) -> dict[str, Observer]:
    """Observers of one quantity each, by its name in words."""
    return {
        name.replace("_", " "): Observer({name: quantity}, observer.surfaces)
        for name, quantity in observer.quantities.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--molecules", nargs="+", type=int, default=[], choices=list(SUPERCELLS))
    parser.add_argument("--surface", default="large", choices=list(SURFACES))
    parser.add_argument("--argon", nargs="+", type=int, default=[], help="atoms of liquid argon")
    parser.add_argument("--precision", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()
    print(configure_jax(options.precision, threads=1))
    dtype = jnp.dtype(options.precision)
    cases: dict[str, Callable[[], Case]] = {
        f"{n} molecules": partial(SURFACES[options.surface], 1, dtype, SUPERCELLS[n])
        for n in options.molecules
    }
    cases |= {f"{n} atoms of argon": partial(argon, 1, dtype, n) for n in options.argon}
    for title, make in cases.items():
        case = make()
        print(f"{title}, {case.field.capacity} entries for each atom")
        for name, (function, *arguments) in parts(case).items():
            compiled = jax.jit(function).lower(*arguments).compile()
            memory = allocated(compiled).temp_size_in_bytes / 1e6
            seconds = fastest(partial(compiled, *arguments))
            print(f"  {name:30s} {1e3 * seconds:8.2f} ms {memory:8.1f} MB", flush=True)


if __name__ == "__main__":
    main()
