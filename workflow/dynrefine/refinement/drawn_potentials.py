"""How far the ab initio frames leave properties open, and how much of that the fitted measurements decide.

The parameters of a network have no meaning one by one. Instead, K potentials are drawn at random among those that fit
the frames as well as the refined one. Their parameters differ from its by δ, with the covariance

    C₀ = r² (G + λ)⁻¹ / n,

where G is the metric of the forces, λ its damping (`natural_gradient`), and n is such that δ changes the forces by r
on average. A property p changes by J δ, and the root mean square of that over the draws is what the frames leave
open. What the fitted properties leave of it is found by leaving out one potential at a time. The others tell, by

    c = (1 + PᵀP)⁻¹ Pᵀ p,    P = [J δ / σ] / (K - 1)^½ of the fitted properties, one column for each potential,

what to expect of any other property from its fitted properties p. The error of this expectation, together with what
the errors σ add to it, is what is left. Few potentials tell little about each other, so it tends to be too large.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from dynrefine.refinement.covariance import Property
from dynrefine.refinement.natural_gradient import Metric, damped


def drawn_changes(
    metric: Metric, damping: float, radius: float, shape: tuple[int, int], seed: int
) -> Float[np.ndarray, "K R"]:
    """Changes of the refined parameters, drawn with the covariance C₀.

    Arguments:
        metric: of the forces.
        damping: λ in units of the mean diagonal element of G.
        radius: r, root mean square change of a force component over all draws, eV/Å.
        shape: K potentials, R parameters.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    inverse = damped(metric, damping, shape[1])
    probes = len(metric.gram)
    drawn = []
    for _ in range(shape[0]):
        noise = math.sqrt(inverse.shift) * generator.normal(size=shape[1])
        noise = noise + metric.pulled_back(generator.normal(size=probes) / math.sqrt(probes))
        drawn.append(inverse(noise))
    squared = np.mean([np.mean(metric.along(change) ** 2) for change in drawn])
    return radius / math.sqrt(squared) * np.array(drawn)


def spread(properties: Sequence[Property]) -> pd.DataFrame:
    """How far properties of drawn potentials lie from those of the refined one.

    Arguments:
        properties: of all states, with their derivatives along K changes of unit length each.

    Returns:
        property, state, fitted, abscissa, abscissa_unit, unit, target, target_error, value, standard_error,
        beforehand and left: how far the frames leave the value open, and what the fitted measurements leave of that.
    """
    fitted = np.concatenate(
        [(each.derivatives.jacobian / each.error[:, None])[each.informs] for each in properties]
    )
    changes = np.concatenate([each.derivatives.jacobian for each in properties])
    squares = []
    for own in range(changes.shape[1]):
        others, others_fitted = (np.delete(array, own, axis=1) for array in (changes, fitted))
        squares.append(_missed(others, others_fitted, changes[:, own], fitted[:, own]))
    return pd.concat([each.points() for each in properties], ignore_index=True).assign(
        beforehand=np.sqrt(np.mean(changes**2, axis=1)), left=np.sqrt(np.mean(squares, axis=0))
    )


def _missed(
    others: Float[np.ndarray, "W O"],
    fitted: Float[np.ndarray, "F O"],
    own: Float[np.ndarray, " W"],
    measured: Float[np.ndarray, " F"],
) -> Float[np.ndarray, " W"]:
    """The squared errors of properties as expected from other potentials and the fitted properties.

    Arguments:
        others: changes of the properties with other potentials.
        fitted: changes of the fitted properties with them, in units of their errors.
        own, measured: the same for the potential in question.
    """
    scale = 1.0 / math.sqrt(others.shape[1])
    others, fitted = scale * others, scale * fitted
    inverse = np.linalg.inv(np.eye(others.shape[1]) + fitted.T @ fitted)
    weights = others @ inverse @ fitted.T
    return (own - weights @ measured) ** 2 + np.sum(weights**2, axis=1)
