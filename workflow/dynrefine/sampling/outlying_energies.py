"""Configurations whose potential energy is unlike that of all others: where a potential has a hole."""

import numpy as np
from jaxtyping import Float

from dynrefine.datasets.deviations import robust_deviations

FAR = 8.0  # standard deviations, which no thermal fluctuation reaches
_FEW = 20  # configurations whose spread tells nothing yet


def outlying(energies: Float[np.ndarray, " S"]) -> Float[np.ndarray, " K"]:
    """How far those energies lie from the median that are `FAR` from it, eV; none of fewer than twenty.

    Arguments:
        energies: of configurations of one state, eV.
    """
    distances = energies - np.median(energies)
    return distances[robust_deviations(energies) > FAR] if len(energies) >= _FEW else distances[:0]
