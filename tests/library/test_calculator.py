"""The ASE calculator: what it computes is what the library does, in every cell and with lists that serve for long."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from systems import CUBIC, DIPOLE, ELEMENTS, POTENTIAL, TRICLINIC, all_neighbours, random_model, water_box

from dynrefine.ase import DynrefineCalculator
from dynrefine.config.data import Element
from dynrefine.config.surfaces.joined import JoinedSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.errors import CampaignError
from dynrefine.files.models import create_model, joined, save_model

pytestmark = pytest.mark.usefixtures("fast_compilation")

OFFSETS = [-430.0, -13.5]  # eV


@pytest.fixture(scope="module")
def models():
    """A potential with energies of the elements, and a dipole surface."""
    system, positions = water_box(3, CUBIC)
    potential = random_model(POTENTIAL, system, positions)
    offset = potential.with_trainable(potential.parameters["trainable"], energy_offsets_eV=OFFSETS)
    return {"potential": offset, "dipole": random_model(DIPOLE, system, positions, seed=2)}


@pytest.fixture(scope="module")
def files(models, tmp_path_factory):
    """Their files."""
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        save_model(folder / f"{name}.npz", model)
    return {name: folder / f"{name}.npz" for name in models}


@pytest.fixture(scope="module")
def calculator(files):
    """One for many tests, whose lists must not remember the atoms of the test before."""
    return DynrefineCalculator(files["potential"], dipole=files["dipole"])


def box(molecules=3, cell=CUBIC, seed=0):
    """Water in a periodic cell."""
    _, positions = water_box(molecules, cell, seed)
    return Atoms("OHH" * molecules, np.asarray(positions), cell=cell, pbc=True)


def with_fresh_list(atoms, files):
    """The energy of a calculator that has not seen anything before, eV."""
    copy = atoms.copy()
    copy.calc = DynrefineCalculator(files["potential"])
    return copy.get_potential_energy()


def sums_of_offsets(atoms):
    return sum(OFFSETS[0] if symbol == "O" else OFFSETS[1] for symbol in atoms.get_chemical_symbols())


@pytest.mark.parametrize("cell", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])
def test_values_are_those_of_the_library(calculator, models, cell):
    atoms = box(cell=cell)
    species = jnp.asarray([0, 1, 1] * 3, jnp.int32)
    arguments = species, jnp.asarray(atoms.positions), jnp.asarray(cell)
    lists = {
        name: all_neighbours(*arguments[1:], model.architecture.cutoff) for name, model in models.items()
    }
    potential, dipole = models["potential"], models["dipole"]
    energy = potential.architecture.energy(potential.parameters, *arguments, lists["potential"])
    moment = dipole.architecture.dipole(dipole.parameters, *arguments, lists["dipole"])
    atoms.calc = calculator
    assert atoms.get_potential_energy() == pytest.approx(float(energy) + sums_of_offsets(atoms), abs=1e-9)
    np.testing.assert_allclose(atoms.get_dipole_moment(), moment, atol=1e-10)


@pytest.mark.parametrize("cell", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])
def test_forces_and_stress_are_derivatives_of_the_energy(calculator, cell):
    atoms = box(cell=cell)
    atoms.calc = calculator
    chosen = [0, 4]
    found = calculate_numerical_forces(atoms, eps=1e-4, iatoms=chosen)
    np.testing.assert_allclose(atoms.get_forces()[chosen], found, atol=1e-6)
    np.testing.assert_allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-8)


def test_a_potential_refined_with_its_dipole_surface_brings_it_along(calculator, models, tmp_path):
    settings = JoinedSettings.of({"potential": POTENTIAL, "dipole": DIPOLE})
    save_model(tmp_path / "updated_potential.npz", joined(models, settings, ELEMENTS))
    atoms, other = box(), box()
    atoms.calc, other.calc = DynrefineCalculator(tmp_path / "updated_potential.npz"), calculator
    assert atoms.get_potential_energy() == other.get_potential_energy()
    np.testing.assert_array_equal(atoms.get_forces(), other.get_forces())
    np.testing.assert_array_equal(atoms.get_dipole_moment(), other.get_dipole_moment())


def test_atoms_come_in_any_order(calculator):
    atoms = box()
    atoms.calc = calculator
    order = np.random.default_rng(0).permutation(len(atoms))
    mixed = atoms[order]
    mixed.calc = calculator
    assert mixed.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(mixed.get_forces(), atoms.get_forces()[order], atol=1e-9)


def test_heavy_hydrogen_is_hydrogen(calculator):
    light, heavy = box(), box()
    heavy.set_masses([15.999, 2.014, 2.014] * 3)
    light.calc = heavy.calc = calculator
    assert heavy.get_potential_energy() == light.get_potential_energy()


def test_a_cell_narrower_than_the_cutoff_holds_several_images(calculator):
    small = Atoms("OHH", [[0.1, 0.0, 0.2], [1.0, 0.1, 0.2], [0.0, 0.9, 0.1]], cell=[2.4, 2.9, 3.6], pbc=True)
    large = small.repeat((2, 2, 1))
    small.calc = large.calc = calculator
    assert 4 * small.get_potential_energy() == pytest.approx(large.get_potential_energy(), abs=1e-8)
    np.testing.assert_allclose(small.get_stress(), large.get_stress(), atol=1e-10)


@pytest.mark.parametrize(
    "periodic", [(False, False, False), (True, True, False), (False, True, False)], ids=["none", "two", "one"]
)
def test_without_images_atoms_see_none(calculator, periodic):
    """The same as in a cell that is wide where there are none."""
    cell = np.where(np.array(periodic)[:, None], TRICLINIC, 0.0)
    wide = np.where(np.array(periodic)[:, None], TRICLINIC, 60.0 * np.eye(3))
    open_, closed = box(cell=TRICLINIC), box(cell=TRICLINIC)
    open_.set_cell(cell)
    open_.pbc = periodic
    closed.set_cell(wide)
    open_.calc = closed.calc = calculator
    assert open_.get_potential_energy() == pytest.approx(closed.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(open_.get_forces(), closed.get_forces(), atol=1e-9)
    with pytest.raises(PropertyNotImplementedError):
        open_.get_stress()


def test_a_list_serves_until_atoms_or_cell_have_moved_too_far(files):
    """Every energy is that of a list made for it; the cell is sheared and stretched, the atoms drift and diffuse."""
    generator = np.random.default_rng(3)
    atoms = box(8, 2.0 * TRICLINIC)
    calculator = DynrefineCalculator(files["potential"], skin=0.6)
    atoms.calc = calculator
    fresh = DynrefineCalculator(files["potential"], skin=0.0)
    for step in range(40):
        if step % 2:
            atoms.set_cell(atoms.cell @ (np.eye(3) + generator.normal(0.0, 0.004, (3, 3))), scale_atoms=True)
        atoms.positions += generator.normal(0.0, 0.02, (24, 3)) + 0.3
        again = atoms.copy()
        again.calc = fresh
        assert atoms.get_potential_energy() == pytest.approx(again.get_potential_energy(), abs=1e-9)
    assert 1 < calculator.lists_built < 20


def test_a_drop_in_density_and_a_rise_are_followed(files):
    """The list of the dilute gas has little room and overflows when the box shrinks."""
    atoms = box(8, 6.0 * CUBIC)
    calculator = DynrefineCalculator(files["potential"])
    atoms.calc = calculator
    atoms.get_potential_energy()
    atoms.set_cell(CUBIC, scale_atoms=True)
    assert atoms.get_potential_energy() == pytest.approx(with_fresh_list(atoms, files), abs=1e-8)


def test_single_precision_is_close_and_leaves_jax_as_it_was(files):
    atoms, again = box(), box()
    with jax.enable_x64(False):
        atoms.calc = DynrefineCalculator(files["potential"], precision="float32")
        again.calc = DynrefineCalculator(files["potential"])
        assert abs(atoms.get_potential_energy() - again.get_potential_energy()) < 1e-4
        np.testing.assert_allclose(atoms.get_forces(), again.get_forces(), atol=1e-3)
        assert not np.array_equal(atoms.get_forces(), again.get_forces())
        assert jnp.zeros(1).dtype == jnp.float32


def test_energies_without_offsets_are_those_of_the_surface(models, files, tmp_path):
    bare = replace(models["potential"], metadata={})
    save_model(tmp_path / "bare.npz", bare)
    atoms = box()
    atoms.calc = DynrefineCalculator(tmp_path / "bare.npz")
    difference = with_fresh_list(atoms, files) - atoms.get_potential_energy()
    assert difference == pytest.approx(sums_of_offsets(atoms), abs=1e-8)


def test_an_unknown_element_is_named(calculator):
    atoms = box()
    atoms.symbols[4] = "Na"
    atoms.calc = calculator
    with pytest.raises(CampaignError, match=r"atoms hold Na, expected the elements of .*: O, H"):
        atoms.get_potential_energy()


def test_a_flat_cell_is_refused(calculator):
    atoms = box()
    atoms.set_cell([5.0, 5.0, 0.0])
    atoms.calc = calculator
    with pytest.raises(CampaignError, match="is flat.*set atoms.cell"):
        atoms.get_potential_energy()


@pytest.mark.parametrize("periodic", [(True, True, False), (True, False, False)], ids=["two", "one"])
def test_images_along_a_vector_that_is_not_given_are_refused(calculator, periodic):
    atoms = box()
    atoms.set_cell([5.0, 0.0, 0.0] if periodic[1] else np.zeros(3))
    atoms.pbc = periodic
    atoms.calc = calculator
    with pytest.raises(CampaignError, match="is flat.*set atoms.cell"):
        atoms.get_potential_energy()


def test_atoms_many_cells_apart_are_refused(calculator):
    atoms = box()
    atoms.positions[0] += 100 * CUBIC[0]
    atoms.calc = calculator
    with pytest.raises(CampaignError, match=r"call atoms\.wrap"):
        atoms.get_potential_energy()


def test_files_of_other_surfaces_are_told_apart(files, models, tmp_path):
    with pytest.raises(CampaignError, match="the potential is a surface of kind dipole, which has no energy"):
        DynrefineCalculator(files["dipole"])
    with pytest.raises(CampaignError, match="the dipole is a surface of kind eann, which has no dipole"):
        DynrefineCalculator(files["potential"], dipole=files["potential"])
    save_model(tmp_path / "other.npz", create_model(DIPOLE, ELEMENTS[::-1], jax.random.key(0)))
    with pytest.raises(CampaignError, match=r"potential \['O', 'H'\], dipole \['H', 'O'\]"):
        DynrefineCalculator(files["potential"], dipole=tmp_path / "other.npz")
    with pytest.raises(CampaignError, match="precision is 'half'"):
        DynrefineCalculator(files["potential"], precision="half")


def test_there_is_no_dipole_without_its_surface(files):
    atoms = box()
    atoms.calc = DynrefineCalculator(files["potential"])
    assert "dipole" not in atoms.calc.implemented_properties
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_dipole_moment()


def test_an_energy_that_depends_on_the_volume_needs_images(tmp_path):
    argon = [Element(symbol="Ar", mass=39.948, charge=0)]
    settings = LennardJonesSettings(kind="lennard_jones", sigma=3.4, epsilon=1.0, cutoff=7.0)
    pair = Atoms("Ar2", [[0.0, 0.0, 0.0], [0.0, 0.0, 3.9]])
    for tail in (True, False):
        chosen = settings.model_copy(update={"tail_correction": tail})
        save_model(tmp_path / "argon.npz", create_model(chosen, argon, jax.random.key(0)))
        pair.calc = DynrefineCalculator(tmp_path / "argon.npz")
        if tail:
            with pytest.raises(CampaignError, match=r"depends on the volume.*set atoms\.pbc = True"):
                pair.get_potential_energy()
        else:
            assert pair.get_potential_energy() == pytest.approx(-0.0102, abs=2e-4)  # 4ε[(σ/r)¹² - (σ/r)⁶]
