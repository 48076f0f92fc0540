"""An ASE calculator for surfaces made by dynrefine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from dynrefine.campaign.numerics import numerics
from dynrefine.datasets.isotopes import symbol_among, symbols_of
from dynrefine.errors import CampaignError
from dynrefine.export.potential_file import energy_offsets
from dynrefine.export.verlet_list import VerletList
from dynrefine.files.models import Model, common_symbols, read_model, read_surfaces
from dynrefine.geometry.cell import volume
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.surfaces.base import energy_forces_stress, require_no_wider

_TOLERANCE = 1e-5  # eV per atom by which the energy of isolated atoms may change with the size of their box


@dataclass(frozen=True)
class _Reach:
    """How far the surfaces reach, Å."""

    cutoff: float


class DynrefineCalculator(Calculator):
    """Energy (eV), forces (eV/Å), stress (eV/Å³, positive under tension) and dipole (e Å) of atoms.

    Energies include those of the elements, so they can be compared with the ab initio ones. There is a stress where
    the cell has a volume, and a dipole where a dipole surface is given; in a periodic cell, the dipole is defined
    modulo e times the cell vectors. Neighbour lists are reused over several steps, and programs are compiled once for
    each number of atoms.

    Arguments:
        file: exported potential, or the potential of an iteration as the campaign writes it.
        dipole: file of a dipole surface, if the first file does not hold one.
        precision: "float64" or "float32", which is faster.
        skin: added to the cutoff in neighbour lists, Å.

    Raises:
        CampaignError: a file is unreadable, or its surfaces are not of the same elements.
    """

    implemented_properties: list[str] = ["energy", "free_energy", "forces", "stress", "dipole"]

    def __init__(
        self,
        file: str | Path,
        *,
        dipole: str | Path | None = None,
        precision: str = "float64",
        skin: float = 0.5,
    ) -> None:
        super().__init__()
        if precision not in ("float32", "float64"):
            raise CampaignError(f"precision is '{precision}', expected 'float32' or 'float64'.")
        self._precision = precision
        with numerics(precision):
            surfaces = read_surfaces(file)
            if dipole is not None:
                surfaces["dipole"] = read_model(dipole)
            self._surfaces = {name: model.cast(jnp.dtype(precision)) for name, model in surfaces.items()}
        self._file = file
        for name, method in (("potential", "energy"), ("dipole", "dipole")):
            _require_method(surfaces, name, method)
        self._symbols = common_symbols(self._surfaces)
        self.offsets = energy_offsets(self.potential)  # of each element, eV
        self._list = VerletList(_Reach(max(s.architecture.cutoff for s in self._surfaces.values())), skin)
        self._is_bounded = False
        if "dipole" not in self._surfaces:
            self.implemented_properties = [p for p in self.implemented_properties if p != "dipole"]

    @property
    def potential(self) -> Model:
        """The potential."""
        return self._surfaces["potential"]

    @property
    def lists_built(self) -> int:
        """How many neighbour lists were needed so far."""
        return self._list.builds

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy, forces and stress, and the dipole if requested; called by ASE.

        Raises:
            CampaignError: an element is not one of the potential, or the cell is flat or too wide for it.
        """
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        assert atoms is not None
        if system_changes:
            self.results = {}
        with numerics(self._precision):
            frame = self._frame(atoms)
            if "energy" not in self.results:
                self.results |= self._labels(atoms, frame)
            if "dipole" in properties and "dipole" in self._surfaces:
                surface = self._surfaces["dipole"]
                moment = _dipole(surface.architecture, surface.parameters, *frame)
                self.results["dipole"] = np.asarray(moment, float)

    def _frame(self, atoms: Atoms) -> "_Frame":
        species, positions, dtype = self.species(atoms), atoms.get_positions(), np.dtype(self._precision)
        neighbours, cell = self._list.of(positions, atoms.cell.array, atoms.pbc, dtype)
        return _Frame(species, positions.astype(dtype), cell.astype(dtype), neighbours)

    def species(self, atoms: Atoms) -> np.ndarray:
        """The place of each atom's element among those of the potential, int32 [N].

        Raises:
            CampaignError: an element is not one of the potential.
        """
        symbols = symbols_of(atoms)
        among = {symbol: symbol_among(symbol, self._symbols) for symbol in set(symbols)}
        places = {symbol: self._symbols.index(known) for symbol, known in among.items() if known is not None}
        unknown = sorted(among.keys() - places.keys())
        if unknown:
            raise CampaignError(
                f"atoms hold {', '.join(unknown)}, expected the elements of {self._file}: "
                f"{', '.join(self._symbols)}; change the atoms or use another potential."
            )
        return np.array([places[symbol] for symbol in symbols], np.int32)

    def _labels(self, atoms: Atoms, frame: "_Frame") -> dict[str, Any]:
        """Energy, forces and, where the cell has a volume, stress."""
        if atoms.pbc.all():
            require_no_wider(self.potential.architecture, frame.cell)
        energy, forces, stress = self._evaluated(frame)
        if not atoms.pbc.all():
            self._require_no_box(float(energy), frame, atoms.pbc)
        total = float(energy) + float(self.offsets[frame.species].sum())
        labels = {"energy": total, "free_energy": total, "forces": forces.astype(float)}
        if atoms.cell.rank == 3:
            ratio = volume(frame.cell) / atoms.get_volume()
            labels["stress"] = full_3x3_to_voigt_6_stress(ratio * stress.astype(float))
        return labels

    def _evaluated(self, frame: "_Frame") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        architecture, parameters = self.potential.architecture, self.potential.parameters
        return jax.device_get(_energy_forces_stress(architecture, parameters, *frame))

    def _require_no_box(self, energy: float, frame: "_Frame", periodic: np.ndarray) -> None:
        """Make sure, once, that the energy does not depend on the size of the box along vectors without images."""
        if self._is_bounded:
            return
        wider = np.where(periodic[:, None], frame.cell, 2 * frame.cell)
        change = float(self._evaluated(frame._replace(cell=wider))[0]) - energy
        if abs(change) > _TOLERANCE * len(frame.species):
            raise CampaignError(
                f"the energy of {self._file} depends on the volume (a tail correction, for example), and atoms.pbc "
                f"is {periodic.tolist()}: set atoms.pbc = True with a cell, or use a potential without such a term."
            )
        self._is_bounded = True


class _Frame(NamedTuple):
    """Atoms as passed to a surface: species [N], positions [N, 3] and cell [3, 3] in Å, neighbours."""

    species: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    neighbours: NeighbourList


@partial(jax.jit, static_argnums=0)
def _energy_forces_stress(architecture: Any, *arguments: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    return energy_forces_stress(architecture, *arguments)


@partial(jax.jit, static_argnums=0)
def _dipole(architecture: Any, *arguments: Any) -> jax.Array:
    return architecture.dipole(*arguments)


def _require_method(surfaces: Mapping[str, Model], name: str, method: str) -> None:
    """Make sure that the surface of this name, if any, is of the right kind."""
    if name in surfaces and not hasattr(surfaces[name].architecture, method):
        raise CampaignError(
            f"the {name} is a surface of kind {surfaces[name].settings['kind']}, which has no {method}: give the "
            f"file of a {name}."
        )
