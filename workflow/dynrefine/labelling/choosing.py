"""Geometries to label: those that potentials know least, by the disagreement of their forces."""

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
    """The starting points of ensembles, each once, since points reused in later iterations are in several files.

    Arguments:
        ensembles: of one system, by the names of their files.

    Raises:
        CampaignError: they belong to different systems.
    """
    (first_name, first), *others = ensembles.items()
    for name, other in others:
        if not np.array_equal(other.species, first.species):
            raise CampaignError(
                f"{name} holds other atoms than {first_name}, expected starting points of one system: "
                "choose separately for each state with cells of its own."
            )
    positions, cells = (
        np.concatenate([getattr(each, field) for each in ensembles.values()])
        for field in ("positions", "cells")
    )
    _, places = np.unique(positions.reshape(len(positions), -1), axis=0, return_index=True)
    return LabelledFrames.unlabelled(first.species, positions, cells)[np.sort(places)]


def disagreement(potentials: Sequence[Model], frames: LabelledFrames) -> Float[np.ndarray, " F"]:
    """The disagreement of potentials: the largest standard deviation of the force on an atom in each frame.

    Zhang, Lin, Wang, Car, E, Phys. Rev. Materials 3, 023804 (2019), eq. (4).

    Arguments:
        potentials: M of them, for the same elements.
        frames: F geometries; their labels are not used.

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
    """The places of the `count` largest values, or of all if there are fewer, in the order of the frames."""
    return np.sort(np.argsort(-values)[:count])
