"""Geometries to label: those of which potentials know least, by how far their forces lie apart."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from dynrefine.errors import CampaignError
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import with_neighbours
from dynrefine.training.potential import evaluate


def starting_points(ensembles: Mapping[str, Ensemble]) -> LabelledFrames:
    """The starting points of ensembles, each once: those that serve several iterations are in the files of each.

    Arguments:
        ensembles: of one system, by the names of their files.

    Raises:
        CampaignError: they are of different systems.
    """
    (first_name, first), *others = ensembles.items()
    for name, other in others:
        if not np.array_equal(other.species, first.species):
            raise CampaignError(
                f"{name} holds other atoms than {first_name}, expected starting points of one system: "
                "choose from each state with cells of its own by itself."
            )
    positions, cells = (
        np.concatenate([getattr(each, field) for each in ensembles.values()])
        for field in ("positions", "cells")
    )
    _, places = np.unique(positions.reshape(len(positions), -1), axis=0, return_index=True)
    return LabelledFrames.unlabelled(first.species, positions, cells)[np.sort(places)]


def disagreement(potentials: Sequence[Model], frames: LabelledFrames) -> Float[np.ndarray, " F"]:
    """How far the forces of potentials lie apart: the standard deviation of that on an atom, the largest of a frame.

    Zhang, Lin, Wang, Car, E, Phys. Rev. Materials 3, 023804 (2019), eq. (4).

    Arguments:
        potentials: M of them, of the same elements.
        frames: F geometries; labels are not looked at.

    Returns:
        max_i sqrt(<|F_i - <F_i>|²>), with the means over the potentials, eV/Å.
    """
    forces = []
    for potential in potentials:
        _, own, _ = evaluate(
            potential, with_neighbours(frames, potential.architecture.cutoff, potential.dtype)
        )
        forces.append(own)
    return np.sqrt(np.var(forces, axis=0).sum(axis=-1)).max(axis=-1)


def most_uncertain(values: Float[np.ndarray, " F"], count: int) -> np.ndarray:
    """The places of the `count` largest values, in the order of the frames, all where there are no more."""
    return np.sort(np.argsort(-values)[:count])
