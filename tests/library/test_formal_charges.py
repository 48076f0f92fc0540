"""Formal charges that are those of Wannier centres, and others."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from dynrefine.datasets.conventions import formal_charges, with_labels
from dynrefine.datasets.formal_charges import require_fitting_charges
from dynrefine.errors import CampaignError

METHANOL = {"C": -2, "O": -2, "H": 1}
CELL = np.array([[9.0, 0.0, 0.0], [1.0, 8.5, 0.0], [-0.5, 1.5, 9.5]])


def liquid(missed: float = 0.03) -> list[Atoms]:
    """Six boxes of five molecules of methanol with dipoles around the heavy atoms, and of the cell on any branch."""
    generator, frames = np.random.default_rng(8), []
    for _ in range(6):
        frame = Atoms(cell=CELL, pbc=True)
        for _ in range(5):
            one = molecule("CH3OH")
            one.rotate(generator.uniform(0.0, 360.0), generator.normal(size=3))
            one.translate(generator.uniform(0.0, 1.0, 3) @ CELL)
            frame += one
        around = np.where(frame.numbers[:, None] > 1, generator.normal(0.0, 0.8, (len(frame), 3)), 0.0)
        frame.set_array("local_dipole", around)
        whole = formal_charges(frame, METHANOL) @ frame.positions + around.sum(axis=0)
        branch = generator.integers(-2, 3, 3) @ CELL
        frames.append(with_labels(frame, {"dipole": whole + branch + generator.normal(0.0, missed, 3)}))
    return frames


def test_charges_of_the_centres_are_accepted():
    require_fitting_charges(liquid(), METHANOL, "frames")


@pytest.mark.parametrize(
    "charges", [{"C": 0, "O": 0, "H": 0}, {"C": -4, "O": 0, "H": 1}, {"C": 3, "O": 1, "H": -1}]
)
def test_other_charges_are_refused_and_those_that_would_do_are_told(charges):
    with pytest.raises(CampaignError, match=r"frames: .* do not add up .* C -2, H \+1, O -2 would do\."):
        require_fitting_charges(liquid(), charges, "frames")


def test_where_none_would_do_none_are_told():
    with pytest.raises(CampaignError, match=r": correct elements\[\*\]\.charge\.$"):
        require_fitting_charges(liquid(missed=3.0), METHANOL, "frames")


def test_five_elements_are_not_tried():
    charges = {"C": 2, "H": 1, "F": -1, "Cl": -1, "Br": -1}
    frames = liquid()
    for frame in frames:
        frame.symbols[:6] = ["C", "H", "F", "Cl", "Br", "H"]
    with pytest.raises(CampaignError, match=r": correct elements\[\*\]\.charge\.$"):
        require_fitting_charges(frames, charges | {"O": -2}, "frames")


def test_frames_without_both_say_nothing():
    frames = liquid()
    without_total = [with_labels(frame, {}) for frame in frames]
    for frame in frames:
        del frame.arrays["local_dipole"]
    require_fitting_charges([*frames, *without_total], {"C": 0, "O": 0, "H": 0}, "frames")
