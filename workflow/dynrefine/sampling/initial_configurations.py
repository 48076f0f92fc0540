"""Where sampling starts: geometries of the data set at the density of a state, or a lattice if there are none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from dynrefine.config.data import Element
from dynrefine.config.dynamics import State
from dynrefine.errors import CampaignError
from dynrefine.geometry.cell import cubic_edge, scaled_to_density
from dynrefine.geometry.frames import LabelledFrames


@dataclass(frozen=True)
class Configurations:
    """Where chains start or continue.

    Attributes:
        species: element index of each atom.
        cells: cell vectors as rows, Å.
        positions: Å.
        velocities: of chains that continue, Å/fs; none for new ones.
    """

    species: Int[np.ndarray, " N"]
    cells: Float[np.ndarray, "R 3 3"]
    positions: Float[np.ndarray, "R N 3"]
    velocities: Float[np.ndarray, "R N 3"] | None = None


def lattice_configurations(
    state: State,
    elements: Sequence[Element],
    replicas: int,
    seed: int,
    molecule: Sequence[tuple[str, tuple[float, float, float]]] | None = None,
) -> Configurations:
    """Atoms or molecules near random points of a simple cubic lattice, which is unstable and melts at once.

    Arguments:
        state: its density and number of atoms.
        elements: of which the first is taken if there are no molecules.
        replicas: number of configurations.
        seed: of the choice of points and the orientations of molecules.
        molecule: symbols and positions (Å) of its atoms; none for single atoms.
    """
    if state.atoms is None:
        raise ValueError("a lattice needs the number of atoms of the state")
    symbols, places = zip(*molecule or [(elements[0].symbol, (0.0, 0.0, 0.0))], strict=True)
    known = [element.symbol for element in elements]
    count, own = state.atoms // len(symbols), np.array([known.index(symbol) for symbol in symbols])
    edge = cubic_edge(count * sum(elements[index].mass for index in own), state.density)
    per_axis = math.ceil(count ** (1.0 / 3.0) - 1e-9)
    points = np.indices((per_axis, per_axis, per_axis)).reshape(3, -1).T
    spacing = edge / per_axis
    generator = np.random.default_rng(seed)
    chosen = np.stack([generator.permutation(len(points))[:count] for _ in range(replicas)])
    centres = spacing * (points[chosen] + generator.normal(0.0, 0.03, (replicas, count, 3)))
    turns = Rotation.random(replicas * count, rng=generator).as_matrix()
    turned = np.einsum("rij,mj->rmi", turns, places).reshape(replicas, count, -1, 3)
    positions = (centres[:, :, None] + turned).reshape(replicas, -1, 3)
    return Configurations(np.tile(own, count), _same(edge * np.eye(3), replicas), positions)


def initial_configurations(
    frames: LabelledFrames, state: State, elements: Sequence[Element], replicas: int, seed: int
) -> Configurations:
    """Random frames of the data set's most common composition, scaled to a state's density and repeated.

    Arguments:
        frames: of the data set.
        state: its density and supercell.
        elements: in the order of the species.
        replicas: number of configurations.
        seed: of the choice; frames repeat only if there are fewer of them than replicas.

    Raises:
        CampaignError: the frames hold no atoms.
    """
    compositions = [tuple(row[row >= 0]) for row in frames.species]
    if not compositions or not compositions[0]:
        raise CampaignError("dataset/train.extxyz holds no atoms to start from: check dataset.files.")
    commonest = max(set(compositions), key=lambda c: (compositions.count(c), c))
    candidates = np.array([index for index, c in enumerate(compositions) if c == commonest])
    species = np.array(commonest)
    order = np.random.default_rng(seed).permutation(candidates)
    chosen = frames[np.resize(order, replicas)]
    fractional = np.einsum(
        "fni,fij->fnj", chosen.positions[:, : len(species)], np.linalg.inv(np.asarray(chosen.cells, float))
    )
    mass = sum(elements[index].mass for index in species)
    cell = scaled_to_density(np.asarray(frames.cells[candidates[0]], float), mass, state.density)
    shifts = np.stack(np.meshgrid(*map(np.arange, state.supercell), indexing="ij"), axis=-1).reshape(-1, 3)
    repeated = (fractional[:, None] + shifts[None, :, None]).reshape(replicas, -1, 3) @ cell
    cells = _same(cell * np.array(state.supercell)[:, None], replicas)
    return Configurations(np.tile(species, len(shifts)), cells, repeated)


def _same(cell: np.ndarray, replicas: int) -> np.ndarray:
    """One cell for all replicas."""
    return np.tile(cell, (replicas, 1, 1))
