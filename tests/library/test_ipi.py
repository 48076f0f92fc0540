"""i-PI runs an exported potential over its socket."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from campaigns import ROOT
from systems import CUBIC, POTENTIAL, random_model, water_box

from dynrefine.ase import DynrefineCalculator
from dynrefine.export.potential_file import write_exported
from dynrefine.units import BOHR, HARTREE

IPI = Path(sys.executable).with_name("i-pi")
pytestmark = [
    pytest.mark.skipif(not IPI.is_file(), reason="i-PI is not installed: pip install ipi"),
    pytest.mark.usefixtures("fast_compilation"),
]

INPUT = """
<simulation verbosity="low" threading="False">
  <output prefix="run">
    <properties stride="1" filename="out">
      [potential{{electronvolt}}, conserved{{electronvolt}}, virial_cv, volume{{angstrom3}}]
    </properties>
  </output>
  <total_steps>{steps}</total_steps>
  <prng><seed>1</seed></prng>
  <ffsocket mode="unix" name="dynrefine" pbc="False">
    <address>{address}</address>
    <latency>1e-4</latency>
  </ffsocket>
  <system>
    <initialize nbeads="1">
      <file mode="ase">start.extxyz</file>
      <velocities mode="thermal" units="kelvin">100</velocities>
    </initialize>
    <forces><force forcefield="dynrefine"/></forces>
    <motion mode="dynamics">{dynamics}</motion>
    <ensemble><temperature units="kelvin">100</temperature><pressure units="bar">1000</pressure></ensemble>
  </system>
</simulation>
"""
NVE = '<dynamics mode="nve"><timestep units="femtosecond">0.25</timestep></dynamics>'
NPT = """
<dynamics mode="npt">
  <timestep units="femtosecond">0.25</timestep>
  <thermostat mode="langevin"><tau units="femtosecond">20</tau></thermostat>
  <barostat mode="isotropic">
    <tau units="femtosecond">20</tau>
    <thermostat mode="langevin"><tau units="femtosecond">20</tau></thermostat>
  </barostat>
</dynamics>
"""


@pytest.fixture(scope="module")
def potential(tmp_path_factory):
    """The file of an exported potential on which water does not fly apart at once."""
    system, positions = water_box(3, CUBIC)
    path = tmp_path_factory.mktemp("exported") / "potential.npz"
    write_exported(path, {"potential": random_model(POTENTIAL, system, positions, scale=0.05)})
    return path


@pytest.fixture(scope="module")
def start():
    """Water in a periodic cell."""
    return Atoms("OHH" * 3, np.asarray(water_box(3, CUBIC)[1]), cell=CUBIC, pbc=True)


def run(folder, potential, start, steps, dynamics):
    """What i-PI writes: a row for each step."""
    write(folder / "start.extxyz", start)
    address = f"dynrefine_{folder.name}"
    (folder / "input.xml").write_text(INPUT.format(steps=steps, address=address, dynamics=dynamics))
    driver = [sys.executable, "-m", "dynrefine.export.ipi", potential, "start.extxyz", "--unix", address]
    with subprocess.Popen([IPI, "input.xml"], cwd=folder, stdout=subprocess.DEVNULL) as server:
        try:
            subprocess.run(driver, cwd=folder, check=True, timeout=300)
            assert server.wait(60) == 0
        finally:
            server.kill()
            Path(f"/tmp/ipi_{address}").unlink(missing_ok=True)
    return np.loadtxt(folder / "run.out")


@pytest.mark.slow
def test_ipi_sees_what_the_calculator_computes(potential, start, tmp_path):
    """At the start, and energy is conserved as far as the time step allows."""
    found = run(tmp_path, potential, start, 40, NVE)
    start.calc = DynrefineCalculator(potential)
    assert found[0, 0] == pytest.approx(start.get_potential_energy(), abs=1e-6)
    xx, yy, zz, yz, xz, xy = -start.get_stress() * BOHR**3 / HARTREE
    np.testing.assert_allclose(found[0, 2:8], [xx, yy, zz, xy, xz, yz], rtol=1e-6)
    assert len(found) == 41
    assert np.ptp(found[:, 1]) < 0.02 * np.ptp(found[:, 0])


@pytest.mark.slow
def test_ipi_changes_the_cell_at_constant_pressure(potential, start, tmp_path):
    found = run(tmp_path, potential, start, 20, NPT)
    assert np.ptp(found[:, -1]) > 1.0
    assert np.ptp(found[:, 1]) < 0.1 * np.ptp(found[:, 0])


@pytest.mark.slow
def test_water_has_the_density_that_the_sampler_of_a_campaign_finds():
    """The potential that comes with the project, 16 molecules at 298 K and 1 bar, as a user would run both.

    Means over 1.75 ps of either are of one distribution, so that all of them tell its spread.
    """
    command = [sys.executable, "benchmarks/density_by_ipi.py", "workflow/data/water64/potential.npz"]
    lengths = ["--equilibration", "1", "--length", "7", "--block", "1.75", "--chains", "3"]
    told = subprocess.run(
        [*command, "workflow/data/water16/frames.extxyz", *lengths],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found = re.findall(r"blocks \[(.*?)\]", told, flags=re.DOTALL)
    ipi, sampler = (np.array(each.split(), float) for each in found)
    assert (len(ipi), len(sampler)) == (4, 12)
    deviations = np.concatenate([each - each.mean() for each in (ipi, sampler)])
    error = np.sqrt(np.sum(deviations**2) / 14.0 * (1.0 / 4.0 + 1.0 / 12.0))
    assert error < 0.04  # g/cm³, or it would not see what the refinement did: 0.85 before
    assert abs(ipi.mean() - sampler.mean()) < 3.0 * error


def test_a_driver_without_ipi_says_so(potential, start, tmp_path):
    write(tmp_path / "start.extxyz", start)
    command = [sys.executable, "-m", "dynrefine.export.ipi", potential, "start.extxyz"]
    ended = subprocess.run(
        [*command, "--unix", "nobody_listens", "--wait", "0"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: no i-PI listens at UNIX socket /tmp/ipi_nobody_listens")
