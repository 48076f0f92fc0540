"""The natural gradient: steps whose length is measured by what they do to predictions.

With J the derivative of all predictions with respect to the parameters, those of the forces on the ab initio frames
for instance, a change δ of the parameters changes them by a mean square of δᵀ G δ, G = JᵀJ / components. The step

    δ = -r (G + λ)⁻¹ g / sqrt(gᵀ (G + λ)⁻¹ g)

lowers a loss of gradient g the most among all steps that change the predictions by r (Amari, Neural Comput. 10, 251
(1998)): the measured property is bought at the least cost in ab initio accuracy, and noise of the gradient in
directions that would wreck the forces hardly moves the parameters.

g is a mean over the gradients so far, which has less noise than the last one, h. Steps of a fixed length leap to and
fro across an optimum that is nearer than r. So a step is no longer than that along which L, the objective without its
anchors, would fall to zero as steeply as the objective falls there, and than what leads to where its slope vanishes,
if it bends everywhere as it did along the step s before, where h changed by y:

    r <= L / f,    r <= sᵀ (G + λ) s / sᵀ y · f,    f = hᵀ (G + λ)⁻¹ g / sqrt(gᵀ (G + λ)⁻¹ g)

(after Polyak, and Barzilai & Borwein, IMA J. Numer. Anal. 8, 141 (1988)). The mean changes by less than h, and would
let steps be too long. Where it leads uphill by h, it begins anew with h (O'Donoghue & Candès, Found. Comput. Math.
15, 715 (2015)). Surfaces that are refined together mend the same differences: each has its share of L.

G is estimated as AᵀA / M with M random projections of the predictions, whose derivatives are the rows of A. By
Woodbury's identity the step needs A Aᵀ [M, M], measured once, and the products A g and Aᵀ y. Units are those of the
forces; of what another surface predicts, everything is a pure number.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

_TINY = np.finfo(float).tiny


class Metric(Protocol):
    """Random projections of predictions and their derivatives by the parameters, rows a with G = mean of a aᵀ.

    Attributes:
        gram: a·a' of all pairs of rows, (eV/Å)².
    """

    @property
    def gram(self) -> Float[np.ndarray, "M M"]: ...

    def along(self, change: Float[np.ndarray, " P"]) -> Float[np.ndarray, " M"]:
        """What a change of the parameters does to each projection."""

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
        """What a change of the parameters does to each projection."""
        return self.rows @ change

    def pulled_back(self, amounts: Float[np.ndarray, " M"]) -> Float[np.ndarray, " P"]:
        """The sum of the rows times these amounts."""
        return amounts @ self.rows


@dataclass(frozen=True)
class Damped:
    """(G + λ)⁻¹, through the inverse of a matrix of the probes (Woodbury), which are fewer than the parameters.

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

    def squared_length(self, change: Float[np.ndarray, " P"]) -> float:
        """δᵀ (G + λ) δ of a change δ of the parameters, (eV/Å)²."""
        return float(np.mean(self.metric.along(change) ** 2) + self.shift * change @ change)


def damped(metric: Metric, damping: float, parameters: int) -> Damped:
    """The inverse of the damped metric.

    Arguments:
        metric: of the forces.
        damping: λ in units of the mean diagonal element of G.
        parameters: number P of them.
    """
    gram = np.asarray(metric.gram, float)
    shift = damping * np.trace(gram) / (len(gram) * parameters)
    return Damped(metric, shift, np.linalg.inv(shift * len(gram) * np.eye(len(gram)) + gram))


@dataclass(frozen=True, eq=False)
class Ruler:
    """What a natural gradient step is measured by, and how long it may be.

    Attributes:
        metric: of the forces, or of what another surface predicts.
        radius: longest step, in the unit of the metric's rows, eV/Å of the forces.
        fitted: by how much the step may let the objective without anchors fall: all of it, or its share of that where
            other surfaces take steps too.
    """

    metric: Metric
    radius: float
    fitted: float = math.inf


class NaturalState(NamedTuple):
    """What a step needs of the one before.

    Attributes:
        average: of the gradients so far.
        count: steps so far.
        change: of the parameters, by the last one.
        slope: of the objective along it, where it began.
    """

    average: optax.OptState
    count: Int[Array, ""]
    change: Float[Array, " P"]
    slope: Float[Array, ""]


def natural_step(
    ruler: Ruler, damping: float, momentum: float = 0.0, decay: float = 1.0
) -> optax.GradientTransformation:
    """The natural gradient step, as an optimiser of Optax for a parameter vector [P].

    Arguments:
        ruler: of the step.
        damping: λ in units of the mean diagonal element of G.
        momentum: share of earlier gradients in the one that is followed.
        decay: factor on the longest step, from step to step.
    """
    averaging = optax.ema(momentum)

    def init(params: Any) -> NaturalState:
        nothing = jnp.zeros((), params.dtype)
        return NaturalState(averaging.init(params), jnp.zeros((), int), jnp.zeros_like(params), nothing)

    def along_mean(
        updates: Any, earlier: optax.OptState, inverse: Damped
    ) -> tuple[np.ndarray, optax.OptState]:
        mean, average = averaging.update(updates, earlier)
        followed = np.asarray(mean, float)
        solved = inverse(followed)
        return solved / math.sqrt(max(float(followed @ solved), _TINY)), average

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, NaturalState]:
        last, former = np.asarray(updates, float), np.asarray(state.change, float)
        inverse = damped(ruler.metric, damping, len(last))
        unit, average = along_mean(updates, state.average, inverse)
        if last @ unit < 0.0:
            unit, average = along_mean(updates, averaging.init(updates), inverse)
        falling = max(float(last @ unit), _TINY)
        length = min(ruler.radius * decay ** int(state.count), ruler.fitted / falling)
        bend = float(former @ last - state.slope)
        if bend > 0.0:
            length = min(length, inverse.squared_length(former) / bend * falling)
        change = -length * unit
        slope = jnp.asarray(change @ last, updates.dtype)
        change = jnp.asarray(change, updates.dtype)
        return change, NaturalState(average, state.count + 1, change, slope)

    return optax.GradientTransformation(init, update)
