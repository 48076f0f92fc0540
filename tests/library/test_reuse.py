"""Starting points of former iterations beside new ones: how many serve, and what they have as a mean."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from systems import ELEMENTS, Springs

from dynrefine.config.dynamics import ReusedSettings, State
from dynrefine.config.steps import SampleEnsemble
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.sampling.reuse import beside_former, chunks_to_keep, serve_again
from dynrefine.sampling.reweighting import effective_sample_size, weights_of
from dynrefine.units import ACCELERATION, BOLTZMANN

pytestmark = pytest.mark.usefixtures("fast_compilation")

ATOMS, REPLICAS, CHUNKS, KELVIN = 4, 100, 4, 320.0
SETTINGS = SampleEnsemble.model_construct(
    elements=ELEMENTS,
    state=State(temperature=KELVIN, density=1.0),
    ensemble=ReusedSettings(neighbour_skin=4.0, neighbour_capacity=8, rebuild_interval=5, reuse=0.9),
)
CENTRES = np.random.default_rng(0).uniform(0.0, 12.0, (ATOMS, 3))


def springs(stiffness):
    """Hydrogen atoms on springs of a stiffness in eV/Å²."""
    parameters = {"trainable": {"stiffness": jnp.array(stiffness)}, "constants": {"centres": CENTRES}}
    return Model(Springs(), parameters, {"stiffness": stiffness})


CELLS = np.tile(12.0 * np.eye(3), (REPLICAS, 1, 1))


def sampled(potential, seed):
    """A chunk of independent points of Boltzmann's distribution, each coordinate Gaussian of variance kT / k."""
    width = np.sqrt(BOLTZMANN * KELVIN / potential.settings["stiffness"])
    away = width * np.random.default_rng(seed).normal(size=(REPLICAS, ATOMS, 3))
    positions = CENTRES + away
    energies = 0.5 * potential.settings["stiffness"] * np.sum(away**2, axis=(1, 2))
    nothing = np.zeros((0, REPLICAS))
    return Ensemble(
        species=np.ones(ATOMS, int),
        cells=CELLS,
        positions=positions,
        velocities=np.zeros_like(positions),
        energies_by_potential=energies[None],
        sampled_by=np.zeros(REPLICAS, int),
        chain_positions=positions,
        chain_velocities=np.zeros_like(positions),
        chain_cells=CELLS,
        recorded_positions=positions[None, :0],
        recorded_cells=CELLS[None, :0],
        energies=nothing,
        temperatures=nothing,
        metadata={},
    )


@pytest.fixture(scope="module")
def iterations():
    """Potentials and chunks of iterations in which the springs become stiffer by 15 % each time."""
    potentials = [springs(2.0 * 1.15**number) for number in range(6)]
    chunks = [sampled(potentials[0], seed) for seed in range(CHUNKS)]
    found = [(potentials[0], chunks)]
    for number, potential in enumerate(potentials[1:], start=1):
        next_chunks = []
        for chunk in range(CHUNKS):
            seed = 100 * number + chunk
            kept = serve_again(chunks, chunk, potential, SETTINGS, seed)
            next_chunks.append(kept or beside_former(sampled(potential, seed), potentials[:number], SETTINGS))
        chunks = next_chunks
        found.append((potential, chunks))
    return found


def test_chunks_serve_until_the_effective_sample_size_asks_for_others_the_oldest_first(iterations):
    sampled_by = [[int(chunk.sampled_by[0]) for chunk in chunks] for _, chunks in iterations]
    assert sampled_by[:2] == [[0, 0, 0, 0], [0, 0, 0, 0]]
    assert any(len(set(numbers)) > 1 for numbers in sampled_by)
    for before, after in zip(sampled_by, sampled_by[1:], strict=False):
        kept = [number for number, other in zip(before, after, strict=True) if number == other]
        left_out = [number for number, other in zip(before, after, strict=True) if number != other]
        assert not kept or not left_out or max(left_out) <= min(kept)


def test_means_are_those_of_the_present_potential(iterations):
    """Of the squared distance from the centres, 3 N kT / k, to four standard errors."""
    for potential, chunks in iterations:
        weights = weights_of(chunks, KELVIN)
        assert weights.sum() == pytest.approx(1.0)
        assert effective_sample_size(jnp.asarray(weights)) >= SETTINGS.ensemble.reuse * len(weights)
        squares = np.concatenate([np.sum((chunk.positions - CENTRES) ** 2, axis=(1, 2)) for chunk in chunks])
        mean = weights @ squares
        error = np.sqrt(np.sum((weights * (squares - mean)) ** 2))
        expected = 3 * ATOMS * BOLTZMANN * KELVIN / potential.settings["stiffness"]
        assert abs(mean - expected) < 4.0 * error


def test_a_chunk_that_serves_again_has_the_same_points_and_other_velocities(iterations):
    (_, first), (potential, second) = iterations[:2]
    for before, after in zip(first, second, strict=True):
        np.testing.assert_array_equal(after.positions, before.positions)
        assert np.abs(after.velocities - before.velocities).max() > 0.0
        away = np.sum((before.positions - CENTRES) ** 2, axis=(1, 2))
        energies = [0.5 * stiffness * away for stiffness in (2.0, potential.settings["stiffness"])]
        np.testing.assert_allclose(after.energies_by_potential, energies, rtol=1e-12)


def test_fresh_velocities_are_those_of_the_temperature_and_no_chunk_has_those_of_another(iterations):
    velocities = np.concatenate([chunk.velocities for chunk in iterations[1][1]])
    np.testing.assert_allclose(velocities.sum(axis=1), 0.0, atol=1e-13)  # of equal masses
    # The centre of mass is at rest: 3 N - 3 Gaussian numbers of variance kT / m in each point; a mean square of n of
    # them has a relative standard deviation of sqrt(2 / n).
    degrees = (3 * ATOMS - 3) * len(velocities)
    variance = np.sum(velocities**2) / degrees
    expected = BOLTZMANN * KELVIN * ACCELERATION / ELEMENTS[1].mass
    assert variance == pytest.approx(expected, rel=4.0 * np.sqrt(2.0 / degrees))
    assert len(np.unique(velocities)) == velocities.size


def test_a_single_chunk_serves_down_to_the_fraction_asked_for(iterations):
    chunk = iterations[0][1][0]
    energies = chunk.energies_by_potential[0]
    # Two levels of weights, 3 : 1 in one half each: exp of the entropy is 0.877 of their number.
    changed = energies - BOLTZMANN * KELVIN * np.log(3.0) * (np.arange(REPLICAS) % 2)
    single = [replace(chunk, energies_by_potential=np.stack([energies, changed]))]
    expected = 0.5 * np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert chunks_to_keep(single, expected - 1e-3, KELVIN) == [0]
    assert chunks_to_keep(single, expected + 1e-3, KELVIN) == []
    # One of two chunks sampled anew: half of the points are new, and half have 0.877 of their number.
    assert chunks_to_keep(2 * single, 0.5 + 0.5 * expected - 1e-3, KELVIN) == [1]
