"""One step of the refinement: the optimiser moves the parameters along the gradient."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynrefine.config.optimiser import StepSettings, StopSettings
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model, flat_parameters
from dynrefine.refinement.natural_gradient import Ruler, natural_step
from dynrefine.refinement.total_gradient import Gradient

logger = logging.getLogger(__name__)


def optimiser_of(settings: StepSettings, ruler: Ruler | None = None) -> optax.GradientTransformation:
    """The optimiser that the configuration section describes.

    Arguments:
        settings: configuration section `optimiser`.
        ruler: of a step; only the natural gradient needs it.
    """
    decay = settings.learning_rate_decay
    if settings.name == "natural":
        if ruler is None:
            raise ValueError("the natural gradient needs a ruler for its steps")
        return natural_step(ruler, settings.damping, decay)
    rate = optax.exponential_decay(settings.learning_rate, 1, decay)
    own = optax.adam(rate, b1=settings.momentum) if settings.name == "adam" else optax.sgd(rate)
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), own)


def step(
    potential: Model,
    gradient: Gradient,
    settings: StepSettings,
    state: Sequence[np.ndarray] | None,
    ruler: Ruler | None = None,
) -> tuple[Model, list[np.ndarray], float]:
    """Move the parameters whose scale in the gradient is not zero; the others stay bitwise the same.

    Arguments:
        potential: before the step.
        gradient: of the objective.
        settings: configuration section `optimiser`.
        state: leaves of the optimiser's state after the previous step; none before the first.
        ruler: of the parameters that move; only the natural gradient needs it.

    Returns:
        the potential after the step, the leaves of the optimiser's state, and the norm of the step in the gradient's
        units.

    Raises:
        CampaignError: the gradient is not finite.
    """
    # A natural step is shortened as a whole, so that noise does not shrink the changes of gradients along it.
    natural = settings.name == "natural"
    total = gradient.total(settings.shrink_noise and not natural)
    if not np.isfinite(total).all():
        raise CampaignError(
            "the gradient of the objective is not finite: look for the cause in the gradient files of this "
            "iteration. Lower gradient.depth, or take shorter steps (optimiser.force_change for the natural "
            "gradient, otherwise optimiser.learning_rate)."
        )
    everything, restore = flat_parameters(potential.parameters["trainable"])
    refined = np.flatnonzero(gradient.scales)
    vector = everything[refined]
    if settings.shrink_noise and np.isnan(gradient.uncertain.resolved):
        logger.warning(
            "the gradient comes from a single chain, so its error is unknown and no step is shortened for noise: "
            "raise ensemble.replicas or gradient.replicas"
        )
    if ruler is not None and natural and settings.shrink_noise:
        ruler = replace(ruler, share=gradient.share)
        if ruler.share == 0.0:
            logger.warning(
                "the gradient does not stand out from its noise, so no step is taken: raise ensemble.replicas"
            )
    optimiser = optimiser_of(settings, ruler)
    fresh = optimiser.init(vector)
    leaves, structure = jax.tree.flatten(fresh)
    if state is not None:
        fresh = jax.tree.unflatten(
            structure, [jnp.asarray(s, f.dtype) for s, f in zip(state, leaves, strict=True)]
        )
    change, new = optimiser.update(jnp.asarray(total[refined], vector.dtype), fresh, vector)
    updates = jnp.asarray(change)
    units = jnp.asarray(gradient.scales[refined], vector.dtype)
    moved = potential.with_trainable(restore(everything.at[refined].set(vector + units * updates)))
    return moved, [np.asarray(leaf) for leaf in jax.tree.leaves(new)], float(jnp.linalg.norm(updates))


def has_converged(totals: Sequence[float], settings: StopSettings) -> bool:
    """Whether the objective has stopped falling.

    Arguments:
        totals: of all iterations so far.
        settings: configuration section `optimiser.stop`: patience, tolerance.
    """
    patience = settings.patience
    if len(totals) <= patience:
        return False
    best_before = min(totals[:-patience])
    return min(totals[-patience:]) > best_before * (1.0 - settings.tolerance)
