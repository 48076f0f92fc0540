"""Nequix as a potential: its energies are those of its package, and a campaign can do with it what it has to."""

import hashlib
import sys
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import yaml
from ase import Atoms
from ase.neighborlist import neighbor_list
from systems import ELEMENTS, TRICLINIC, all_neighbours, field_of, rotation, water_box

from dynrefine.campaign.job import Job
from dynrefine.config import foundation
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.config.steps import TrainSurface
from dynrefine.config.surfaces.nequix import FoundationFile, NequixSettings
from dynrefine.datasets.arrays import from_arrays
from dynrefine.datasets.writing import write_frames
from dynrefine.errors import CampaignError
from dynrefine.export.lammps import Room, write_bundle
from dynrefine.export.nequix_file import write_network
from dynrefine.export.potential_file import read_program, write_exported
from dynrefine.files.models import Model, create_model, load_model, read_surfaces
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.steps.train_surface import train_surface
from dynrefine.surfaces.base import energy_forces_stress, strain_derivative
from dynrefine.surfaces.nequix import NequixPotential, network_of
from dynrefine.surfaces.networks.nequix_package import package

INSTALLED = find_spec("nequix") is not None
pytestmark = pytest.mark.usefixtures("fast_compilation")
needs_nequix = pytest.mark.skipif(
    not INSTALLED, reason="nequix is not installed: pip install --no-deps -r envs/nequix.txt"
)
SETTINGS = NequixSettings(
    kind="nequix",
    cutoff=3.0,
    features="4x0e + 3x1o + 2x2e",
    layers=2,
    radial_functions=4,
    radial_width=6,
    radial_layers=1,
)
SYSTEM, POSITIONS = water_box(3, TRICLINIC)
CELL = jnp.asarray(TRICLINIC)
NUMBERS = np.array([8, 1, 1] * 3)

labels = jax.jit(energy_forces_stress, static_argnums=0)


@pytest.fixture(scope="module")
def model():
    """A random potential with constants such as a training takes from its frames."""
    return random_potential(SETTINGS)


def random_potential(settings):
    """Of these settings."""
    described = create_shapes(settings)
    generator = np.random.default_rng(1)
    trainable = {
        name: jnp.asarray(generator.normal(0.0, 0.5, leaf.shape))
        for name, leaf in described.parameters["trainable"].items()
    }
    constants = {
        "message_scale": jnp.array(0.3),
        "energy_scale": jnp.array(1.4),
        "energy_shifts": jnp.array([0.7, -0.2]),
    }
    return replace(described, parameters={"trainable": trainable, "constants": constants})


def create_shapes(settings):
    """A model with shapes in place of parameters: nothing is drawn, for which much would be compiled."""
    architecture = NequixPotential.from_settings(settings, ELEMENTS)
    shapes = jax.eval_shape(architecture.initial_parameters, jax.random.key(0))
    own = {**settings.model_dump(), "elements": [element.model_dump() for element in ELEMENTS]}
    return Model(architecture, shapes, own)


def labels_of(model, positions=POSITIONS, cell=CELL, species=SYSTEM.species, cutoff=SETTINGS.cutoff):
    """Energy, forces and stress of a model, with a list of its own; two rows of padding stand among the atoms."""
    positions = jnp.concatenate([jnp.full((2, 3), 1.0), positions])
    species = jnp.concatenate([jnp.full(2, -1, jnp.int32), species])
    neighbours = all_neighbours(positions, cell, cutoff, present=species >= 0)
    assert not neighbours.overflow
    neighbours = replace(neighbours, cutoff=0.0)  # that one program serves all
    energy, forces, stress = labels(
        model.architecture, model.parameters, species, positions, cell, neighbours
    )
    np.testing.assert_array_equal(forces[:2], 0.0)
    return energy, forces[2:], stress


def labels_of_package(model):
    """The same by the package's own function, its edges found by ASE, every periodic image counted."""
    nequix = package()
    atoms = Atoms(numbers=NUMBERS, positions=POSITIONS, cell=TRICLINIC, pbc=True)
    first, second, shifts = neighbor_list("ijS", atoms, SETTINGS.cutoff)
    assert len(set(zip(first, second, strict=True))) < len(first)  # several images of one atom
    graph = nequix.jraph.GraphsTuple(
        n_node=np.array([len(NUMBERS)]),
        n_edge=np.array([len(first)]),
        nodes={"species": (NUMBERS == 8).astype(int), "positions": POSITIONS},
        edges={"shifts": shifts.astype(float)},
        senders=second,
        receivers=first,
        globals={"cell": CELL[None]},
    )
    network = network_of(model.architecture, model.parameters)
    padded = nequix.jraph.pad_with_graphs(graph, len(NUMBERS) + 1, len(first) + 1)
    energy, forces, stress = jax.jit(lambda graph: network(graph))(padded)
    constants = model.parameters["constants"]
    scale, shifts = constants["energy_scale"], constants["energy_shifts"]
    return scale * energy[0] + 3 * shifts[0] + 6 * shifts[1], scale * forces[:-1], scale * stress[0]


