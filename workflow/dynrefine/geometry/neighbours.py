"""Padded neighbour lists under periodic boundaries, also for cells smaller than twice the cutoff.

Building happens inside jit with fixed shapes. A list that is too short for its atoms is marked by `overflow`,
which its maker must check: every loop of this package does, and repeats the work with a longer list.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.geometry.bit_rows import WORD, packed, places_of_bits
from dynrefine.geometry.cell import face_distances

_FAR = 64  # cells: where padding entries point, beyond every cutoff


@partial(jax.tree_util.register_dataclass, data_fields=["indices", "shifts", "overflow"], meta_fields=[])
@dataclass(frozen=True)
class NeighbourList:
    """The neighbours of each atom, with the periodic image each is seen in.

    Attributes:
        indices: neighbour indices, int32 [N, K].
        shifts: cell vectors to add to the neighbour's position, int8 [3, N, K]; 64 cells away for padding.
        overflow: whether an atom had more than K neighbours, bool [].
    """

    indices: jax.Array
    shifts: jax.Array
    overflow: jax.Array

    @property
    def filled(self) -> jax.Array:
        """Which entries are neighbours and not padding, bool [N, K]."""
        return self.shifts[..., 0, :, :] != _FAR


@partial(jax.tree_util.register_dataclass, data_fields=["references", "capacity"], meta_fields=[])
@dataclass(frozen=True)
class RecordedLists:
    """The neighbour lists of a trajectory, for the way back to use the same.

    Attributes:
        references: where each was built, in units of 2⁻¹⁶ of the cell, int16 [lists, N, 3].
        capacity: neighbours per atom that fit, int32 [].
    """

    references: jax.Array
    capacity: jax.Array


def images_per_axis(cell: np.ndarray, cutoff: float) -> tuple[int, int, int]:
    """How many periodic images of an atom can lie within the cutoff along each cell vector.

    Arguments:
        cell: cell vectors as rows [3, 3], Å.
        cutoff: Å.

    Returns:
        1 where the minimum image is enough, 2 where the cell is between one and two cutoffs wide, and an odd
        number of images centred on the nearest one in smaller cells.
    """
    heights = face_distances(cell)
    counts = [1 if h >= 2 * cutoff else 2 if h >= cutoff else 2 * math.ceil(cutoff / h) + 1 for h in heights]
    return tuple(counts)


def expected_capacity(atoms: int, volume: float, cutoff: float) -> int:
    """A neighbour capacity with room for the fluctuations of a liquid; multiples of 8.

    Arguments:
        atoms: atoms in the cell.
        volume: of the cell, Å³.
        cutoff: of the list, skin included, Å.
    """
    mean = atoms / volume * 4.0 / 3.0 * math.pi * cutoff**3
    return 8 * math.ceil((mean + 2.0 * math.sqrt(mean) + 2.0) / 8)


def neighbour_list(
    positions: jax.Array,
    cell: jax.Array,
    cutoff: float,
    capacity: int,
    images: tuple[int, int, int],
    present: jax.Array | None = None,
) -> NeighbourList:
    """Find all neighbours within a cutoff, every periodic image counted.

    Arguments:
        positions: [N, 3], Å; wrapped or not.
        cell: cell vectors as rows [3, 3], Å.
        cutoff: Å.
        capacity: neighbours per atom that fit, K.
        images: from `images_per_axis` for this cell and cutoff.
        present: which rows are atoms and not padding, bool [N]; all when absent.
    """
    atoms = len(positions)
    fractional = (positions @ jnp.linalg.inv(cell)).T
    if math.prod(images) == 1:
        return _list_by_minimum_image(fractional, cell, cutoff, capacity, present)
    separation = fractional[:, None, :] - fractional[:, :, None]
    shifts = _candidate_shifts(separation, images)
    x, y, z = to_cartesian(separation[:, :, None, :] + shifts, cell)
    within = x**2 + y**2 + z**2 < cutoff**2
    within &= ~(jnp.eye(atoms, dtype=bool)[:, None, :] & jnp.all(shifts == 0, axis=0))
    if present is not None:
        within &= (present[:, None] & present[None, :])[:, None, :]

    # The k-th neighbour is the candidate at which the running count reaches k: found by bisection, since scattering
    # candidates to their places is several times slower on a CPU.
    count = jnp.cumsum(within.reshape(atoms, -1), axis=1)
    bisect = jax.vmap(partial(jnp.searchsorted, method="scan"), in_axes=(0, None))
    found = bisect(count, jnp.arange(1, capacity + 1))
    filled = found < count.shape[1]
    found = jnp.minimum(found, count.shape[1] - 1)
    shift = jnp.take_along_axis(shifts.astype(jnp.int8).reshape(3, atoms, -1), found[None], axis=2)
    neighbour = found % atoms
    centre = jnp.arange(atoms)[:, None]
    return NeighbourList(
        indices=jnp.where(filled, neighbour, centre).astype(jnp.int32),
        shifts=jnp.where(filled, shift, _FAR),
        overflow=jnp.any(count[:, -1] > capacity),
    )


def _list_by_minimum_image(
    fractional: jax.Array, cell: jax.Array, cutoff: float, capacity: int, present: jax.Array | None
) -> NeighbourList:
    """The same where the minimum image is enough, from positions in cell units [3, N]."""
    atoms = fractional.shape[1]
    candidates = jnp.pad(fractional, [(0, 0), (0, -atoms % WORD)], constant_values=jnp.nan)
    separation = candidates[:, :, None] - fractional[:, None, :]
    x, y, z = to_cartesian(separation - jnp.round(separation), cell)
    within = x**2 + y**2 + z**2 < cutoff**2  # never true of the padding
    within &= jnp.arange(candidates.shape[1])[:, None] != jnp.arange(atoms)
    if present is not None:
        within &= jnp.pad(present, (0, -atoms % WORD))[:, None] & present
    found, filled, count = places_of_bits(packed(within), capacity)
    return list_of_nearest_images(fractional, found, filled, jnp.any(count > capacity))


def list_of_nearest_images(
    fractional: jax.Array, indices: jax.Array, filled: jax.Array, overflow: jax.Array
) -> NeighbourList:
    """A list of neighbours in their nearest images.

    Arguments:
        fractional: positions in cell units [3, N].
        indices: of the neighbours [N, K].
        filled: which of these are neighbours and not padding, bool [N, K].
        overflow: as in the list, bool [].
    """
    own = jnp.arange(len(indices))[:, None]
    indices = jnp.where(filled, indices, own).astype(jnp.int32)
    shifts = -jnp.round(fractional[:, indices] - fractional[:, :, None])
    return NeighbourList(indices, jnp.where(filled, shifts, _FAR).astype(jnp.int8), overflow)


def displacements(positions: jax.Array, cell: jax.Array, neighbours: NeighbourList) -> jax.Array:
    """Vectors from each atom to its neighbours [3, N, K], Å; beyond any cutoff for padding."""
    components = positions.T
    offsets = to_cartesian(neighbours.shifts.astype(positions.dtype), cell)
    return components[:, neighbours.indices] - components[:, :, None] + offsets


@jax.custom_jvp
def lengths(vectors: jax.Array) -> jax.Array:
    """Of vectors [3, ...], in their unit."""
    x, y, z = vectors
    return jnp.sqrt(x**2 + y**2 + z**2)


@lengths.defjvp
def _lengths_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    # The division comes last, since XLA then computes what leads to it once for all three components.
    (vectors,), (along,) = primals, tangents
    length = lengths(vectors)
    return length, jnp.sum(vectors * along, axis=0) / length


def _candidate_shifts(separation: jax.Array, images: tuple[int, int, int]) -> jax.Array:
    """Image shifts worth looking at for separations in cell units [3, N, N]: [3, N, product of images, N].

    The neighbour's index comes last, since that is the axis over which a CPU vectorises.
    """
    nearest = -jnp.round(separation)
    remainder = separation + nearest
    atoms = separation.shape[-1]
    shifts = []
    for axis, count in enumerate(images):
        if count == 2:
            towards = jnp.where(remainder[axis] >= 0, -1.0, 1.0).astype(separation.dtype)
            steps = jnp.stack([jnp.zeros_like(towards), towards], axis=1)
        else:
            steps = (jnp.arange(count, dtype=separation.dtype) - count // 2)[:, None]
        other_axes = tuple(1 + other for other in range(3) if other != axis)
        shifts.append(jnp.expand_dims(nearest[axis][:, None, :] + steps, other_axes))
    every = [jnp.broadcast_to(each, (atoms, *images, atoms)) for each in shifts]
    return jnp.stack(every).reshape(3, atoms, -1, atoms)


def to_cartesian(fractions: jax.Array, cell: jax.Array) -> jax.Array:
    """Vectors [3, ...] in Å from multiples of the cell vectors [3, ...]; no matrix product, which may be rounded."""
    return jnp.stack(
        [sum(fractions[axis] * cell[axis, component] for axis in range(3)) for component in range(3)]
    )
