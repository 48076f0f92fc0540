"""A potential as LAMMPS asks for it: atoms with explicit periodic copies, and a bundle of lammps-jax."""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.neighborlist import primitive_neighbor_list
from systems import ELEMENTS, POTENTIAL, TRICLINIC, all_neighbours, random_model, water_box

from dynrefine.config.data import Element
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.errors import CampaignError
from dynrefine.export import lammps
from dynrefine.export.lammps import Room, energy_of_rows, write_bundle
from dynrefine.files.models import Model, create_model
from dynrefine.surfaces.base import energy_forces_stress

pytestmark = pytest.mark.usefixtures("fast_compilation")
needs_lammps_jax = pytest.mark.skipif(
    find_spec("lammps_jax") is None, reason="lammps-jax is not installed: pip install lammps-jax"
)
ROWS, SLOTS = 600, 64  # more than there are


class Graph(NamedTuple):
    """What lammps-jax hands to a model."""

    neighbors: jax.Array


@pytest.fixture(scope="module")
def water():
    """Three molecules and a potential on them."""
    system, positions = water_box(3, TRICLINIC)
    return system.species, np.asarray(positions), random_model(POTENTIAL, system, positions)


def as_in_lammps(species, positions, cutoff):
    """Atoms, then the copies around them: positions and species of all, whose copy each is, neighbours [K, N]."""
    shifts = sorted(product((-1, 0, 1), repeat=3), key=lambda shift: shift != (0, 0, 0))
    places = np.concatenate([positions + np.array(shift) @ TRICLINIC for shift in shifts])
    owner = np.tile(np.arange(len(positions)), len(shifts))
    first, second = primitive_neighbor_list("ij", (False,) * 3, np.eye(3), places, cutoff)
    neighbours = np.full((SLOTS, ROWS), ROWS)
    for atom in range(len(positions)):
        own = second[first == atom]
        neighbours[: len(own), atom] = own
    padded = np.zeros((ROWS, 3))
    padded[: len(places)] = places
    all_species = np.zeros(ROWS, int)
    all_species[: len(places)] = np.asarray(species)[owner]
    return jnp.asarray(padded), jnp.asarray(all_species, jnp.int32), owner, jnp.asarray(neighbours, jnp.int32)


def test_atoms_among_their_copies_have_the_forces_and_the_virial_of_the_periodic_cell(water):
    species, positions, model = water
    cutoff = model.architecture.cutoff
    frame = species, jnp.asarray(positions), jnp.asarray(TRICLINIC)
    _, forces, stress = energy_forces_stress(
        model.architecture, model.parameters, *frame, all_neighbours(*frame[1:], cutoff)
    )
    places, all_species, owner, neighbours = as_in_lammps(species, positions, cutoff)
    of_all = -jax.jit(jax.grad(energy_of_rows(model)))(places, all_species, Graph(neighbours))
    folded = np.zeros_like(positions)
    np.add.at(folded, owner, np.asarray(of_all)[: len(owner)])
    np.testing.assert_allclose(folded, forces, atol=1e-10)
    virial = np.asarray(places).T @ np.asarray(of_all)
    np.testing.assert_allclose(-virial / np.linalg.det(TRICLINIC), stress, atol=1e-12)


def test_energies_are_relative_to_isolated_atoms(water):
    species, positions, model = water
    energy = jax.jit(energy_of_rows(model))
    frame = as_in_lammps(species, positions, model.architecture.cutoff)
    places, all_species, _, neighbours = frame
    apart = energy(places, all_species, Graph(jnp.full_like(neighbours, ROWS)))
    assert float(apart) == pytest.approx(0.0, abs=1e-10)
    system = species, jnp.asarray(positions), jnp.asarray(TRICLINIC)
    lists = all_neighbours(*system[1:], model.architecture.cutoff)
    periodic = model.architecture.energy(model.parameters, *system, lists)
    far = 50.0 * jnp.eye(3)
    alone = [
        model.architecture.energy(
            model.parameters,
            species[i : i + 1],
            jnp.zeros((1, 3)),
            far,
            all_neighbours(jnp.zeros((1, 3)), far, 3.0),
        )
        for i in (0, 1)
    ]
    expected = float(periodic) - 3 * float(alone[0]) - 6 * float(alone[1])
    assert float(energy(places, all_species, Graph(neighbours))) == pytest.approx(expected, abs=1e-9)


def test_a_potential_of_molecules_has_no_isolated_atoms_and_is_refused():
    settings = FlexibleWaterSettings(kind="flexible_water", cutoff=4.0)
    model = create_model(settings, ELEMENTS, jax.random.key(0)).cast(jnp.float64)
    with pytest.raises(CampaignError, match="flexible_water gives isolated atoms no finite energy"):
        energy_of_rows(model)


@dataclass(frozen=True)
class Isolated:
    """An energy that is not a number where an atom has a neighbour."""

    cutoff: float = 3.0

    def energy(self, parameters, species, positions, cell, neighbours):
        """Interface of a potential."""
        return jnp.where(jnp.any(neighbours.filled), jnp.nan, 0.0) * jnp.sum(positions)


@pytest.mark.parametrize("require", [lammps._require_no_messages, lammps._require_reactions])
def test_what_is_not_a_number_is_refused(require):
    parameters = {"trainable": {"scale": jnp.ones(())}, "constants": {}}
    settings = {"kind": "isolated", "elements": [element.model_dump() for element in ELEMENTS]}
    with pytest.raises(CampaignError, match="potential isolated"):
        require(Model(Isolated(), parameters, settings))


@needs_lammps_jax
def test_the_bundle_says_what_the_pair_style_has_to_know(water, tmp_path):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # what a user does
        write_bundle(tmp_path / "water.json", water[-1], Room(200, 48), "cpu")
    bundle = json.loads((tmp_path / "water.json").read_text())
    contract = bundle["contract"]
    assert contract["unit_style"] == "metal"
    assert contract["precision"] == "float64"
    assert contract["cutoff"] == water[-1].architecture.cutoff
    assert (contract["max_atoms"], contract["max_neighbors"], contract["n_species"]) == (200, 48, 2)
    assert all(bundle["programs"].values())


@needs_lammps_jax
def test_a_potential_that_copies_do_not_feel_is_refused(tmp_path):
    argon = [Element(symbol="Ar", mass=39.948, charge=0)]
    settings = LennardJonesSettings(
        kind="lennard_jones", sigma=3.4, epsilon=1.0, cutoff=7.0, tail_correction=False
    )
    model = create_model(settings, argon, jax.random.key(0)).cast(jnp.float64)
    with pytest.raises(CampaignError, match="takes the force on an atom from its own neighbours alone"):
        write_bundle(tmp_path / "argon.json", model, Room(200, 48), "cpu")