@needs_nequix
@pytest.mark.parametrize("layer_norm", [False, True], ids=["", "layer_norm"])
def test_energy_forces_and_stress_are_those_of_the_package(layer_norm):
    model = random_potential(SETTINGS.model_copy(update={"layer_norm": layer_norm}))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        expected = labels_of_package(model)
    for own, other in zip(labels_of(model), expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-10)


@needs_nequix
def test_derivatives_of_the_energy_are_those_of_finite_differences(model):
    """Along a random change of all at once; the error of central differences is step² times a third derivative."""
    architecture, constants = model.architecture, model.parameters["constants"]
    neighbours = all_neighbours(POSITIONS, CELL, SETTINGS.cutoff + 0.1)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1, 2))
    def energy(trainable, positions, cell):
        parameters = {"trainable": trainable, "constants": constants}
        return architecture.energy(parameters, SYSTEM.species, positions, cell, neighbours)

    point = model.parameters["trainable"], POSITIONS, CELL
    along = changes_of(point, seed=3)
    _, gradient = energy(*point)
    assert difference(lambda *moved: energy(*moved)[0], point, along) == pytest.approx(
        product(gradient, along), rel=1e-7
    )


@needs_nequix
def test_the_products_of_the_adjoint_are_those_of_finite_differences(model):
    """(∂F/∂x)ᵀg is how the forces change along g, since the Hessian is symmetric."""
    field = field_of(model.architecture, CELL, skin=0.0)
    neighbours = field.neighbours(POSITIONS, CELL)
    g = changes_of(POSITIONS, seed=4)
    frame = SYSTEM.species, POSITIONS, CELL, neighbours
    force, by_positions, by_trainable = jax.jit(field.forces_and_products)(model.parameters, *frame, g)

    def forces(trainable, positions):
        return labels_of(model.with_trainable(trainable), positions)[1]

    trainable = model.parameters["trainable"]
    np.testing.assert_allclose(force, forces(trainable, POSITIONS), atol=1e-11)
    np.testing.assert_allclose(
        by_positions, difference(partial(forces, trainable), (POSITIONS,), (g,)), atol=1e-6
    )
    along = changes_of(trainable, seed=5)
    moved = difference(lambda own: jnp.vdot(forces(own, POSITIONS), g), (trainable,), (along,))
    assert float(moved) == pytest.approx(product(by_trainable, along), rel=1e-6)


@pytest.mark.slow
@needs_nequix
def test_the_stress_can_be_differentiated(model):
    neighbours = all_neighbours(POSITIONS, CELL, SETTINGS.cutoff + 0.1)
    weights = changes_of(CELL, seed=6)

    @jax.jit
    @partial(jax.value_and_grad, argnums=(0, 1))
    def observed(trainable, positions):
        parameters = {**model.parameters, "trainable": trainable}
        frame = SYSTEM.species, positions, CELL, neighbours
        return jnp.vdot(strain_derivative(model.architecture, parameters, *frame), weights)

    point = model.parameters["trainable"], POSITIONS
    along = changes_of(point, seed=7)
    found = difference(lambda *moved: observed(*moved)[0], point, along)
    assert found == pytest.approx(product(observed(*point)[1], along), rel=1e-6)


