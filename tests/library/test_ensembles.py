"""Starting points of trajectories: sampled with the masses that suit the sampling, moving with the true ones."""

import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, Springs

from dynrefine.ensembles import sample_ensemble
from dynrefine.errors import CampaignError
from dynrefine.initial_configurations import with_masses
from dynrefine.models import Model
from dynrefine.units import ACCELERATION, BOLTZMANN

ATOMS, REPLICAS, KELVIN, STIFFNESS = 4, 400, 320.0, 2.0
# Hydrogen on these springs has ω = 0.14 per fs: steps of 20 fs are beyond its limit of stability, ω dt = 2, and far
# within that of atoms 16 times as heavy.
SAMPLING = {
    "timestep": 20.0,
    "friction": 20.0,
    "equilibration": 2.0,
    "decorrelation": 0.4,
    "samples_per_replica": 4,
}
SAMPLING |= {"neighbour_skin": 4.0, "neighbour_capacity": 8, "rebuild_interval": 5}


def sample(masses):
    """Hydrogen atoms, sampled with these masses."""
    centres = np.random.default_rng(0).uniform(0.0, 12.0, (ATOMS, 3))
    parameters = {"trainable": {"stiffness": jnp.array(STIFFNESS)}, "constants": {"centres": centres}}
    starts = np.broadcast_to(centres, (REPLICAS, ATOMS, 3))
    species, cell = np.ones(ATOMS, int), 12.0 * np.eye(3)
    ensemble = sample_ensemble(
        Model(Springs(), parameters, {}),
        SAMPLING | {"masses": masses},
        KELVIN,
        species,
        cell,
        ELEMENTS,
        starts,
        None,
        seed=3,
    )
    return ensemble, centres


def test_heavier_atoms_are_where_the_true_ones_are_and_start_with_the_velocities_of_these():
    ensemble, centres = sample({"H": 16 * 1.008})
    assert ensemble.positions.shape == (4 * REPLICAS, ATOMS, 3)
    # The centre of mass is at rest: 3 N - 3 of the 3 N coordinates move. Gaussian numbers of variance v have mean
    # squares within v sqrt(2 / count); four of these, where points of a chain are independent.
    degrees = 3 * ATOMS - 3
    allowed = 4.0 * np.sqrt(2.0 / (len(ensemble.positions) * degrees))
    squares = np.sum((ensemble.positions - centres) ** 2, axis=(1, 2)) / degrees
    assert np.mean(squares) == pytest.approx(BOLTZMANN * KELVIN / STIFFNESS, rel=allowed)
    squares = np.sum(ensemble.velocities.astype(float) ** 2, axis=(1, 2)) / degrees
    assert np.mean(squares) == pytest.approx(BOLTZMANN * KELVIN * ACCELERATION / 1.008, rel=allowed)


def test_true_masses_do_not_stand_so_long_a_step():
    with pytest.raises(CampaignError):
        sample({})


def test_masses_of_other_elements_stay():
    assert with_masses(ELEMENTS, {"H": 3.0}) == [ELEMENTS[0], {**ELEMENTS[1], "mass": 3.0}]
