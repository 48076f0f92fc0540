"""A potential as a bundle of `lammps-jax`, which the pair style jax/kk of LAMMPS runs."""

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
    """How many atoms, periodic copies among them, and neighbours of each, skin included, a bundle has room for."""

    atoms: int
    neighbours: int


def write_bundle(path: str | Path, potential: Model, room: Room, platform: str) -> None:
    """Write a potential for LAMMPS in its units "metal"; its types are the elements in their order.

    Arguments:
        path: the file to write (.json).
        potential: whose energies are written relative to those of isolated atoms.
        room: in the arrays of LAMMPS, whose sizes are fixed.
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
    """The energy of atoms among periodic copies, in eV relative to isolated atoms, as LAMMPS asks for it.

    Copies have no neighbours in its lists, which leaves them the energy of isolated atoms: what is relative to that
    is the energy of the atoms alone, and its gradient the force that each of them and each copy feels.

    Returns:
        a function of positions [N, 3] in Å, species [N], and a graph whose `neighbors` are int32 [K, N], N where
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
            f"potential {potential.settings['kind']} gives isolated atoms no finite energy, expected one for copies, "
            "which have no neighbours in LAMMPS: use the ASE calculator or i-PI."
        )

    def energy(positions: jax.Array, species: jax.Array, graph: Any) -> jax.Array:
        neighbours = _without_images(graph.neighbors.T, architecture.cutoff)
        return total(positions, species, neighbours) - jnp.sum(of_elements[species])

    return energy


def _without_images(neighbours: jax.Array, cutoff: float) -> NeighbourList:
    """A list of neighbours [N, K], N where there is none, each where its positions say."""
    atoms = neighbours.shape[0]
    filled = neighbours < atoms
    indices = jnp.where(filled, neighbours, jnp.arange(atoms, dtype=jnp.int32)[:, None])
    shifts = jnp.broadcast_to(jnp.where(filled, 0, FAR).astype(jnp.int8), (3, *neighbours.shape))
    return NeighbourList(indices, shifts, jnp.zeros((), bool), cutoff)


class _Pairs(NamedTuple):
    """What a graph of lammps-jax says of neighbours."""

    neighbors: jax.Array


def _require_reactions(potential: Model) -> None:
    """Make sure that a copy feels the reaction to what it does to an atom: LAMMPS adds it to the atom it copies."""
    atom_sees_copy = _Pairs(jnp.array([[1, 2]], jnp.int32))
    distance = 0.5 * potential.architecture.cutoff
    positions = jnp.zeros((2, 3), potential.dtype).at[1].set(distance)
    forces = jax.jit(jax.grad(energy_of_rows(potential)))(
        positions / 3**0.5, jnp.zeros(2, jnp.int32), atom_sees_copy
    )
    # what is not a number is not within the tolerance
    if not float(jnp.abs(forces.sum(axis=0)).max()) <= _TOLERANCE * float(jnp.abs(forces).max()):
        raise CampaignError(
            f"potential {potential.settings['kind']} takes the force on an atom from its own neighbours alone, and "
            "copies have none in LAMMPS: use the pair style of LAMMPS for it, or the ASE calculator."
        )


def _require_no_messages(potential: Model) -> None:
    """Make sure that an atom does not see the neighbours of its neighbours, which may be copies and have none."""
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
            "and copies have none in LAMMPS; use the ASE calculator or i-PI."
        )
