"""The file of an exported potential, its program and the command that writes it."""

import subprocess
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from systems import CUBIC, DIPOLE, ELEMENTS, POTENTIAL, TRICLINIC, all_neighbours, random_model, water_box

from dynrefine.ase import DynrefineCalculator
from dynrefine.config.data import Element
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.errors import CampaignError
from dynrefine.export.__main__ import main
from dynrefine.export.potential_file import read_program, write_exported
from dynrefine.files.arrays import read_arrays
from dynrefine.files.models import EXPORTED, Model, create_model, read_surfaces, save_model
from dynrefine.geometry.neighbours import images_per_axis, neighbour_list
from dynrefine.surfaces.base import energy_forces_stress

pytestmark = pytest.mark.usefixtures("fast_compilation")

ARGON = [Element(symbol="Ar", mass=39.948, charge=0)]
UNTRAINED = {
    "lennard_jones": LennardJonesSettings(kind="lennard_jones", sigma=0.9, epsilon=1.0, cutoff=4.0)
} | {
    electrostatics: FlexibleWaterSettings(
        kind="flexible_water", cutoff=3.0, electrostatics=electrostatics, reciprocal_vectors=[4, 4, 4]
    )
    for electrostatics in ("damped_shifted_force", "ewald")
}


@dataclass(frozen=True)
class Counting:
    """An energy that asks how many atoms there are."""

    cutoff: float = 3.0

    def energy(self, parameters, species, positions, cell, neighbours):
        """Interface of a potential."""
        return parameters["trainable"]["scale"] * len(positions)


@pytest.fixture(scope="module")
def surfaces():
    """A potential, as the refinement leaves it, and a dipole surface."""
    system, positions = water_box(3, CUBIC)
    potential = random_model(POTENTIAL, system, positions)
    metadata = {"energy_offsets_eV": [-430.0, -13.5], "iteration": 4, "origin": {"rule": "update_potential"}}
    return {
        "potential": potential.with_trainable(potential.parameters["trainable"], **metadata),
        "dipole": random_model(DIPOLE, system, positions, seed=2),
    }


@pytest.fixture(scope="module")
def exported(surfaces, tmp_path_factory):
    """Their file."""
    path = tmp_path_factory.mktemp("exported") / "potential.npz"
    write_exported(path, surfaces)
    return path


def test_surfaces_come_back(exported, surfaces):
    found = read_surfaces(exported)
    assert found.keys() == surfaces.keys()
    for name, model in surfaces.items():
        assert found[name].architecture == model.architecture
        jax.tree.map(np.testing.assert_array_equal, found[name].parameters, model.parameters)


def test_the_file_says_what_it_is(exported):
    content = read_arrays(exported, EXPORTED)
    assert content.units.keys() == content.arrays.keys()
    assert content.metadata["elements"][0] == {
        "symbol": "O",
        "mass": 15.999,
        "charge": -2,
        "energy_offset_eV": -430.0,
    }
    assert content.metadata["surfaces"]["potential"]["origin"] == {"rule": "update_potential"}
    assert content.metadata["surfaces"]["potential"]["iteration"] == 4
    assert content.metadata["versions"].keys() >= {"dynrefine", "jax"}
    assert content.metadata["program"]["platforms"] == ["cpu", "cuda"]
    assert content.metadata["program"]["precision"] == "float64"


def test_the_calculator_reads_both_kinds_of_files(exported, surfaces, tmp_path):
    save_model(tmp_path / "model.npz", surfaces["potential"])
    atoms = Atoms("OHH" * 3, np.asarray(water_box(3, CUBIC)[1]), cell=CUBIC, pbc=True)
    energies = []
    for path in (exported, tmp_path / "model.npz"):
        atoms.calc = DynrefineCalculator(path)
        energies.append(atoms.get_potential_energy())
    assert energies[0] == energies[1]
    atoms.calc = DynrefineCalculator(exported)
    assert np.linalg.norm(atoms.get_dipole_moment()) > 0.0


