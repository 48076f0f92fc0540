"""Where the time of a step of water goes: milliseconds of each part.

    python benchmarks/parts.py --molecules 64 512 --surface large

Times are CPU time of one thread, as in `gradient.py`.
"""

import argparse
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from cases import fastest, large_water, rich_water, water

from dynrefine.campaign.job import configure_jax
from dynrefine.geometry.system import Point

SUPERCELLS = {16: (1, 1, 1), 64: (2, 2, 1), 128: (2, 2, 2), 256: (4, 2, 2), 512: (4, 4, 2)}
SURFACES = {"small": water, "large": large_water, "rich": rich_water}


def parts(case: Any) -> dict[str, tuple[Any, ...]]:
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

    def observed(x: jax.Array, v: jax.Array) -> Any:
        return case.observe(None, system, Point(x, v, cell), neighbours)

    def pulled(x: jax.Array, v: jax.Array) -> Any:
        values, pull = jax.vjp(observed, x, v)
        return pull(jax.tree.map(jnp.ones_like, values))

    return {
        "list": (lambda x: field.neighbours(x, cell), x),
        "energy": (energy, parameters, x),
        "force": (force, parameters, x),
        "force, both products": (products, parameters, x, v),
        "dipole derivative": (observed, x, v),
        "its pull-back": (pulled, x, v),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--molecules", nargs="+", type=int, default=[64], choices=list(SUPERCELLS))
    parser.add_argument("--surface", default="large", choices=list(SURFACES))
    parser.add_argument("--precision", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()
    print(configure_jax(options.precision, threads=1))
    for molecules in options.molecules:
        case = SURFACES[options.surface](1, jnp.dtype(options.precision), SUPERCELLS[molecules])
        print(f"{molecules} molecules, {case.field.capacity} entries for each atom")
        for name, (function, *arguments) in parts(case).items():
            compiled = jax.jit(function).lower(*arguments).compile()
            memory = compiled.memory_analysis().temp_size_in_bytes / 1e6
            seconds = fastest(partial(compiled, *arguments))
            print(f"  {name:22s} {1e3 * seconds:8.2f} ms {memory:8.1f} MB", flush=True)


if __name__ == "__main__":
    main()
