"""Forward dynamics of liquid argon beside other programs: milliseconds per step of one replica at constant energy.

    python -m pip install jax-md openmm      in an environment of its own; neither is needed elsewhere
    python benchmarks/forward_dynamics.py --atoms 346

The same atoms, cutoff, time step and skin; neighbour lists are rebuilt when they need to be. Times are CPU time of
one thread. Programs that are not installed are left out.
"""

import argparse
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from cases import Case, argon, fastest

from dynrefine.campaign.jax_setup import configure_jax
from dynrefine.dynamics.leapfrog import ObservationTimes, propagate
from dynrefine.units import KILOJOULE_PER_MOLE

MASS = 39.948  # u


def dynrefine_run(case: Case, steps: int) -> Callable[[], object]:
    """A run of this package, its velocities observed every 20 steps."""
    frames = ObservationTimes.spanning(steps * case.timestep, case.stride * case.timestep, case.timestep)
    leg = jax.jit(propagate)
    start = case.simulation(frames), jax.tree.map(lambda each: each[0], case.starts), 1.0
    _, faults = leg(*start)
    if faults.overflow or faults.outrun:
        raise RuntimeError("a neighbour list did not suffice")
    return lambda: leg(*start)


def jax_md_run(case: Case, steps: int, layout: str) -> Callable[[], object]:
    """A run of jax-md with one of its layouts of neighbour lists."""
    from jax_md import energy, partition, simulate, space  # ty: ignore[import-not-found]

    box = float(case.starts.cell[0, 0, 0])
    sigma, epsilon = (float(case.parameters["trainable"][name]) for name in ("sigma", "epsilon"))
    displacement, shift = space.periodic(box)
    cutoff = case.field.architecture.cutoff / sigma
    find, energy_of = energy.lennard_jones_neighbor_list(
        displacement,
        box,
        sigma=sigma,
        epsilon=epsilon / KILOJOULE_PER_MOLE,
        r_onset=0.999 * cutoff,
        r_cutoff=cutoff,
        dr_threshold=case.field.skin / sigma,
        format=getattr(partition, layout),
    )
    # u, Å, kJ/mol: the unit of time is 100 fs
    init, apply = simulate.nve(energy_of, shift, dt=case.timestep / 100.0)
    positions = jnp.mod(case.starts.positions[0], box)
    neighbours = find.allocate(positions)
    state = init(jax.random.key(0), positions, kT=BOLTZMANN_KJ * 94.4, mass=MASS, neighbor=neighbours)

    def step(_: int, carry: tuple) -> tuple:
        state, neighbours = carry
        neighbours = neighbours.update(state.position)
        return apply(state, neighbor=neighbours), neighbours

    run = jax.jit(lambda state, neighbours: jax.lax.fori_loop(0, steps, step, (state, neighbours)))
    _, after = run(state, neighbours)
    if after.did_buffer_overflow:
        raise RuntimeError("a neighbour list of jax-md overflowed")
    return lambda: run(state, neighbours)


BOLTZMANN_KJ = 0.00831446261815324  # kJ/mol/K


def openmm_run(case: Case, steps: int) -> Callable[[], object]:
    """A run of OpenMM on its CPU platform, in mixed single and double precision."""
    import openmm  # ty: ignore[import-not-found]

    box = float(case.starts.cell[0, 0, 0]) / 10.0
    sigma, epsilon = (float(case.parameters["trainable"][name]) for name in ("sigma", "epsilon"))
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors([box, 0, 0], [0, box, 0], [0, 0, box])
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(case.field.architecture.cutoff / 10.0)
    force.setUseDispersionCorrection(False)
    for _ in range(len(case.system.species)):
        system.addParticle(MASS)
        force.addParticle(0.0, sigma / 10.0, epsilon / KILOJOULE_PER_MOLE)
    system.addForce(force)
    platform = openmm.Platform.getPlatformByName("CPU")
    integrator = openmm.VerletIntegrator(1e-3 * case.timestep)
    context = openmm.Context(system, integrator, platform, {"Threads": "1"})
    context.setPositions(np.asarray(case.starts.positions[0], float) / 10.0)
    context.setVelocities(np.asarray(case.starts.velocities[0], float) * 100.0)
    return lambda: context.getIntegrator().step(steps)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--atoms", nargs="+", type=int, default=[108, 346])
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    print(configure_jax("float32", threads=1))
    print("atoms  program            ms/step")
    for atoms in options.atoms:
        case = argon(1, jnp.float32, atoms)
        runs = {"dynrefine": partial(dynrefine_run, case, options.steps)}
        for layout in ("Dense", "Sparse", "OrderedSparse"):
            runs[f"jax-md {layout}"] = partial(jax_md_run, case, options.steps, layout)
        runs["OpenMM CPU"] = partial(openmm_run, case, options.steps)
        for name, prepare in runs.items():
            try:
                run = prepare()
            except ModuleNotFoundError as error:
                print(f"{atoms:5d}  {name:20s} {error.name} is not installed")
                continue
            print(f"{atoms:5d}  {name:20s} {1e3 * fastest(run) / options.steps:.4f}", flush=True)


if __name__ == "__main__":
    main()
