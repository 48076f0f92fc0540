"""Path integrals by i-PI: exact energies of oscillators, and the records as tables."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from systems import ELEMENTS

from dynrefine.config.data import Element
from dynrefine.config.dynamics import BLOCKS_OF_A_RUN, PathIntegralSettings
from dynrefine.errors import CampaignError
from dynrefine.files.path_integrals import RingPolymers
from dynrefine.ipi import watched
from dynrefine.ipi.protocol import Labels
from dynrefine.ipi.simulation import Start, Surroundings, simulate
from dynrefine.refinement.path_integrals import blocks_of, energies
from dynrefine.statistics import standard_error
from dynrefine.units import ACCELERATION, BOLTZMANN, PHOTON, WAVENUMBER

IPI = Path(sys.executable).with_name("i-pi")
needs_ipi = pytest.mark.skipif(not IPI.is_file(), reason="i-PI is not installed: pip install ipi")

KELVIN, ATOMS, STIFFNESS = 300.0, 16, 1.0  # K, -, eV/Å²
PROTON = Element(symbol="H", mass=1.008, charge=0.0)
START = Start([PROTON], np.zeros(ATOMS, int), np.zeros((ATOMS, 3)), 10.0 * np.eye(3))


def oscillators(cells, positions):
    """Each atom on a spring to the origin."""
    return Labels(
        0.5 * STIFFNESS * np.sum(positions**2, axis=(1, 2)), -STIFFNESS * positions, np.zeros_like(cells)
    )


def exact(beads):
    """Mean potential energy of a degree of freedom at a number of beads, which is its kinetic energy, too.

    Each normal mode k of the ring polymer has kT/2 ω²/(ω² + ω_k²), ω_k = 2 P kT/ħ sin(kπ/P).
    """
    frequency = np.sqrt(STIFFNESS / PROTON.mass * ACCELERATION)  # rad/fs
    thermal = BOLTZMANN * KELVIN
    modes = 2.0 * beads * thermal / PHOTON * WAVENUMBER * np.sin(np.pi * np.arange(beads) / beads)
    return 0.5 * thermal * np.sum(frequency**2 / (frequency**2 + modes**2))


@needs_ipi
@pytest.mark.slow
@pytest.mark.parametrize("beads", [1, 8])
def test_oscillators_have_the_energies_of_so_many_beads(beads, caplog):
    """i-PI holds the centre of mass, whose centroid has no potential energy."""
    settings = PathIntegralSettings(
        beads=beads,
        thermostat="pile_l",
        relaxation=0.02,
        timestep=1.0,
        equilibration=0.1,
        length=1.2,
        sampling_interval=2.0,
    )
    calls = []

    def evaluate(cells, positions):
        calls.append(len(positions))
        return oscillators(cells, positions)

    caplog.set_level(logging.INFO, "dynrefine.ipi.simulation")
    found = simulate(START, Surroundings(KELVIN), settings, evaluate, seed=5)
    assert caplog.messages == [f"step {step} of 1300" for step in range(130, 1301, 130)]
    assert set(calls) == {beads}
    assert found.positions.shape == (600, beads, ATOMS, 3)
    np.testing.assert_allclose(found.cells, np.broadcast_to(START.cell, (600, 3, 3)), rtol=1e-8)
    expected = 3 * ATOMS * exact(beads)
    held = 1.5 * BOLTZMANN * KELVIN
    # the step errs by (ω Δt)²/4, of which the thermostat's splitting leaves at most that
    for records, energy in (
        (found.potential, expected - held),
        (found.virial_kinetic[:, 0], expected),
        (found.primitive_kinetic[:, 0], expected),
    ):
        blocks = records.reshape(20, -1).mean(axis=1)
        assert abs(blocks.mean() - energy) < 4.0 * standard_error(blocks) + 0.0024 * energy
        assert standard_error(blocks) < 0.04 * energy or records is found.primitive_kinetic[:, 0]
    potentials = 0.5 * STIFFNESS * np.sum(found.positions**2, axis=(2, 3)).mean(axis=1)
    np.testing.assert_allclose(potentials, found.potential, rtol=1e-4)  # positions are those of the energies


def test_the_classical_limit_and_the_quantum_one_of_the_exact_energies():
    quantum = 0.5 * PHOTON / WAVENUMBER * np.sqrt(STIFFNESS / PROTON.mass * ACCELERATION)
    assert exact(1) == pytest.approx(0.5 * BOLTZMANN * KELVIN)
    of_oscillator = 0.5 * quantum / np.tanh(quantum / (BOLTZMANN * KELVIN))
    assert exact(512) == pytest.approx(of_oscillator, rel=1e-4)


@needs_ipi
@pytest.mark.slow
def test_what_fails_is_told():
    settings = PathIntegralSettings(beads=2, equilibration=0.0, length=0.1, sampling_interval=1.0)

    def broken(cells, positions):
        raise CampaignError("the forces are gone.")

    with pytest.raises(CampaignError, match="the forces are gone"):
        simulate(START, Surroundings(KELVIN), settings, broken, seed=1)
    other = settings.model_copy(update={"thermostat": "none_such"})
    with pytest.raises(CampaignError, match=r"(?s)i-PI failed, expected it to run to its end.*Error"):
        simulate(START, Surroundings(KELVIN), other, oscillators, seed=1)


def test_a_program_ends_with_the_process_that_started_it(tmp_path):
    """And takes along what it would leave; the pipe it has from there is closed only then."""
    program, folder, socket = tmp_path / "program.py", tmp_path / "folder", tmp_path / "socket"
    program.write_text("import time\n\ntime.sleep(300)\n")
    folder.mkdir()
    for left in (folder / "log", socket):
        left.touch()
    files = ", ".join(repr(str(path)) for path in (folder, socket, program))
    command = f"sys.executable, {watched.__file__!r}, str(os.getpid()), {files}"
    starting = f"import os, subprocess, sys; subprocess.Popen([{command}])"
    subprocess.run([sys.executable, "-c", starting], stdout=subprocess.PIPE, check=True, timeout=100)
    assert not folder.exists() and not socket.exists()


def test_a_cell_is_turned_and_its_atoms_with_it():
    generator = np.random.default_rng(3)
    cell, positions = generator.normal(size=(3, 3)), generator.random((ATOMS, 3))
    start = Start([PROTON], START.species, positions @ cell, cell)
    turned = start.turned()
    np.testing.assert_allclose(turned.positions @ np.linalg.inv(turned.cell), positions, atol=1e-12)
    np.testing.assert_allclose(turned.cell @ turned.cell.T, cell @ cell.T, atol=1e-12)
    np.testing.assert_allclose(turned.cell, np.tril(turned.cell), atol=1e-12)
    assert (np.diag(turned.cell) > 0.0).all()


class Chains:
    """Classical chains, of which the energies alone are asked for."""

    def __init__(self, energies):
        self.energies = energies


def test_energies_are_means_of_blocks_with_their_errors():
    generator, records = np.random.default_rng(4), 10 * BLOCKS_OF_A_RUN + 3
    species = np.array([0, 1, 1, 0, 1, 1])
    runs = [
        RingPolymers(
            species,
            np.zeros((records, 2, 6, 3)),
            np.zeros((records, 3, 3)),
            generator.normal(-6.0, 1.0, records),
            *generator.normal(1.0, 0.2, (2, records, 2)),
            np.full(records, 300.0),
        )
        for _ in range(2)
    ]
    chains = [Chains(generator.normal(-7.0, 1.0, (20, 3))) for _ in range(2)]
    table = {row["energy"]: row for row in energies(ELEMENTS, runs, chains, 300.0)}
    blocks = np.concatenate([np.split(run.potential[3:], BLOCKS_OF_A_RUN) for run in runs]).mean(axis=1)
    potential = table["potential energy"]
    assert potential["quantum"] == pytest.approx(1e3 * blocks.mean() / 6)
    assert potential["quantum_error"] == pytest.approx(1e3 * blocks.std(ddof=1) / np.sqrt(len(blocks)) / 6)
    means = np.concatenate([each.energies.mean(axis=0) for each in chains])
    assert potential["classical"] == pytest.approx(1e3 * means.mean() / 6)
    thermal = 1.5e3 * BOLTZMANN * 300.0
    kinetic, of_hydrogen = table["kinetic energy"], table["kinetic energy of H"]
    assert kinetic["classical"] == of_hydrogen["classical"] == pytest.approx(thermal)
    assert kinetic["quantum"] == pytest.approx(
        (4 * of_hydrogen["quantum"] + 2 * table["kinetic energy of O"]["quantum"]) / 6
    )
    own = np.concatenate([run.virial_kinetic[3:, 1] for run in runs])
    assert of_hydrogen["quantum"] == pytest.approx(1e3 * own.mean() / 4)
    assert table["total energy"]["quantum"] == pytest.approx(potential["quantum"] + kinetic["quantum"])
    assert table["total energy"]["classical"] == pytest.approx(potential["classical"] + thermal)
    assert table["kinetic energy, primitive estimator"]["quantum"] != pytest.approx(kinetic["quantum"])


def test_blocks_are_in_the_order_of_time():
    records = np.arange(2 * BLOCKS_OF_A_RUN + 1)
    np.testing.assert_array_equal(blocks_of(records), records[1:].reshape(BLOCKS_OF_A_RUN, 2))
