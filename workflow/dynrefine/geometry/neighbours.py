"""Padded neighbour lists under periodic boundaries, also for cells smaller than twice the cutoff.

Lists are built inside jit with fixed shapes. A list that is too short for its atoms is marked by `overflow`, which
its maker must check. Every loop of this package does, and repeats the work with a longer list.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.geometry.bit_rows import WORD, packed, places_of_bits, single_bits
from dynrefine.geometry.cell import face_distances
from dynrefine.geometry.coordinates import to_cartesian, to_fractional

FAR = 64  # in cells: where padding entries point, beyond every cutoff
_SHORTENED = 1.25  # room in shorter lists, as a multiple of what a homogeneous liquid needs


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["indices", "shifts", "overflow", "nearer", "needed"],
    meta_fields=["cutoff"],
)
@dataclass(frozen=True)
class NeighbourList:
    """The neighbours of each atom, each with the periodic image in which it is seen.

    Attributes:
        indices: neighbour indices, int32 [N, K].
        shifts: cell vectors to add to the neighbour's position, int8 [3, N, K]; 64 cells away for padding.
        overflow: whether an atom had more than K neighbours, bool [].
        cutoff: within which they were found, Å; static under jit.
        nearer: a list of the neighbours that the potential sees, where this one reaches farther.
        needed: the neighbours of an atom and the atoms in a cell of the search for which room would have sufficed, as
            far as could be seen, int32 [2]; None for a list that was not searched for.
    """

    indices: jax.Array
    shifts: jax.Array
    overflow: jax.Array
    cutoff: float
    nearer: "NeighbourList | None" = None
    needed: jax.Array | None = None

    @property
    def filled(self) -> jax.Array:
        """Which entries are neighbours rather than padding, bool [N, K]."""
        return self.shifts[..., 0, :, :] != FAR

    @property
    def of_potential(self) -> "NeighbourList":
        """The list that suffices for the potential."""
        return self.nearer or self


@partial(jax.tree_util.register_dataclass, data_fields=["references", "capacity", "per_cell"], meta_fields=[])
@dataclass(frozen=True)
class RecordedLists:
    """The neighbour lists of a trajectory, so that the way back uses the same.

    Attributes:
        references: where each was built, in units of 2⁻¹⁶ of the cell, int16 [lists, N, 3].
        capacity: neighbours per atom that fit, int32 [].
        per_cell: atoms in a cell of the search that fit, int32 []; zero where there are no cells.
    """

    references: jax.Array
    capacity: jax.Array
    per_cell: jax.Array


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
    along_a, along_b, along_c = (
        1 if h >= 2 * cutoff else 2 if h >= cutoff else 2 * math.ceil(cutoff / h) + 1 for h in heights
    )
    return along_a, along_b, along_c


def expected_capacity(atoms: int, volume: float, cutoff: float) -> int:
    """A neighbour capacity for a liquid.

    Arguments:
        atoms: atoms in the cell.
        volume: of the cell, Å³.
        cutoff: of the list, skin included, Å.
    """
    return room_for(atoms / volume * 4.0 / 3.0 * math.pi * cutoff**3)


def room_for(mean: float) -> int:
    """Room for a mean number of atoms and its fluctuations in a liquid; multiples of 8."""
    return 8 * math.ceil((mean + 2.0 * math.sqrt(mean) + 2.0) / 8)


def neighbour_list(
    positions: jax.Array,
    cell: jax.Array,
    cutoff: float,
    capacity: int,
    images: tuple[int, int, int],
    present: jax.Array | None = None,
) -> NeighbourList:
    """Find all neighbours within a cutoff, counting every periodic image.

    Arguments:
        positions: [N, 3], Å; wrapped or not.
        cell: cell vectors as rows [3, 3], Å.
        cutoff: Å.
        capacity: neighbours per atom that fit, K.
        images: from `images_per_axis` for this cell and cutoff.
        present: which rows are atoms rather than padding, bool [N]; all by default.
    """
    atoms = len(positions)
    fractional = to_fractional(positions.T, cell)
    candidates = jnp.pad(fractional, [(0, 0), (0, -atoms % WORD)], constant_values=jnp.nan)
    separation = candidates[:, :, None] - fractional[:, None, :]
    numbers = jnp.arange(math.prod(images), dtype=jnp.int32)
    shifts = _image_shifts(separation[:, None], numbers[:, None, None], images)
    x, y, z = to_cartesian(separation[:, None] + shifts, cell)
    within = x**2 + y**2 + z**2 < cutoff**2  # never true for padding
    if present is not None:
        within &= jnp.pad(present, (0, -atoms % WORD))[:, None] & present

    own_image = np.ravel_multi_index([0 if count == 2 else count // 2 for count in images], images)
    itself = single_bits(
        len(numbers) * candidates.shape[1], own_image * candidates.shape[1] + np.arange(atoms)
    )
    found, filled, count = places_of_bits(packed(within.reshape(-1, atoms)) & ~itself, capacity)
    image, indices = jnp.divmod(found, candidates.shape[1])
    indices = jnp.where(filled, indices, jnp.arange(atoms)[:, None]).astype(jnp.int32)
    shifts = _image_shifts(fractional[:, indices] - fractional[:, :, None], image, images)
    most = jnp.max(count)
    return NeighbourList(
        indices,
        jnp.where(filled, shifts, FAR).astype(jnp.int8),
        most > capacity,
        cutoff,
        needed=jnp.stack([most, jnp.zeros_like(most)]),
    )


def list_of_nearest_images(
    fractional: jax.Array, indices: jax.Array, filled: jax.Array, overflow: jax.Array, cutoff: float
) -> NeighbourList:
    """A list of neighbours in their nearest images.

    Arguments:
        fractional: positions in cell units [3, N].
        indices: of the neighbours [N, K].
        filled: which of these are neighbours rather than padding, bool [N, K].
        overflow, cutoff: as in the list.
    """
    own = jnp.arange(len(indices))[:, None]
    indices = jnp.where(filled, indices, own).astype(jnp.int32)
    shifts = -jnp.round(fractional[:, indices] - fractional[:, :, None])
    return NeighbourList(indices, jnp.where(filled, shifts, FAR).astype(jnp.int8), overflow, cutoff)


def with_nearest(
    function: Callable[[NeighbourList], Any],
    positions: jax.Array,
    cell: jax.Array,
    neighbours: NeighbourList,
    cutoff: float,
) -> Any:
    """function(list), with a shorter list of the neighbours within the cutoff (Å) where there are many beyond it.

    Where the shorter list does not suffice, the whole list is used. On accelerators it always is: trajectories are
    mapped there, so both cases would be computed.
    """
    capacity = _shorter_capacity(neighbours, cutoff)
    if 2 * capacity > neighbours.indices.shape[-1] or jax.default_backend() != "cpu":
        return function(neighbours)
    shorter = _shortened(positions, cell, neighbours, cutoff)
    return jax.lax.cond(shorter.overflow, lambda: function(neighbours), lambda: function(shorter))


def with_nearer(
    positions: jax.Array, cell: jax.Array, neighbours: NeighbourList, cutoff: float
) -> NeighbourList:
    """The same list with a second one of the neighbours within a shorter cutoff (Å), for the potential."""
    nearer = _shortened(positions, cell, neighbours, cutoff)
    return replace(neighbours, nearer=nearer, overflow=nearer.overflow, needed=nearer.needed)


def _shorter_capacity(neighbours: NeighbourList, cutoff: float) -> int:
    """Room in a list shortened to this cutoff, Å; multiples of 8."""
    return 8 * math.ceil(_share(neighbours, cutoff) * neighbours.indices.shape[-1] / 8)


def _share(neighbours: NeighbourList, cutoff: float) -> float:
    """The share of the room in a list that one shortened to this cutoff (Å) gets."""
    return _SHORTENED * (cutoff / neighbours.cutoff) ** 3


def _shortened(
    positions: jax.Array, cell: jax.Array, neighbours: NeighbourList, cutoff: float
) -> NeighbourList:
    """Those entries of a list that are within a shorter cutoff (Å); overflows where an atom has more.

    What it reports as needed is room in the longer list.
    """
    capacity = _shorter_capacity(neighbours, cutoff)
    x, y, z = displacements(positions, cell, neighbours)
    within = (x**2 + y**2 + z**2 < cutoff**2).T
    words = packed(jnp.pad(within, [(0, -len(within) % WORD), (0, 0)]))
    found, filled, count = places_of_bits(words, capacity)
    found = jnp.minimum(found, len(within) - 1)
    indices = jnp.take_along_axis(neighbours.indices, found, axis=1)
    shifts = jnp.take_along_axis(neighbours.shifts, found[None], axis=2)
    most = jnp.max(count)
    in_whole = jnp.ceil(most.astype(jnp.float32) / _share(neighbours, cutoff)).astype(jnp.int32)
    return NeighbourList(
        jnp.where(filled, indices, jnp.arange(len(indices))[:, None]).astype(jnp.int32),
        jnp.where(filled, shifts, FAR).astype(jnp.int8),
        (most > capacity) | neighbours.overflow,
        cutoff,
        needed=None if neighbours.needed is None else neighbours.needed.at[0].max(in_whole),
    )


def displacements(positions: jax.Array, cell: jax.Array, neighbours: NeighbourList) -> jax.Array:
    """Vectors from each atom to its neighbours [3, N, K], Å; beyond any cutoff for padding."""
    components = positions.T
    offsets = to_cartesian(neighbours.shifts.astype(positions.dtype), cell)
    return components[:, neighbours.indices] - components[:, :, None] + offsets


@jax.custom_jvp
def lengths(vectors: jax.Array) -> jax.Array:
    """Lengths of vectors [3, ...], in their unit."""
    x, y, z = vectors
    return jnp.sqrt(x**2 + y**2 + z**2)


@lengths.defjvp
def _lengths_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    # The division comes last so that XLA computes what leads to it once for all three components.
    (vectors,), (along,) = primals, tangents
    length = lengths(vectors)
    return length, jnp.sum(vectors * along, axis=0) / length


def _image_shifts(separation: jax.Array, numbers: jax.Array, images: tuple[int, int, int]) -> jax.Array:
    """Cell vectors to add to separations in cell units [3, ...] for the images with these numbers [...]: [3, ...].

    The images are those worth looking at, as counted by `images_per_axis`.
    """
    nearest = -jnp.round(separation)
    along_axes = jnp.unravel_index(numbers, images)
    steps = []
    for axis, count in enumerate(images):
        along = along_axes[axis].astype(separation.dtype)
        if count == 2:
            steps.append(jnp.where(separation[axis] + nearest[axis] >= 0, -along, along))
        else:
            steps.append(along - count // 2)
    return nearest + jnp.stack(jnp.broadcast_arrays(*steps))
