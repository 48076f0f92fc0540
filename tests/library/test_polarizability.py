"""The polarizability surface: symmetries, its time derivative, its training; labels as they are written and read."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from systems import ELEMENTS, TRICLINIC, all_neighbours, random_model, rotation, water_box

from dynrefine.config.surfaces.embedded_atoms import PolarizabilitySettings
from dynrefine.datasets.arrays import from_arrays, to_arrays
from dynrefine.datasets.conventions import Conventions, in_internal_units
from dynrefine.errors import CampaignError
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.geometry.system import Point
from dynrefine.quantities.polarizability_derivative import polarizability_derivative
from dynrefine.training import polarizability as training

pytestmark = pytest.mark.usefixtures("fast_compilation")

SETTINGS = PolarizabilitySettings(cutoff=2.5, radial_functions=2, hidden_layers=[4])
ROUNDING = 1e-10  # of sums of some hundred terms of order one


@pytest.fixture(scope="module")
def box():
    """Two molecules and a random surface."""
    system, positions = water_box(2, TRICLINIC)
    return system, positions, random_model(SETTINGS, system, positions)


@pytest.fixture(scope="module")
def evaluate(box):
    """The polarizability at positions in a cell."""
    system, _, model = box
    compiled = jax.jit(model.architecture.polarizability)

    def found(positions, cell):
        lists = all_neighbours(positions, cell, model.architecture.cutoff)
        return np.asarray(compiled(model.parameters, system.species, positions, cell, lists))

    return found


def test_it_is_symmetric_and_turns_with_the_atoms(box, evaluate):
    system, positions, _ = box
    tensor = evaluate(positions, system.cell)
    np.testing.assert_allclose(tensor, tensor.T, atol=ROUNDING)
    assert np.ptp(np.linalg.eigvalsh(tensor)) > 0.01
    turn = rotation(np.random.default_rng(1))
    turned = evaluate(positions @ turn.T, system.cell @ turn.T)
    np.testing.assert_allclose(turned, turn @ tensor @ turn.T, atol=ROUNDING)
    # also where handedness changes
    np.testing.assert_allclose(evaluate(-positions, -system.cell), tensor, atol=ROUNDING)


def test_it_does_not_change_with_the_place_of_the_atoms_nor_with_their_images(box, evaluate):
    system, positions, _ = box
    tensor = evaluate(positions, system.cell)
    moved = positions + jnp.array([[2.0, -7.0, 0.4]])
    np.testing.assert_allclose(evaluate(moved, system.cell), tensor, atol=ROUNDING)
    cells_away = np.random.default_rng(3).integers(-2, 3, positions.shape).astype(float)
    np.testing.assert_allclose(
        evaluate(positions + cells_away @ system.cell, system.cell), tensor, atol=ROUNDING
    )


def test_its_time_derivative_and_the_gradients_of_that(box, evaluate):
    """Against central differences of the polarizability, and against automatic differentiation of the plain form."""
    system, positions, model = box
    generator = np.random.default_rng(5)
    velocities = jnp.asarray(generator.normal(0.0, 0.02, positions.shape))
    lists = all_neighbours(positions, system.cell, model.architecture.cutoff)
    seed = jnp.asarray(generator.normal(size=(3, 3)))

    def derivative(parameters, positions, velocities):
        surfaces = {"polarizability": model.__class__(model.architecture, parameters, model.settings)}
        point = Point(positions, velocities, system.cell)
        return polarizability_derivative(surfaces, system, point, lists)

    def plain(parameters, positions, velocities):
        def total(positions):
            own = parameters, system.species, positions, system.cell, lists
            return model.architecture.polarizability(*own)

        return jax.jvp(total, (positions,), (velocities,))[1]

    point = model.parameters, positions, velocities
    step = 1e-4
    found = jax.jit(derivative)(*point)
    after, before = (evaluate(positions + sign * step * velocities, system.cell) for sign in (1.0, -1.0))
    np.testing.assert_allclose(found, (after - before) / (2.0 * step), rtol=1e-6, atol=1e-9)
    pulls = (jax.jit(lambda *a, f=f: jax.vjp(f, *a)[1](seed))(*point) for f in (derivative, plain))
    for one, other in zip(*(jax.tree.leaves(each) for each in pulls), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_labels_come_back_from_files_in_their_unit(box):
    system, positions, _ = box
    symbols = [ELEMENTS[kind].symbol for kind in system.species]
    tensor = np.array([[20.0, 1.0, -0.5], [1.0, 21.0, 0.2], [-0.5, 0.2, 19.0]])
    frame = Atoms(symbols, positions, cell=system.cell, pbc=True)
    frame.info["polarizability"] = tensor.ravel()
    bohr = Conventions(units={"polarizability": "bohr^3"})
    found = in_internal_units(frame, bohr, "frame 0").info["polarizability"]
    np.testing.assert_allclose(found, 0.529177210903**3 * tensor, rtol=1e-9)
    frame.info.clear()
    frame.new_array("atomic_polarizability", np.tile(tensor.ravel() / 6.0, (6, 1)))
    read = in_internal_units(frame, Conventions(), "frame 0")
    np.testing.assert_allclose(read.info["polarizability"], tensor)
    arrays = to_arrays([read], ["O", "H"])
    np.testing.assert_allclose(arrays.polarizabilities, tensor[None])
    np.testing.assert_allclose(from_arrays(arrays, ["O", "H"], "a")[0].info["polarizability"], tensor)
    del frame.arrays["atomic_polarizability"]
    frame.info["polarizability"] = tensor.ravel()[:6]
    with pytest.raises(CampaignError, match="frame 0 has the polarizability .*expected nine numbers"):
        in_internal_units(frame, Conventions(), "frame 0")


def test_the_loss_and_the_errors_are_those_of_the_components(box):
    system, positions, model = box
    symbols = [ELEMENTS[kind].symbol for kind in system.species]
    frames = [Atoms(symbols, positions + shift, cell=system.cell, pbc=True) for shift in (0.0, 0.1)]
    unlabelled = to_arrays(frames, ["O", "H"])
    with pytest.raises(CampaignError, match=r"no frame of train\.extxyz has a polarizability"):
        training.prepared({"train": unlabelled}, 2)
    for frame, size in zip(frames, (1.0, 2.0), strict=True):
        frame.info["polarizability"] = size * np.eye(3)
    parts, _ = training.prepared({"train": to_arrays([*frames], ["O", "H"])}, 2)
    data = with_neighbours(parts["train"], model.architecture.cutoff, jnp.float64)
    predicted, labelled = training.TASK.evaluate(model, data)
    difference = predicted - labelled
    loss = float(training.loss(model.architecture, model.parameters, data))
    assert loss == pytest.approx(np.mean(difference**2) / 6.0)
    found = training.errors((predicted, labelled), parts["train"], ["O", "H"])
    # where it is known what each atom adds, that is compared
    own = np.asarray(training.predictions(model.architecture, model.parameters, data))
    local = own + np.random.default_rng(7).normal(size=own.shape)
    told = replace(data, frames=replace(data.frames, local_polarizabilities=jnp.asarray(local)))
    of_atoms = float(training.loss(model.architecture, model.parameters, told))
    assert of_atoms == pytest.approx(np.mean((own - local) ** 2))
    traces = np.trace(difference, axis1=1, axis2=2) / 3.0
    assert found["mean"][0] == pytest.approx(np.sqrt(np.mean(traces**2)))
    assert found["spread of the labels, mean"][0] == pytest.approx(0.5)
