"""A campaign with path integrals: what its rules leave, beside the same in plain NumPy."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import validation_by_hand
from campaigns import TOY

from dynrefine.config.dynamics import BLOCKS_OF_A_RUN
from dynrefine.files.curves import load_curves
from dynrefine.files.path_integrals import load_ring_polymers
from dynrefine.units import BOLTZMANN, KINETIC, PHOTON, WAVENUMBER

BEADS, RUNS, RECORDS = 3, 2, 10
SETTINGS = {"beads": BEADS, "runs": RUNS, "timestep": 0.25, "sampling_interval": 0.5}
QUANTUM = {"path_integrals": {**SETTINGS, "equilibration": 0.005, "length": 0.5e-3 * RECORDS}}
JOBS = {"sample_path_integrals": RUNS, "judge_path_integrals": 1, "write_report": 1}
STRUCTURE = {"rdf": {"pair": ["O", "O"]}}
THERMAL = 300.0 * BOLTZMANN


def test_path_integrals_run_at_the_states_that_are_named(toy):
    """Of two states of the validation, one."""
    two = {"states": [{"temperature": kelvin, "density": 0.997} for kelvin in (300, 280)]}
    named = {"path_integrals": {**QUANTUM["path_integrals"], "states": ["300K"]}}
    configuration = toy.configure("quantum.yaml", validation=two | named | {"properties": STRUCTURE})
    target = "results/toy/path_integrals/refined/properties.csv"
    assert toy.planned(target, configuration=configuration) == {
        "sample_path_integrals": RUNS,
        "judge_path_integrals": 1,
    }


def test_path_integrals_run_again_nothing_else(toy):
    assert toy.planned(configuration=toy.configure("quantum.yaml", validation=QUANTUM)) == JOBS


@pytest.mark.skipif(
    not Path(sys.executable).with_name("i-pi").is_file(), reason="i-PI is not installed: pip install ipi"
)
@pytest.mark.slow
def test_path_integrals_judge_the_refined_potential(toy):
    assert toy.run(configuration=toy.configure("quantum.yaml", validation=QUANTUM), cores=2) == JOBS
    folder = toy.results / "path_integrals/refined"
    runs = [load_ring_polymers(folder / f"300K/records_{run:02d}.npz") for run in range(RUNS)]
    assert all(run.positions.shape == (RECORDS, BEADS, 48, 3) for run in runs)
    assert not np.array_equal(runs[0].positions, runs[1].positions)
    masses = np.array([element.mass for element in TOY.elements])[runs[0].species]
    for run in runs:
        _check_kinetic_energy(run, masses)

    table = pd.read_csv(folder / "properties.csv").set_index("property")
    assert set(table.index) == {"rdf loss", "rdf: first maximum", "temperature"}
    settings = TOY.validation.properties.rdf.model_dump()
    blocks = [_blocks(run) for run in runs]
    own = validation_by_hand.radial_distribution(blocks, (0, 0), settings)
    assert len(own) == RUNS * BLOCKS_OF_A_RUN
    (curve,) = [each for each in load_curves(folder / "curves.npz") if each.name == "rdf"]
    np.testing.assert_allclose(curve.columns["prediction"], own.mean(axis=0), atol=2e-3)
    error = own.std(axis=0, ddof=1) / np.sqrt(len(own))
    np.testing.assert_allclose(curve.columns["prediction_error"], error, atol=2e-3)

    energies = pd.read_csv(folder / "energies.csv").set_index("energy")
    potential = np.concatenate([run.potential for run in runs]).mean()
    assert energies.quantum["potential energy"] == pytest.approx(1e3 * potential / 48, rel=1e-9)
    assert energies.classical["kinetic energy"] == pytest.approx(1.5e3 * THERMAL)
    report = (toy.results / "report.html").read_text(encoding="utf-8")
    assert "Quantum nuclei" in report
    assert "kinetic energy of H" in report

    more = {"path_integrals": {**QUANTUM["path_integrals"], "runs": RUNS + 1}}
    assert toy.planned(configuration=toy.configure("more.yaml", validation=more)) == JOBS | {
        "sample_path_integrals": 1
    }


def _check_kinetic_energy(run, masses):
    """The primitive estimate from the beads: 3NP kT/2 - Σ m P (kT/ħ)²/2 |q_j - q_(j+1)|²."""
    between = np.roll(run.positions, 1, axis=1) - run.positions
    frequency = THERMAL / PHOTON * WAVENUMBER  # kT/ħ, rad/fs
    springs = 0.5 * KINETIC * BEADS * frequency**2 * np.sum(masses[:, None] * between**2, axis=(1, 2, 3))
    expected = 1.5 * len(masses) * BEADS * THERMAL - springs
    np.testing.assert_allclose(run.primitive_kinetic.sum(axis=1), expected, rtol=2e-3)


def _blocks(run):
    """A run as an ensemble whose chains are its blocks, their records all beads."""
    blocks = run.positions.reshape(BLOCKS_OF_A_RUN, -1, *run.positions.shape[2:])
    return SimpleNamespace(species=run.species, cells=run.cells, recorded_positions=blocks.swapaxes(0, 1))
