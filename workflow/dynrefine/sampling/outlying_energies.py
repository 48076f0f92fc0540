"""Configurations with a potential energy unlike all others, where a potential has a hole."""

import numpy as np
from jaxtyping import Float

from dynrefine.datasets.deviations import robust_deviations

FAR = 8.0  # standard deviations, which no thermal fluctuation reaches
_FEW = 20  # configurations at least, or their spread means nothing


def outlying(energies: Float[np.ndarray, " S"]) -> Float[np.ndarray, " K"]:
    """Distances from the median of the energies that are `FAR` from it, eV; none for fewer than twenty energies.

    Arguments:
        energies: of configurations of one state, eV.
    """
    distances = energies - np.median(energies)
    return distances[robust_deviations(energies) > FAR] if len(energies) >= _FEW else distances[:0]