@pytest.mark.parametrize(("molecules", "cell", "capacity"), [(3, CUBIC, 64), (5, TRICLINIC, 40)])
def test_one_program_serves_any_numbers_of_atoms_and_neighbours(
    exported, surfaces, molecules, cell, capacity
):
    system, positions = water_box(molecules, cell)
    architecture, parameters = surfaces["potential"].architecture, surfaces["potential"].parameters
    images = images_per_axis(cell, architecture.cutoff)
    neighbours = neighbour_list(positions, jnp.asarray(cell), architecture.cutoff, capacity, images)
    assert not neighbours.overflow
    frame = system.species, positions, jnp.asarray(cell)
    found = read_program(exported).call(*frame, neighbours.indices, neighbours.shifts)
    expected = jax.jit(energy_forces_stress, static_argnums=0)(architecture, parameters, *frame, neighbours)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_the_program_is_compiled_for_accelerators_too(exported):
    program = read_program(exported)
    assert program.platforms == ("cpu", "cuda")
    assert [str(shape) for shape in program.in_avals[1].shape] == ["N", "3"]


@pytest.mark.parametrize("settings", UNTRAINED.values(), ids=UNTRAINED)
def test_potentials_without_data_set_are_exported(settings, tmp_path):
    elements = ARGON if settings.kind == "lennard_jones" else ELEMENTS
    model = create_model(settings, elements, jax.random.key(0)).cast(jnp.float64)
    write_exported(tmp_path / "potential.npz", {"potential": model})
    assert read_surfaces(tmp_path / "potential.npz")["potential"].architecture == model.architecture
    system, positions = water_box(3, TRICLINIC)
    species = system.species if elements is ELEMENTS else jnp.zeros(9, jnp.int32)
    frame = species, positions, jnp.asarray(TRICLINIC)
    neighbours = all_neighbours(*frame[1:], model.architecture.cutoff)
    assert not neighbours.overflow
    energy, *_ = read_program(tmp_path / "potential.npz").call(*frame, neighbours.indices, neighbours.shifts)
    expected = jax.jit(model.architecture.energy)(model.parameters, *frame, neighbours)
    assert float(energy) == pytest.approx(float(expected), rel=1e-12)


def test_a_potential_that_counts_its_atoms_is_exported_without_program(tmp_path, caplog):
    parameters = {"trainable": {"scale": jnp.ones(())}, "constants": {}}
    settings = {"kind": "counting", "elements": [element.model_dump() for element in ARGON]}
    write_exported(tmp_path / "potential.npz", {"potential": Model(Counting(), parameters, settings)})
    assert "holds no program" in caplog.text
    assert "positions.shape[0]" in caplog.text
    with pytest.raises(CampaignError, match="holds no program"):
        read_program(tmp_path / "potential.npz")


def test_the_command_writes_the_same_file(exported, surfaces, tmp_path):
    for name, model in surfaces.items():
        save_model(tmp_path / f"{name}.npz", model)
    command = [sys.executable, "-m", "dynrefine.export", tmp_path / "potential.npz"]
    options = ["--surface", tmp_path / "dipole.npz", "--precision", "float32", "-o", tmp_path / "out.npz"]
    subprocess.run([*command, *options], check=True)
    found = read_arrays(tmp_path / "out.npz", EXPORTED)
    expected = read_arrays(exported, EXPORTED)
    assert found.arrays.keys() == expected.arrays.keys()
    assert found.metadata["program"]["precision"] == "float32"
    missing = subprocess.run([*command[:3], "none.npz", "-o", "out.npz"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: none.npz does not exist")


@pytest.mark.parametrize("name", ["potential.json", "potential.nqx"])
def test_surfaces_beside_a_file_of_the_potential_alone_are_refused(monkeypatch, capsys, name):
    arguments = ["export", "potential.npz", "--surface", "dipole.npz", "-o", name]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        main()
    assert "leave out --surface" in capsys.readouterr().err
