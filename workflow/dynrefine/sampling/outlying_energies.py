"""Configurations whose potential energy is unlike that of all others: where a potential has a hole."""

import numpy as np
from jaxtyping import Float

FAR = 8.0  # standard deviations, which no thermal fluctuation reaches
_FEW = 20  # configurations whose spread tells nothing yet
_DEVIATION = 1.4826  # standard deviation of a normal distribution over the median distance from its median


def outlying(energies: Float[np.ndarray, " S"]) -> Float[np.ndarray, " K"]:
    """How far those energies lie from the median that are `FAR` from it, eV; none of fewer than twenty.

    Their spread is measured by the median distance, which does not grow with what is far away.

    Arguments:
        energies: of configurations of one state, eV.
    """
    distances = energies - np.median(energies)
    spread = _DEVIATION * np.median(np.abs(distances))
    return distances[np.abs(distances) > FAR * spread] if len(energies) >= _FEW else distances[:0]
