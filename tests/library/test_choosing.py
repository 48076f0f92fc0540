"""Geometries to label: each starting point once, those on which the forces of potentials lie furthest apart."""

import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from systems import made_up_ensemble

from dynrefine import units
from dynrefine.config.data import Element
from dynrefine.config.surfaces.lennard_jones import LennardJonesSettings
from dynrefine.datasets.reading import read_frames
from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import save_ensemble
from dynrefine.files.models import create_model, save_model
from dynrefine.labelling.choosing import disagreement, starting_points

CELL = 14.0 * np.eye(3)
SIGMA = 3.4  # Å
EPSILONS = np.array([0.8, 1.0, 1.3])  # kJ/mol
DISTANCES = np.array([3.3, 3.9, 3.5, 3.7])  # Å


def potential(epsilon, symbol="Ar"):
    settings = LennardJonesSettings(kind="lennard_jones", sigma=SIGMA, epsilon=epsilon, cutoff=6.0)
    return create_model(settings, [Element(symbol=symbol, mass=39.948, charge=0)], jax.random.key(0))


def pairs(distances):
    return made_up_ensemble(
        [0, 0], CELL, np.array([[[1.0, 1.0, 1.0], [1.0 + r, 1.0, 1.0]] for r in distances])
    )


def expected(distances):
    """The spread of the force of a pair, eV/Å, which is the spread of the depths."""
    ratio = (SIGMA / distances) ** 6
    force = 24.0 * (2.0 * ratio**2 - ratio) / distances
    return np.abs(force) * np.std(EPSILONS * units.KILOJOULE_PER_MOLE)


@pytest.fixture
def files(tmp_path):
    save_ensemble(tmp_path / "first.npz", pairs(DISTANCES[:3]))
    save_ensemble(tmp_path / "second.npz", pairs(DISTANCES[1:]))  # two of the starting points serve again
    for number, epsilon in enumerate(EPSILONS):
        save_model(tmp_path / f"potential{number}.npz", potential(epsilon))
    save_model(tmp_path / "krypton.npz", potential(1.4, "Kr"))
    return tmp_path


def choose(folder, *arguments):
    command = [sys.executable, "-m", "dynrefine.labelling", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_disagreement_is_the_spread_of_the_forces():
    frames = starting_points({"pairs.npz": pairs(DISTANCES)})
    found = disagreement([potential(epsilon) for epsilon in EPSILONS], frames)
    np.testing.assert_allclose(found, expected(DISTANCES), rtol=1e-5)


def test_starting_points_that_serve_again_count_once():
    found = starting_points({"first.npz": pairs(DISTANCES[:3]), "second.npz": pairs(DISTANCES[1:])})
    np.testing.assert_allclose(found.positions[:, 1, 0] - 1.0, DISTANCES)


def test_starting_points_of_different_systems_are_refused():
    other = replace(pairs(DISTANCES), species=np.array([0, 1]))
    with pytest.raises(CampaignError, match=r"other\.npz holds other atoms than pairs\.npz.*one system"):
        starting_points({"pairs.npz": pairs(DISTANCES), "other.npz": other})


def test_the_most_uncertain_geometries_are_written(files):
    potentials = [f"potential{number}.npz" for number in range(3)]
    done = choose(
        files, "first.npz", "second.npz", "--potentials", *potentials, "--count", "2", "-o", "chosen.extxyz"
    )
    assert done.returncode == 0, done.stderr
    chosen = read_frames(files / "chosen.extxyz")
    assert [frame.info["source"] for frame in chosen] == ["uncertain_0", "uncertain_1"]
    assert all(frame.calc is None and str(frame.symbols) == "Ar2" for frame in chosen)
    np.testing.assert_allclose([frame.get_distance(0, 1) for frame in chosen], [3.3, 3.5], atol=1e-6)
    smaller, larger = expected(np.array([3.5, 3.3]))
    assert done.stdout.startswith(
        "2 of 4 starting points, where the forces of 3 potentials differ by "
        f"{smaller:.2f} to {larger:.2f} eV/Å; the median of all is {np.median(expected(DISTANCES)):.2f} eV/Å."
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--potentials": ["potential0.npz"]}, "--potentials names one file, expected two or more"),
        ({"--count": ["0"]}, "--count is 0, expected 1 or more"),
        (
            {"--potentials": ["potential0.npz", "krypton.npz"]},
            "krypton.npz ['Kr']; give surfaces of one campaign",
        ),
        ({"--potentials": ["potential0.npz", "first.npz"]}, "holds 'ensemble' where"),
    ],
)
def test_what_cannot_be_compared_is_said(files, changed, sentence):
    options = {
        "--potentials": ["potential0.npz", "potential1.npz"],
        "--count": ["2"],
        "-o": ["chosen.extxyz"],
    } | changed
    done = choose(files, "first.npz", *(word for name, values in options.items() for word in [name, *values]))
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
