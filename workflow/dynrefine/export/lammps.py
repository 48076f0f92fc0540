"""A potential as a bundle of `lammps-jax`, run by the pair style jax/kk of LAMMPS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dynrefine.campaign.numerics import numerics
from dynrefine.errors import CampaignError
from dynrefine.files.models import Model
from dynrefine.geometry.neighbours import FAR, NeighbourList

_TOLERANCE = 1e-4  # of a force


class Room(NamedTuple):
    """The capacity of a bundle: atoms, including periodic copies, and neighbours of each, including the skin."""

    atoms: int
    neighbours: int


def write_bundle(path: str | Path, potential: Model, room: Room, platform: str) -> None:
    """Write a potential for LAMMPS in units "metal", with the elements in their order as types.

    Arguments:
        path: the file to write (.json).
        potential: its energies are written relative to isolated atoms.
        room: capacity of the arrays in LAMMPS, whose sizes are fixed.
        platform: "cpu" or "cuda".

    Raises:
        CampaignError: lammps-jax is not installed, or the potential has no energy of isolated atoms or needs the
            neighbours of periodic copies.
    """
    try:
        from lammps_jax.export import export_model
    except ImportError as error:
        raise CampaignError(
            "a bundle for LAMMPS needs the package lammps-jax, which is not installed: pip install lammps-jax."
        ) from error
    precision = jnp.dtype(potential.dtype).name
    with numerics(precision):
        _require_no_messages(potential)
        _require_reactions(potential)
        export_model(
            energy_fn=energy_of_rows(potential),
            path=path,
            max_atoms=room.atoms,
            max_neighbors=room.neighbours,
            cutoff=potential.architecture.cutoff,
            unit_style="metal",
            precision=precision,
            n_species=len(potential.settings["elements"]),
            platform=platform,
        )


def energy_of_rows(potential: Model) -> Callable[[jax.Array, jax.Array, Any], jax.Array]:
    """The energy of atoms among periodic copies, in eV relative to isolated atoms, as LAMMPS requires it.

    Copies have no neighbours in the lists of LAMMPS, so each has the energy of an isolated atom. The energy relative
    to that belongs to the atoms alone, and its gradient is the force on each atom and each copy.

    Returns:
        a function of positions [N, 3] in Å, species [N], and a graph whose `neighbors` are int32 [K, N], with N where
        there is none.

    Raises:
        CampaignError: isolated atoms have no finite energy.
    """
    architecture, parameters = potential.architecture, potential.parameters
    wide = 10.0 * architecture.cutoff * jnp.eye(3, dtype=potential.dtype)

    def total(positions: jax.Array, species: jax.Array, neighbours: NeighbourList) -> jax.Array:
        return architecture.energy(parameters, species, positions, wide, neighbours)

    @jax.jit
    def isolated(element: jax.Array) -> jax.Array:
        nowhere = jnp.full((1, 1), 1, jnp.int32)
        return total(
            jnp.zeros((1, 3), wide.dtype), element[None], _without_images(nowhere, architecture.cutoff)
        )

    of_elements = jnp.stack(
        [isolated(jnp.asarray(place, jnp.int32)) for place in range(len(potential.settings["elements"]))]
    )
    if not bool(jnp.isfinite(of_elements).all()):
        raise CampaignError(
            f"potential {potential.settings['kind']} gives isolated atoms no finite energy, expected one since "
            "periodic copies have no neighbours in LAMMPS: use the ASE calculator or i-PI."
        )

    def energy(positions: jax.Array, species: jax.Array, graph: Any) -> jax.Array:
        neighbours = _without_images(graph.neighbors.T, architecture.cutoff)
        return total(positions, species, neighbours) - jnp.sum(of_elements[species])

    return energy


def _without_images(neighbours: jax.Array, cutoff: float) -> NeighbourList:
    """A list from neighbours [N, K], with N where there is none, that are at their own positions without shifts."""
    atoms = neighbours.shape[0]
    filled = neighbours < atoms
    indices = jnp.where(filled, neighbours, jnp.arange(atoms, dtype=jnp.int32)[:, None])
    shifts = jnp.broadcast_to(jnp.where(filled, 0, FAR).astype(jnp.int8), (3, *neighbours.shape))
    return NeighbourList(indices, shifts, jnp.zeros((), bool), cutoff)


class _Pairs(NamedTuple):
    """The neighbours in a graph of lammps-jax."""

    neighbors: jax.Array


def _require_reactions(potential: Model) -> None:
    """Make sure that a copy feels the reaction to its force on an atom; LAMMPS adds it to the atom it copies."""
    atom_sees_copy = _Pairs(jnp.array([[1, 2]], jnp.int32))
    distance = 0.5 * potential.architecture.cutoff
    positions = jnp.zeros((2, 3), potential.dtype).at[1].set(distance)
    forces = jax.jit(jax.grad(energy_of_rows(potential)))(
        positions / 3**0.5, jnp.zeros(2, jnp.int32), atom_sees_copy
    )
    # written so that NaN fails
    if not float(jnp.abs(forces.sum(axis=0)).max()) <= _TOLERANCE * float(jnp.abs(forces).max()):
        raise CampaignError(
            f"potential {potential.settings['kind']} takes the force on an atom from its own neighbours alone, and "
            "periodic copies have none in LAMMPS: use LAMMPS's own pair style for it, or the ASE calculator."
        )


def _require_no_messages(potential: Model) -> None:
    """Make sure that an atom does not see neighbours of its neighbours, since these may be copies and have none."""
    distance = 0.5 * potential.architecture.cutoff
    positions = distance * jnp.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], potential.dtype)
    energy = jax.jit(energy_of_rows(potential))
    chain, first, second = (
        float(energy(positions, jnp.zeros(3, jnp.int32), _Pairs(jnp.array([[one, other, 3]], jnp.int32))))
        for one, other in ((1, 2), (1, 3), (3, 2))
    )
    if not abs(chain - first - second) <= _TOLERANCE * (abs(first) + abs(second)):
        raise CampaignError(
            f"potential {potential.settings['kind']} passes messages: an atom sees the neighbours of its neighbours, "
            "and periodic copies have none in LAMMPS; use the ASE calculator or i-PI."
        )
