"""The mean of potentials along a refinement.

Steps that are noisy or too long wander about an optimum; the mean of the points they lead to is nearer to it than the
last one (Polyak and Juditsky, SIAM J. Control Optim. 30, 838 (1992)).
"""

from collections.abc import Sequence

import jax
import numpy as np

from dynrefine.files.models import Model


def mean_of(potentials: Sequence[Model]) -> Model:
    """The first of these potentials with the mean of the trainable parameters of all.

    Arguments:
        potentials: of one architecture, with the same constants.
    """

    def mean(*leaves: jax.Array) -> np.ndarray:
        return np.mean(np.stack(leaves), axis=0, dtype=float).astype(leaves[0].dtype)

    first, *_ = potentials
    trainable = [potential.parameters["trainable"] for potential in potentials]
    return first.with_trainable(jax.tree.map(mean, *trainable), averaged=len(potentials))
