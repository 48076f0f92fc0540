"""Where sampling begins: geometries of the data set at the density of a state, or a lattice where there are none."""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from dynrefine.errors import CampaignError
from dynrefine.frames import LabelledFrames
from dynrefine.system import System
from dynrefine.units import GRAM_PER_CUBIC_CENTIMETRE


def system_of(species: np.ndarray, cell: np.ndarray, elements: list[Mapping[str, Any]], dtype: Any) -> System:
    """The system of these atoms.

    Arguments:
        species: element index of each atom [N].
        cell: cell vectors as rows [3, 3], Å.
        elements: configuration section: symbol, mass (u), charge (e).
        dtype: of the floating-point numbers.
    """
    masses = np.array([element["mass"] for element in elements])[species]
    return System(jnp.asarray(species, jnp.int32), jnp.asarray(masses, dtype), jnp.asarray(cell, dtype))


def with_masses(elements: list[Mapping[str, Any]], masses: Mapping[str, float]) -> list[Mapping[str, Any]]:
    """The configuration section `elements` with these masses (u), by symbol, instead of its own."""
    return [{**element, "mass": masses.get(element["symbol"], element["mass"])} for element in elements]


def lattice_configurations(
    state: Mapping[str, Any], elements: list[Mapping[str, Any]], replicas: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms of one element near random points of a simple cubic lattice, which melts at once: it is not stable.

    Arguments:
        state: temperature (K), density (g/cm³) and atoms of the state.
        elements: configuration section, of which the first is taken.
        replicas: how many are wanted.
        seed: of the choice of points.

    Returns:
        species [N], cell [3, 3] in Å and positions [R, N, 3] in Å.
    """
    atoms = state["atoms"]
    mass = atoms * elements[0]["mass"]
    edge = (mass / (state["density"] * GRAM_PER_CUBIC_CENTIMETRE)) ** (1.0 / 3.0)
    per_axis = math.ceil(atoms ** (1.0 / 3.0) - 1e-9)
    points = np.stack(np.meshgrid(*[np.arange(per_axis)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    spacing = edge / per_axis
    generator = np.random.default_rng(seed)
    chosen = np.stack([generator.permutation(len(points))[:atoms] for _ in range(replicas)])
    positions = spacing * (points[chosen] + generator.normal(0.0, 0.03, (replicas, atoms, 3)))
    return np.zeros(atoms, int), edge * np.eye(3), positions


def initial_configurations(
    frames: LabelledFrames,
    state: Mapping[str, Any],
    elements: list[Mapping[str, Any]],
    replicas: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random frames of the data set's commonest composition, scaled to a state's density and repeated.

    Arguments:
        frames: of the data set.
        state: temperature (K), density (g/cm³) and supercell of the state.
        elements: configuration section: symbol, mass (u), charge (e).
        replicas: how many are wanted.
        seed: of the choice; frames repeat only when there are fewer of them than replicas.

    Returns:
        species [N], cell [3, 3] in Å and positions [R, N, 3] in Å.

    Raises:
        CampaignError: the frames hold no atoms.
    """
    compositions = [tuple(row[row >= 0]) for row in frames.species]
    if not compositions or not compositions[0]:
        raise CampaignError("dataset/train.extxyz holds no atoms to begin from: check dataset.files.")
    commonest = max(set(compositions), key=lambda c: (compositions.count(c), c))
    candidates = np.array([index for index, c in enumerate(compositions) if c == commonest])
    species = np.array(commonest)
    order = np.random.default_rng(seed).permutation(candidates)
    chosen = frames[np.resize(order, replicas)]
    fractional = np.einsum(
        "fni,fij->fnj", chosen.positions[:, : len(species)], np.linalg.inv(np.asarray(chosen.cells, float))
    )
    mass = sum(elements[index]["mass"] for index in species)
    volume = mass / (state["density"] * GRAM_PER_CUBIC_CENTIMETRE)
    reference = np.asarray(frames.cells[candidates[0]], float)
    cell = reference * (volume / abs(np.linalg.det(reference))) ** (1.0 / 3.0)
    shifts = np.stack(np.meshgrid(*map(np.arange, state["supercell"]), indexing="ij"), axis=-1).reshape(-1, 3)
    repeated = (fractional[:, None] + shifts[None, :, None]).reshape(replicas, -1, 3) @ cell
    return np.tile(species, len(shifts)), cell * np.array(state["supercell"])[:, None], repeated
