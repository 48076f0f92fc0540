"""The natural gradient: steps whose length is measured by how much they change predictions.

Let J be the derivative of all predictions with respect to the parameters, for instance of the forces on the ab
initio frames. A change δ of the parameters changes the predictions by a mean square of δᵀ G δ, G = JᵀJ / components.
The step

    δ = -r (G + λ)⁻¹ g / sqrt(gᵀ (G + λ)⁻¹ g)

lowers a loss of gradient g the most among all steps that change the predictions by r (Amari, Neural Comput. 10, 251
(1998)). It improves the measured property at the least cost in ab initio accuracy, and noise of the gradient in
directions that would wreck the forces hardly moves the parameters.

Where steps of that length would jump back and forth across an optimum, they are shortened and turned. Along earlier
steps s the gradient changed by y, which tells the curvature of the objective there. Quasi-Newton steps -H g use it
(L-BFGS: Nocedal, Math. Comput. 35, 773 (1980)). H starts from γ (G + λ)⁻¹, where γ = sᵀ (G + λ) s / sᵀ y of the last
step, which assumes the curvature along that step for all other directions. These steps, too, are no longer than r,
nor than the step along which L, the objective without its anchors, would fall to zero if it kept falling as steeply
(Polyak). Surfaces that are refined together mend the same differences, so each has its share of L.

G is estimated as AᵀA / M with M random projections of the predictions, whose derivatives are the rows of A. By
Woodbury's identity (G + λ)⁻¹ v needs A Aᵀ [M, M], measured once, and the products A v and Aᵀ w. Units are those of
the forces; for what another surface predicts, everything is a pure number.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

MEMORY = 10  # steps whose curvature is known
_TINY = np.finfo(float).tiny


class Metric(Protocol):
    """Derivatives of random projections of predictions by the parameters, as rows a with G = mean of a aᵀ.

    Attributes:
        gram: a·a' of all pairs of rows, (eV/Å)².
    """

    @property
    def gram(self) -> Float[np.ndarray, "M M"]: ...

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """How a change of the parameters changes each projection."""

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The metric whose rows are in memory."""

    rows: Float[np.ndarray, "M P"]

    @property
    def gram(self) -> Float[np.ndarray, "M M"]:
        """a·a' of all pairs of rows, (eV/Å)²."""
        return self.rows @ self.rows.T

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """How a change of the parameters changes each projection."""
        return self.rows @ change

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""
        return amounts @ self.rows


@dataclass(frozen=True)
class Damped:
    """(G + λ)⁻¹, from the inverse of a matrix of the probes (Woodbury), which are fewer than the parameters.

    Attributes:
        metric: G.
        shift: λ, (eV/Å)².
        inner: (λ M + A Aᵀ)⁻¹.
    """

    metric: Metric
    shift: float
    inner: Float[np.ndarray, "M M"]

    def __call__(self, vector: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        """Its product with a vector."""
        return (vector - self.metric.pulled_back(self.inner @ self.metric.along(vector))) / self.shift

    def length(self, change: Float[np.ndarray, " P"]) -> float:
        """sqrt(δᵀ (G + λ) δ) of a change δ of the parameters, eV/Å."""
        return math.sqrt(np.mean(self.metric.along(change) ** 2) + self.shift * change @ change)


def damped(metric: Metric, damping: float, parameters: int) -> Damped:
    """The inverse of the damped metric.

    Arguments:
        metric: of the forces.
        damping: λ in units of the mean diagonal element of G.
        parameters: their number P.
    """
    gram = np.asarray(metric.gram, float)
    shift = damping * np.trace(gram) / (len(gram) * parameters)
    return Damped(metric, shift, np.linalg.inv(shift * len(gram) * np.eye(len(gram)) + gram))


@dataclass(frozen=True, eq=False)
class Ruler:
    """How a natural gradient step is measured, and how long it may be.

    Attributes:
        metric: of the forces, or of what another surface predicts.
        radius: longest step, in the unit of the metric's rows, eV/Å of the forces.
        fitted: how far the step may lower the objective without anchors: all of it, or a share of it if other
            surfaces take steps too.
        share: fraction of the step that is taken: the share of the gradient that is not noise.
    """

    metric: Metric
    radius: float
    fitted: float = math.inf
    share: float = 1.0


class NaturalState(NamedTuple):
    """What a step needs of earlier ones, in the same shapes in each iteration, so one compilation serves all.

    Attributes:
        count: steps so far.
        step: the last one.
        gradient: where the last step began.
        steps: the last K with positive curvature of the objective, the latest last; zeros if there are fewer.
        changes: of the gradient along them.
    """

    count: Int[Array, ""]
    step: Float[Array, " P"]
    gradient: Float[Array, " P"]
    steps: Float[Array, "K P"]
    changes: Float[Array, "K P"]


def natural_step(ruler: Ruler, damping: float, decay: float = 1.0) -> optax.GradientTransformation:
    """The natural gradient step, as an optimiser of Optax for a parameter vector [P].

    Arguments:
        ruler: of the step.
        damping: λ in units of the mean diagonal element of G.
        decay: factor on the longest step, from step to step.
    """

    def init(params: Any) -> NaturalState:
        nothing, none = jnp.zeros_like(params), jnp.zeros((MEMORY, *params.shape), params.dtype)
        return NaturalState(jnp.zeros((), int), nothing, nothing, none, none)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, NaturalState]:
        gradient = np.asarray(updates, float)
        inverse = damped(ruler.metric, damping, len(gradient))
        steps, changes = _with_the_last(state, gradient)
        known = steps.any(axis=1)
        whole = -_quasi_newton(inverse, steps[known], changes[known], gradient)
        length = max(inverse.length(whole), _TINY)
        falling = max(-float(gradient @ whole) / length, _TINY)
        longest = [ruler.radius * decay ** int(state.count), ruler.fitted / falling]
        if known.any():
            longest.append(length)
        step = ruler.share * min(longest) / length * whole
        step, *kept = (jnp.asarray(each, updates.dtype) for each in (step, gradient, steps, changes))
        return step, NaturalState(state.count + 1, step, *kept)

    return optax.GradientTransformation(init, update)


def _with_the_last(
    state: NaturalState, gradient: Float[np.ndarray, " P"]
) -> tuple[Float[np.ndarray, "K P"], Float[np.ndarray, "K P"]]:
    """The steps, and the changes of the gradient along them, with the last one if its curvature is positive."""
    step, change = np.asarray(state.step, float), gradient - np.asarray(state.gradient, float)
    steps, changes = np.asarray(state.steps, float), np.asarray(state.changes, float)
    if step @ change <= 0.0:
        return steps, changes
    return np.vstack([steps[1:], step]), np.vstack([changes[1:], change])


def _quasi_newton(
    inverse: Damped,
    steps: Float[np.ndarray, "K P"],
    changes: Float[np.ndarray, "K P"],
    gradient: Float[np.ndarray, " P"],
) -> Float[np.ndarray, " P"]:
    """H g by the two loops of L-BFGS, with an H that is right along the steps and starts from (G + λ)⁻¹."""
    if not len(steps):
        return inverse(gradient)
    bends = np.einsum("kp,kp->k", steps, changes)
    left, amounts = gradient, np.zeros(len(steps))
    for k in reversed(range(len(steps))):
        amounts[k] = steps[k] @ left / bends[k]
        left = left - amounts[k] * changes[k]
    solved = inverse.length(steps[-1]) ** 2 / bends[-1] * inverse(left)
    for step, change, bend, amount in zip(steps, changes, bends, amounts, strict=True):
        solved = solved + (amount - change @ solved / bend) * step
    return solved