def changes_of(point, seed):
    """A tree like this one of normal numbers."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(generator.normal(size=leaf.shape)), point)


def difference(function, point, along, step=1e-5):
    """The central difference of a function of several trees."""
    above, below = (
        function(*jax.tree.map(lambda leaf, change: leaf + side * change, point, along))  # noqa: B023
        for side in (step, -step)
    )
    return (above - below) / (2 * step)


def product(one, other):
    """The scalar product of two trees."""
    return float(sum(jax.tree.leaves(jax.tree.map(jnp.vdot, one, other))))


@needs_nequix
def test_rotations_reflections_and_the_order_of_atoms(model):
    energy, forces, stress = labels_of(model)
    improper = -rotation(np.random.default_rng(7))
    order = np.random.default_rng(8).permutation(len(NUMBERS))
    turned = labels_of(
        model, (POSITIONS @ improper.T)[order], CELL @ improper.T, SYSTEM.species[jnp.asarray(order)]
    )
    assert float(turned[0]) == pytest.approx(float(energy), abs=1e-10)
    np.testing.assert_allclose(turned[1], (forces @ improper.T)[order], atol=1e-10)
    np.testing.assert_allclose(turned[2], improper @ np.asarray(stress) @ improper.T, atol=1e-12)


@needs_nequix
def test_pairs_in_the_skin_have_no_energy(model):
    for own, other in zip(labels_of(model), labels_of(model, cutoff=SETTINGS.cutoff + 0.4), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-11)


@needs_nequix
def test_beads_of_a_ring_polymer_have_its_forces(model):
    """As i-PI asks for them: of two at once, in cells of their own."""
    cells = np.stack([TRICLINIC, 1.02 * TRICLINIC])
    beads = np.stack([POSITIONS, water_box(3, TRICLINIC, seed=1)[1]])
    forces = BeadForces(model, np.asarray(SYSTEM.species), NeighbourSettings(neighbour_skin=0.3))
    found = forces(cells, beads)
    for own, positions, cell in zip(zip(*found, strict=True), beads, cells, strict=True):
        expected = labels_of(model, jnp.asarray(positions), jnp.asarray(cell))
        for label, other in zip(own, expected, strict=True):
            np.testing.assert_allclose(label, other, atol=1e-10)


@needs_nequix
def test_constants_are_those_of_the_training_frames(model):
    generator = np.random.default_rng(9)
    shaken = np.asarray(POSITIONS) + generator.normal(0.0, 0.05, (3, *POSITIONS.shape))
    frames = LabelledFrames.unlabelled(np.asarray(SYSTEM.species), shaken, TRICLINIC)
    frames.forces[:] = generator.normal(0.0, 2.5, frames.forces.shape)
    frames.energies[:] = [5.0, 6.0, 7.0]
    data = with_neighbours(frames, SETTINGS.cutoff, jnp.float64)
    fitted = model.with_constants_fitted(data)
    constants = fitted.parameters["constants"]
    edges = [
        len(neighbor_list("i", Atoms(positions=each, cell=TRICLINIC, pbc=True), SETTINGS.cutoff))
        for each in shaken
    ]
    assert float(constants["message_scale"]) == pytest.approx((np.mean(edges) / 9) ** -0.5)
    assert float(constants["energy_scale"]) == pytest.approx(np.sqrt(np.mean(frames.forces**2)))
    energies = [labels_of(fitted, jnp.asarray(each))[0] for each in shaken]
    assert np.mean(energies) == pytest.approx(6.0, abs=1e-9)


@needs_nequix
def test_it_leaves_with_a_program(model, tmp_path):
    lists = all_neighbours(POSITIONS, CELL, SETTINGS.cutoff)
    with jax.numpy_rank_promotion("allow"):  # what a user does
        write_exported(tmp_path / "potential.npz", {"potential": model})
        program = read_program(tmp_path / "potential.npz")
        found = program.call(SYSTEM.species, POSITIONS, CELL, lists.indices, lists.shifts)
    for own, other in zip(found, labels_of(model), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-10)
    assert read_surfaces(tmp_path / "potential.npz")["potential"].architecture == model.architecture


@needs_nequix
@pytest.mark.skipif(find_spec("lammps_jax") is None, reason="lammps-jax is not installed")
def test_messages_are_no_matter_for_lammps(model, tmp_path):
    with (
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        pytest.raises(CampaignError, match="passes messages"),
    ):
        write_bundle(tmp_path / "water.json", model, Room(200, 48), "cpu")


@pytest.fixture(scope="module")
def network_file(model, tmp_path_factory):
    """The potential as a file of the package, with its checksum."""
    path = tmp_path_factory.mktemp("networks") / "foundation.nqx"
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        write_network(path, model)
    return FoundationFile(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@needs_nequix
def test_a_network_from_a_file_is_the_one_that_was_written(model, network_file):
    settings = SETTINGS.model_copy(update={"foundation": network_file, "known_elements": ["O", "H"]})
    read = create_model(settings, ELEMENTS, jax.random.key(5)).cast(jnp.float64)
    one, other = (network_of(each.architecture, each.parameters) for each in (read, model))
    for part in ("layers", "readout"):
        leaves = (jax.tree.leaves(getattr(network, part)) for network in (one, other))
        for own, written in zip(*leaves, strict=True):
            np.testing.assert_allclose(own, written, rtol=1e-6)
    for name in ("energy_scale", "energy_shifts"):
        np.testing.assert_allclose(
            read.parameters["constants"][name], model.parameters["constants"][name], rtol=1e-6
        )


@pytest.mark.slow
@needs_nequix
@pytest.mark.skipif(find_spec("matscipy") is None, reason="its calculator needs matscipy")
def test_the_calculator_of_the_package_gives_the_same(model, network_file):
    from nequix.calculator import NequixCalculator

    atoms = Atoms(numbers=NUMBERS, positions=POSITIONS, cell=TRICLINIC, pbc=True)
    energy, forces, stress = labels_of(model)
    with (
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.enable_x64(False),
    ):
        atoms.calc = NequixCalculator(model_path=network_file.path, use_kernel=False)
        assert atoms.get_potential_energy() == pytest.approx(float(energy), abs=1e-5)
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-5)
        np.testing.assert_allclose(atoms.get_stress(voigt=False), stress, atol=1e-6)


@pytest.fixture
def trained(model, tmp_path):
    """A function that trains a potential on frames which the model labels: the result and its learning curve."""
    generator = np.random.default_rng(10)
    shaken = np.asarray(POSITIONS) + generator.normal(0.0, 0.05, (4, *POSITIONS.shape))
    frames = LabelledFrames.unlabelled(np.asarray(SYSTEM.species), shaken, TRICLINIC)
    for number, positions in enumerate(shaken):
        frames.energies[number], frames.forces[number], _ = labels_of(model, jnp.asarray(positions))
    write_frames(tmp_path / "frames.extxyz", from_arrays(frames, ["O", "H"], "shaken"))
    inputs = SimpleNamespace(**dict.fromkeys(("train", "validation", "test"), tmp_path / "frames.extxyz"))
    names = ("model", "learning_curve", "errors", "parity")
    outputs = SimpleNamespace(**{name: str(tmp_path / name) for name in names})

    def train(potential, **training):
        schedule = {"epochs": 1, "batch_size": 4, "checkpoint_interval": 1, "learning_rate": 1e-3}
        settings = TrainSurface(
            elements=ELEMENTS, surface=potential, task="potential", training=schedule | training
        )
        train_surface(Job(inputs, outputs, seed=1, precision="float64"), settings)
        curve = pd.read_csv(outputs.learning_curve)
        return load_model(outputs.model, potential, ELEMENTS), curve

    return train


@pytest.mark.slow
@needs_nequix
def test_fine_tuning_begins_with_what_the_file_knows(model, network_file, trained):
    """The labels are those of the file's network; of what a training leaves as it was, every bit is the file's."""
    described = SETTINGS.model_copy(update={"foundation": network_file, "known_elements": ["O", "H"]})
    tuned, curve = trained(described, trainable=["readout/*"])
    first = create_model(described, ELEMENTS, jax.random.key(0)).cast(jnp.float64)
    for name, before in first.parameters["trainable"].items():
        assert np.any(tuned.parameters["trainable"][name] != before) == name.startswith("readout/"), name
    for name in ("message_scale", "energy_scale"):
        np.testing.assert_array_equal(
            tuned.parameters["constants"][name], first.parameters["constants"][name]
        )
    _, from_scratch = trained(SETTINGS)
    assert curve.training_loss[0] < 1e-6 * from_scratch.training_loss[0]


@needs_nequix
def test_another_network_than_the_configured_one_is_refused(network_file):
    settings = SETTINGS.model_copy(update={"foundation": network_file, "layers": 3})
    with pytest.raises(CampaignError, match=r"potential\.layers is 3, expected 2 as in .*foundation\.nqx"):
        create_model(settings, ELEMENTS, jax.random.key(0))


@needs_nequix
def test_the_section_that_describes_a_file_is_the_one_that_suits_it(network_file, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["foundation", network_file.path])
    foundation.main()
    described = NequixSettings.model_validate(yaml.safe_load(capsys.readouterr().out)["potential"])
    assert described == SETTINGS.model_copy(update={"foundation": network_file, "known_elements": ["H", "O"]})
    assert list(foundation.unlike_its_file(described)) == []


def test_isotopes_are_one_element_to_the_network():
    heavy = [*ELEMENTS, ELEMENTS[1].model_copy(update={"symbol": "D", "mass": 2.014})]
    potential = NequixPotential.from_settings(SETTINGS, heavy)
    assert potential.numbers == (1, 8)
    assert potential.places == (1, 0, 0)


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "nequix.model", None)
    with pytest.raises(CampaignError, match=r"pip install --no-deps -r envs/nequix\.txt"):
        create_model(SETTINGS, ELEMENTS, jax.random.key(0))
