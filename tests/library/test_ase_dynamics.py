"""Langevin dynamics of ASE with the calculator, and the campaign's sampler: the same ensemble."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

from dynrefine.ase import DynrefineCalculator
from dynrefine.config.data import Element
from dynrefine.config.dynamics import ReusedSettings, State
from dynrefine.config.steps import SampleEnsemble
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.files.models import create_model, save_model
from dynrefine.geometry.cell import cubic_edge
from dynrefine.sampling.canonical import sample_ensemble
from dynrefine.sampling.initial_configurations import lattice_configurations

ARGON = Element(symbol="Ar", mass=39.948, charge=0)
STATE = State(temperature=120.0, density=1.2, atoms=32)
POTENTIAL = LennardJonesSettings(
    kind="lennard_jones",
    sigma=3.4,
    epsilon=0.998,
    cutoff=5.0,
    truncation="force_shifted",
    tail_correction=False,
)
TIMESTEP, FRICTION = 5.0, 5.0  # fs, 1/ps
LENGTH, EQUILIBRATION = 60.0, 4.0  # ps
BLOCKS = 20  # of 3 ps, many times what the structure remembers
EDGES = np.linspace(3.0, 5.6, 14)  # Å


def distribution(positions, edge):
    """How many pairs are at each distance, in each of some configurations [S, bins]."""
    between = positions[:, :, None] - positions[:, None]
    between -= edge * np.round(between / edge)
    distances = np.linalg.norm(between, axis=-1)
    return np.stack([np.histogram(each, EDGES)[0] for each in distances]) / 2.0


def mean_and_error(values):
    """Of values in the order of time, by blocks."""
    means = np.stack([block.mean(axis=0) for block in np.array_split(np.asarray(values, float), BLOCKS)])
    return means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(BLOCKS)


@pytest.fixture(scope="module")
def model():
    """Argon without a tail, so that both sides have the same forces."""
    return create_model(POTENTIAL, [ARGON], jax.random.key(0)).cast(jnp.float64)


@pytest.mark.slow
def test_temperature_energy_and_structure_agree(model, tmp_path):
    starts = lattice_configurations(STATE, [ARGON], 1, seed=1)
    sampling = ReusedSettings(
        replicas=1,
        equilibration=EQUILIBRATION,
        samples_per_replica=1,
        decorrelation=LENGTH,
        timestep=TIMESTEP,
        friction=FRICTION,
    )
    settings = SampleEnsemble(potential=POTENTIAL, elements=[ARGON], state=STATE, ensemble=sampling)
    ensemble = sample_ensemble(model, starts, settings, 3)

    edge = cubic_edge(STATE.atoms * ARGON.mass, STATE.density)
    save_model(tmp_path / "argon.npz", model)
    atoms = Atoms(f"Ar{STATE.atoms}", starts.positions[0], cell=3 * [edge], pbc=True)
    atoms.set_masses([ARGON.mass] * STATE.atoms)
    atoms.calc = DynrefineCalculator(tmp_path / "argon.npz")
    generator = np.random.default_rng(4)
    MaxwellBoltzmannDistribution(atoms, temperature_K=STATE.temperature, rng=generator)
    Stationary(atoms)
    atoms.set_constraint(FixCom())
    dynamics = Langevin(
        atoms,
        TIMESTEP * units.fs,
        temperature_K=STATE.temperature,
        friction=FRICTION / (1e3 * units.fs),
        fixcm=False,
        rng=generator,
    )
    dynamics.run(round(1e3 * EQUILIBRATION / TIMESTEP))
    energies, temperatures, positions = [], [], []
    for _ in range(round(1e3 * LENGTH / TIMESTEP / 4)):
        dynamics.run(4)
        energies.append(atoms.get_potential_energy())
        temperatures.append(2.0 * atoms.get_kinetic_energy() / (3 * (STATE.atoms - 1) * units.kB))
        positions.append(atoms.get_positions())

    pairs = distribution(np.stack(positions), edge), distribution(ensemble.recorded_positions[:, 0], edge)
    compared = [
        (temperatures, ensemble.temperatures[:, 0]),
        (energies, ensemble.energies[:, 0]),
        *zip(pairs[0].T, pairs[1].T, strict=True),
    ]
    for one, other in compared:
        (first, first_error), (second, second_error) = mean_and_error(one), mean_and_error(other)
        assert abs(first - second) < 4.5 * np.hypot(first_error, second_error)
    assert mean_and_error(temperatures)[1] < 0.02 * STATE.temperature
    assert atoms.calc.lists_built < 0.2 * dynamics.get_number_of_steps()
