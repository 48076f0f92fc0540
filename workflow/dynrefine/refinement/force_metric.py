"""Lengths in parameter space, measured by what they do to the forces on the ab initio frames.

With J the derivative of all force components with respect to the parameters, a change δ of the parameters changes the
forces by a mean square of δᵀ G δ, G = JᵀJ / components. The natural gradient step

    δ = -r (G + λ)⁻¹ g / sqrt(gᵀ (G + λ)⁻¹ g)

lowers a loss of gradient g the most among all steps that change the forces by r (Amari, Neural Comput. 10, 251
(1998)): the measured property is bought at the least cost in ab initio accuracy, and noise of the gradient in
directions that would wreck the forces hardly moves the parameters.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dynrefine.dynamics.mapping import for_each
from dynrefine.files.models import Model, flat_parameters
from dynrefine.geometry.frames import LabelledFrames
from dynrefine.geometry.frames_with_neighbours import FramesWithNeighbours, with_neighbours

_BATCH = 8  # probes at once on an accelerator


def force_probes(
    potential: Model, frames: LabelledFrames, count: int, key: jax.Array, dtype: Any
) -> np.ndarray:
    """Random probes of the force metric: rows a with G = mean of a aᵀ over the rows.

    Arguments:
        potential: whose parameters are probed.
        frames: of the training set.
        count: of probes at least; each frame gets equally many.
        key: of the probes' random directions.
        dtype: of the computation.

    Returns:
        [M, P], eV/Å: derivatives of random projections of a frame's forces.
    """
    data = with_neighbours(frames, potential.architecture.cutoff, dtype)
    data = FramesWithNeighbours(
        LabelledFrames.unlabelled(data.frames.species, data.frames.positions, data.frames.cells),
        data.neighbours,
    )
    keys = jax.random.split(key, (len(frames), math.ceil(count / len(frames))))

    def probe(frame: FramesWithNeighbours, key: jax.Array) -> jax.Array:
        species = frame.frames.species
        direction = jax.random.normal(key, frame.frames.positions.shape, dtype)
        direction = jnp.where(species[:, None] >= 0, direction, 0.0)
        components = 3 * jnp.sum(species >= 0)

        def projected(trainable: Any) -> jax.Array:
            parameters = {**potential.parameters, "trainable": trainable}
            gradient = jax.grad(potential.architecture.energy, argnums=2)(
                parameters, species, frame.frames.positions, frame.frames.cells, frame.neighbours
            )
            return -jnp.vdot(direction, gradient) / jnp.sqrt(components)

        return flat_parameters(jax.grad(projected)(potential.parameters["trainable"]))[0]

    @jax.jit
    def all_probes(data: FramesWithNeighbours, keys: jax.Array) -> jax.Array:
        def of_frame(inputs: tuple[FramesWithNeighbours, jax.Array]) -> jax.Array:
            frame, keys = inputs
            return for_each(partial(probe, frame), _BATCH)(keys)

        return jax.lax.map(of_frame, (data, keys))

    rows = np.asarray(all_probes(jax.tree.map(jnp.asarray, data), keys))
    return rows.reshape(-1, rows.shape[-1])


def natural_step(rows: np.ndarray, damping: float, radius: float) -> optax.GradientTransformation:
    """The natural gradient step of a fixed length, as an optimiser of Optax for a parameter vector [P].

    Arguments:
        rows: from `force_probes` [M, P], eV/Å.
        damping: λ in units of the mean diagonal element of G.
        radius: r, root mean square change of a force component, eV/Å.
    """
    rows = np.asarray(rows, float)
    shift = damping * np.sum(rows**2) / rows.size
    # (G + λ)⁻¹ through the inverse of a matrix of the probes (Woodbury), which are fewer than the parameters.
    inner = np.linalg.inv(shift * len(rows) * np.eye(len(rows)) + rows @ rows.T)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        vector = np.asarray(updates, float)
        solved = (vector - rows.T @ (inner @ (rows @ vector))) / shift
        length = math.sqrt(max(float(vector @ solved), np.finfo(float).tiny))
        return jnp.asarray(-radius * solved / length, updates.dtype), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
