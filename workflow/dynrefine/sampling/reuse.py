"""Reuse of starting points in later iterations, weighted for the present potential."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dynrefine.config.steps import SampleEnsemble
from dynrefine.dynamics.force_field import force_field
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.geometry.system import drawn_velocities, system_of
from dynrefine.sampling.energies import potential_energies
from dynrefine.sampling.reweighting import effective_sample_size, weights_of

logger = logging.getLogger(__name__)


def chunks_to_keep(chunks: Sequence[Ensemble], fraction: float, kelvin: float) -> list[int]:
    """The chunks to reuse; as few as possible, the oldest first, are left out and sampled anew.

    In the effective sample size to come, chunks left out count with all their starting points, and chunks kept with
    the effective sample size they have among themselves.

    Arguments:
        chunks: of a state, with energies at the present potential.
        fraction: least effective sample size to come, as a fraction of all starting points.
        kelvin: temperature, K.
    """
    from_oldest = sorted(range(len(chunks)), key=lambda number: chunks[number].sampled_by[0])
    for left_out in range(len(chunks)):
        kept = from_oldest[left_out:]
        weights = weights_of([chunks[number] for number in kept], kelvin)
        own = float(effective_sample_size(jnp.asarray(weights))) / len(weights)
        to_come = (left_out + own * len(kept)) / len(chunks)
        logger.info("%d of %d chunks kept: effective sample size %.3f", len(kept), len(chunks), to_come)
        if to_come >= fraction:
            return sorted(kept)
    return []


def serve_again(
    chunks: Sequence[Ensemble],
    number: int,
    potential: Model,
    settings: SampleEnsemble,
    seed: int,
) -> Ensemble | None:
    """The former starting points of a chunk with fresh velocities; none if it is to be sampled anew.

    The job of each chunk decides on its own, but all decide alike, because each looks at all chunks of the state.

    Arguments:
        chunks: all chunks of the state in the iteration before.
        number: which of them.
        potential: the present one.
        settings: elements, state and sampling.
        seed: of the velocities.
    """
    kelvin = settings.state.temperature
    evaluated = [
        replace(chunk, energies_by_potential=np.concatenate([chunk.energies_by_potential, present]))
        for chunk, present in zip(chunks, _energies_at([potential], chunks, settings), strict=True)
    ]
    if number not in chunks_to_keep(evaluated, settings.ensemble.reuse, kelvin):
        return None
    kept = evaluated[number]
    system = system_of(kept.species, settings.elements, potential.dtype)
    velocities = drawn_velocities(jax.random.key(seed), system, kelvin, len(kept.positions))
    return replace(kept, velocities=np.asarray(velocities))


def beside_former(ensemble: Ensemble, potentials: Sequence[Model], settings: SampleEnsemble) -> Ensemble:
    """A newly sampled chunk, to be weighted together with chunks that were sampled at former potentials.

    Arguments:
        ensemble: with energies at its own potential alone.
        potentials: of all former iterations.
        settings: elements, state and sampling.
    """
    if not potentials:
        return ensemble
    (former,) = _energies_at(potentials, [ensemble], settings)
    return replace(
        ensemble,
        energies_by_potential=np.concatenate([former, ensemble.energies_by_potential]),
        sampled_by=ensemble.sampled_by + len(potentials),
    )


def _energies_at(
    potentials: Sequence[Model], chunks: Sequence[Ensemble], settings: SampleEnsemble
) -> Float[np.ndarray, "chunks K S"]:
    """Energies of the starting points of each chunk at each potential, eV."""
    architecture, dtype = potentials[0].architecture, potentials[0].dtype
    points = jax.tree.map(lambda *each: jnp.concatenate(each), *(chunk.starts(dtype) for chunk in chunks))
    energies = potential_energies(
        force_field([architecture], np.asarray(points.cell), len(chunks[0].species), settings.ensemble),
        potentials,
        jnp.asarray(chunks[0].species, jnp.int32),
        points,
    )
    return np.stack(np.split(energies, len(chunks), axis=1))
