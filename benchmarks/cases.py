"""What the benchmarks simulate, and how they measure."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import WATER, Element
from dynrefine.config.dynamics import NeighbourSettings, State
from dynrefine.config.surfaces.base import SurfaceSettings
from dynrefine.config.surfaces.embedded_atoms import DipoleSettings, EmbeddedAtomSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.datasets.reading import read_frames
from dynrefine.dynamics.force_field import ForceField, force_field
from dynrefine.dynamics.langevin import LangevinDynamics, Thermostat
from dynrefine.dynamics.leapfrog import ObservationTimes, Simulation
from dynrefine.files.models import Model, create_model
from dynrefine.geometry.system import Point, System, drawn_velocities, system_of
from dynrefine.quantities.base import Observer
from dynrefine.sampling.canonical import sample_chains
from dynrefine.sampling.initial_configurations import lattice_configurations

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
SURFACE: dict[str, Any] = {
    "cutoff": 4.5,
    "radial_functions": 8,
    "angular_momentum": 2,
    "hidden_layers": [32, 32],
}
LARGE_SURFACE: dict[str, Any] = {
    "cutoff": 6.0,
    "radial_functions": 12,
    "angular_momentum": 2,
    "hidden_layers": [64, 64],
}
RICH_SURFACE = LARGE_SURFACE | {"mixed_orbitals": 24, "triple_products": 24}
LARGE_DIPOLE = LARGE_SURFACE | {"cutoff": 4.0}


@dataclass(frozen=True, eq=False)
class Case:
    """A system with its force field and starting points.

    Attributes:
        field, parameters, system: of a `leapfrog.Simulation`.
        observe: what is observed along its trajectories.
        timestep: fs.
        stride: steps between observed frames.
        starts: S starting points.
    """

    field: ForceField
    parameters: dict[str, Any]
    system: System
    observe: Observer
    timestep: float
    stride: int
    starts: Point

    def simulation(self, frames: ObservationTimes, parameters: dict[str, Any] | None = None) -> Simulation:
        """Observed at these frames, with other parameters of the potential if they are given."""
        own = self.parameters if parameters is None else parameters
        return Simulation(self.field, frames, self.observe, Observer({}, {}), own, self.system)


def argon(starts: int, dtype: Any, atoms: int = 346) -> Case:
    """Liquid argon as in config/argon.yaml: 10 Å cutoff, velocities observed every 20 steps of 1 fs."""
    settings = LennardJonesSettings(
        kind="lennard_jones",
        sigma=3.38,
        epsilon=0.893795,
        cutoff=7.5 if atoms < 300 else 10.0,  # narrower than two cutoffs
        truncation="truncated",
        tail_correction=False,
    )
    model = create_model(settings, ARGON, jax.random.key(0)).cast(dtype)
    lattice = lattice_configurations(
        State(temperature=94.4, density=1.374, atoms=atoms), ARGON, starts, seed=1
    )
    system = system_of(lattice.species, ARGON, dtype)
    lists = NeighbourSettings(neighbour_skin=1.0, rebuild_interval=10)
    field = force_field([model.architecture], lattice.cells, atoms, lists)
    begun = _thermal(system, lattice.positions, lattice.cells, 94.4)
    dynamics = LangevinDynamics(field, Thermostat(94.4, 1e-2, 4.0), 400.0, model.parameters, system)
    chains = sample_chains(dynamics, 2000.0, begun, jax.random.key(2))
    melted = replace(begun, positions=chains.positions[:, -1])
    observe = Observer.of(["velocities"], {})
    return Case(field, model.parameters, system, observe, 1.0, 20, melted)


def water(
    starts: int,
    dtype: Any,
    supercell: tuple[int, int, int] = (1, 1, 1),
    surface: Any = SURFACE,
    dipole_surface: Any = None,
) -> Case:
    """The default campaign's 16 molecules: dM/dt observed every 4 steps of 0.5 fs; networks of its size, untrained.

    The dipole surface is of the potential's size where nothing else is said.

    Small outputs and slow atoms keep the molecules where they are, as long trajectories of untrained networks do not.
    """
    potential = _tamed(EmbeddedAtomSettings(repulsion_strength=0.0, **surface), dtype)
    dipole = _tamed(DipoleSettings(**(dipole_surface or surface)), dtype)
    frame = read_frames("workflow/data/water16/frames.extxyz")[0].repeat(supercell)
    species = np.array([0 if symbol == "O" else 1 for symbol in frame.get_chemical_symbols()])
    cells = np.stack([frame.cell.array] * starts)
    system = system_of(species, WATER, dtype)
    observe = Observer.of(["dipole_derivative"], {"dipole": dipole})
    seen = [potential.architecture, *observe.architectures]
    field = force_field(seen, cells, len(species), NeighbourSettings(rebuild_interval=5))
    points = _thermal(system, np.stack([frame.positions] * starts), cells, 1.0)
    return Case(field, potential.parameters, system, observe, 0.5, 4, points)


large_water = partial(water, surface=LARGE_SURFACE, dipole_surface=LARGE_DIPOLE)  # networks as published
rich_water = partial(water, surface=RICH_SURFACE, dipole_surface=LARGE_DIPOLE)  # that of config/water.yaml


def _tamed(settings: SurfaceSettings, dtype: Any) -> Model:
    model = create_model(settings, WATER, jax.random.key(1))
    model.parameters["constants"]["feature_scale"] *= 20.0
    model.parameters["trainable"]["layers"][-1]["weights"] *= 0.02
    return model.cast(dtype)


def _thermal(system: System, positions: np.ndarray, cells: np.ndarray, kelvin: float) -> Point:
    velocities = drawn_velocities(jax.random.key(0), system, kelvin, len(positions))
    dtype = system.masses.dtype
    return Point(jnp.asarray(positions, dtype), velocities, jnp.asarray(cells, dtype))


def fastest(function: Callable[..., Any], *arguments: Any, seconds: float = 1.0) -> float:
    """Seconds of the fastest of as many runs as fit into some time.

    On a CPU these are seconds of CPU time: for one thread, the time on a machine that does nothing else, also where
    others use it. On an accelerator they are those of a clock, after a first run that loads the program.
    """
    on_cpu = jax.default_backend() == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    if not on_cpu:
        jax.block_until_ready(function(*arguments))
    taken: list[float] = []
    while sum(taken) < seconds:
        begun = clock()
        jax.block_until_ready(function(*arguments))
        taken.append(clock() - begun)
    return min(taken)


def allocated(compiled: jax.stages.Compiled) -> Any:
    """What the compiler says of the memory of a program, in bytes."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        raise SystemExit("the compiler does not say how much memory a program takes")
    return analysis
