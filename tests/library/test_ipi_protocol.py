"""What is said to i-PI, whose part these tests play, and the forces of all beads at once."""

import socket
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms
from systems import CUBIC, POTENTIAL, TRICLINIC, random_model, water_box

from dynrefine.ase import DynrefineCalculator
from dynrefine.config.data import Element
from dynrefine.config.dynamics import NeighbourSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.errors import CampaignError
from dynrefine.export.ipi import evaluation
from dynrefine.files.models import create_model, save_model
from dynrefine.ipi.bead_forces import BeadForces
from dynrefine.ipi.protocol import Labels, serve
from dynrefine.units import BOHR, HARTREE

MOLECULES = 3


def springs(cells, positions):
    """Labels that tell which cell and which positions they are of, eV and Å."""
    stresses = cells / np.linalg.det(cells)[:, None, None]
    return Labels(np.sum(positions**2, axis=(1, 2)), -2.0 * positions, stresses)


@pytest.fixture
def server():
    """The end of i-PI, served from another thread."""
    own, other = socket.socketpair()
    served = threading.Thread(target=serve, args=(other, springs))
    served.start()
    with own:
        yield own
    served.join(10.0)
    assert not served.is_alive()


def said(server, text):
    server.sendall(text.encode().ljust(12))


def heard(server, length=12):
    return server.recv(length, socket.MSG_WAITALL)


def numbers(server, *shape):
    return np.frombuffer(heard(server, 8 * int(np.prod(shape)))).reshape(shape)


@pytest.mark.parametrize("batch", [1, 3])
def test_structures_come_back_as_labels(server, batch):
    """Cells are upper triangular with vectors as columns; of a batch the number of atoms comes first, else last."""
    generator = np.random.default_rng(0)
    cells, positions = (
        9.0 * np.eye(3) + np.triu(generator.random((batch, 3, 3))),
        generator.random((batch, 4, 3)),
    )
    said(server, "STATUS")
    assert heard(server) == b"NEEDINIT    "
    parameters = f"a:1, batch_size:{batch}".encode() if batch > 1 else b" "
    server.sendall(b"INIT".ljust(12) + np.array([0, len(parameters)], np.int32).tobytes() + parameters)
    said(server, "STATUS")
    assert heard(server) == b"READY       "
    atoms = np.int32(4).tobytes()
    both = np.stack([cells, np.linalg.inv(cells)], axis=1).tobytes()
    said(server, "POSDATA")
    server.sendall((atoms + both if batch > 1 else both + atoms) + positions.tobytes())
    said(server, "STATUS")
    assert heard(server) == b"HAVEDATA    "
    said(server, "GETFORCE")
    assert heard(server) == b"FORCEREADY  "
    np.testing.assert_allclose(numbers(server, batch), np.sum((BOHR * positions) ** 2, axis=(1, 2)) / HARTREE)
    assert heard(server, 4) == atoms
    np.testing.assert_allclose(numbers(server, batch, 4, 3), -2.0 * positions * BOHR**2 / HARTREE)
    np.testing.assert_allclose(numbers(server, batch, 3, 3), -BOHR * cells.swapaxes(1, 2) / HARTREE)
    assert heard(server, 4 * batch) == bytes(4 * batch)  # no further text
    said(server, "EXIT")


def test_another_language_is_refused():
    own, other = socket.socketpair()
    with own:
        said(own, "GETVELOCITY")
        with pytest.raises(CampaignError, match=r"asks for 'GETVELOCITY'.*i-PI 3\.3"):
            serve(other, springs)


def test_the_end_of_ipi_is_the_end():
    own, other = socket.socketpair()
    own.close()
    serve(other, springs)


@pytest.fixture(scope="module")
def model():
    """A potential of water."""
    return random_model(POTENTIAL, *water_box(MOLECULES, CUBIC))


@pytest.mark.parametrize("cell", [CUBIC, TRICLINIC], ids=["cubic", "triclinic"])
@pytest.mark.usefixtures("fast_compilation")
def test_beads_have_the_forces_of_the_calculator(model, cell, tmp_path):
    """While they move and their cell shrinks until other lists are needed."""
    save_model(tmp_path / "potential.npz", model)
    generator = np.random.default_rng(1)
    positions = np.stack([np.asarray(water_box(MOLECULES, cell, seed)[1]) for seed in (0, 1)])
    cells = np.stack([cell, 1.02 * cell])
    forces = BeadForces(
        model, np.array([0, 1, 1] * MOLECULES), NeighbourSettings(neighbour_skin=0.8), offset=2.0
    )
    calculator = DynrefineCalculator(tmp_path / "potential.npz")
    for scale in (1.0, 1.0, 0.99, 0.85):
        cells, positions = scale * cells, scale * positions + generator.normal(0.0, 0.01, positions.shape)
        found = forces(cells, positions)
        for bead, (own, places) in enumerate(zip(cells, positions, strict=True)):
            atoms = Atoms("OHH" * MOLECULES, places, cell=own, pbc=True)
            atoms.calc = calculator
            assert found.energies[bead] == pytest.approx(atoms.get_potential_energy() + 2.0, abs=1e-9)
            np.testing.assert_allclose(found.forces[bead], atoms.get_forces(), atol=1e-9)
            np.testing.assert_allclose(found.stresses[bead], atoms.get_stress(voigt=False), atol=1e-10)
    assert forces.lists_built < 4


def test_forces_that_are_not_finite_are_an_error(model):
    forces = BeadForces(model, np.array([0, 1, 1] * MOLECULES), NeighbourSettings())
    with pytest.raises(CampaignError, match="blew up"):
        forces(CUBIC[None], jnp.full((1, 3 * MOLECULES, 3), np.nan))


@pytest.mark.usefixtures("fast_compilation")
def test_isolated_atoms_are_where_ipi_moves_them(tmp_path):
    """And not where a constraint in the file holds them; periodic or not, they are as many as in the file."""
    argon = [Element(symbol="Ar", mass=39.948, charge=0)]
    settings = LennardJonesSettings(
        kind="lennard_jones", sigma=3.4, epsilon=1.0, cutoff=7.0, tail_correction=False
    )
    save_model(tmp_path / "argon.npz", create_model(settings, argon, jax.random.key(0)))
    calculator = DynrefineCalculator(tmp_path / "argon.npz")
    pairs = np.array([[[0.0, 0.0, 0.0], [0.0, 0.0, distance]] for distance in (3.8, 4.5)])
    held = Atoms("Ar2", pairs[0], constraint=FixAtoms([0, 1]))
    found = evaluation(calculator, held)(np.zeros((2, 3, 3)), pairs)
    for positions, energy in zip(pairs, found.energies, strict=True):
        free = Atoms("Ar2", positions)
        free.calc = calculator
        assert energy == free.get_potential_energy()
    assert found.energies[0] != found.energies[1]
    for periodic in (False, True):
        held.pbc = periodic
        with pytest.raises(CampaignError, match="i-PI moves 3 atoms, expected 2 as in the file"):
            evaluation(calculator, held)(20.0 * np.eye(3)[None], np.zeros((1, 3, 3)))
