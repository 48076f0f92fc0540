"""Surfaces made by dynrefine as a calculator of ASE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from dynrefine.campaign.numerics import numerics
from dynrefine.errors import CampaignError
from dynrefine.export.potential_file import energy_offsets, read_surfaces
from dynrefine.export.verlet_list import VerletList
from dynrefine.files.models import Model, read_model
from dynrefine.geometry.cell import volume
from dynrefine.geometry.neighbours import NeighbourList
from dynrefine.surfaces.base import energy_forces_stress

_TOLERANCE = 1e-5  # eV per atom that the energy of isolated atoms may change with the size of their box


@dataclass(frozen=True)
class _Reach:
    """How far the surfaces see, Å."""

    cutoff: float


class DynrefineCalculator(Calculator):
    """Energy (eV), forces (eV/Å), stress (eV/Å³, positive under tension) and dipole (e Å) of atoms.

    Energies contain those of the elements, so that they are comparable with the ab initio ones. There is a stress
    where the cell has a volume, and a dipole where a dipole surface is given; in a periodic cell it is defined modulo
    e times the cell vectors. Neighbour lists serve for several steps, and programs are compiled once for a number of
    atoms.

    Arguments:
        file: exported potential, or the potential of an iteration as the campaign writes it.
        dipole: file of a dipole surface, where the first does not hold one.
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
        self._symbols = _common_symbols(self._surfaces)
        self._offsets = energy_offsets(self.potential)
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
        """Energy, forces and stress in any case, the dipole where it is asked for; called by ASE.

        Raises:
            CampaignError: an element is not one of the potential, or the cell is flat.
        """
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        assert atoms is not None
        species = self._species(atoms)
        positions, dtype = atoms.get_positions(), jnp.dtype(self._precision)
        if system_changes:
            self.results = {}
        with numerics(self._precision):
            neighbours, cell = self._list.of(positions, atoms.cell.array, atoms.pbc, dtype)
            frame = jnp.asarray(species), jnp.asarray(positions, dtype), jnp.asarray(cell, dtype), neighbours
            if "energy" not in self.results:
                self.results |= self._labels(atoms, *frame)
            if "dipole" in properties and "dipole" in self._surfaces:
                surface = self._surfaces["dipole"]
                moment = _dipole(surface.architecture, surface.parameters, *frame)
                self.results["dipole"] = np.asarray(moment, float)

    def _labels(self, atoms: Atoms, *frame: Any) -> dict[str, Any]:
        """Energy, forces and, where the cell has a volume, stress."""
        species, _, cell, _ = frame
        energy, forces, stress = self._evaluated(*frame)
        if not atoms.pbc.all():
            self._require_no_box(float(energy), *frame, atoms.pbc)
        total = float(energy) + float(self._offsets[np.asarray(species)].sum())
        labels = {"energy": total, "free_energy": total, "forces": np.asarray(forces, float)}
        if atoms.cell.rank == 3:
            ratio = volume(np.asarray(cell)) / atoms.get_volume()
            labels["stress"] = full_3x3_to_voigt_6_stress(ratio * np.asarray(stress, float))
        return labels

    def _evaluated(self, *frame: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        return _energy_forces_stress(self.potential.architecture, self.potential.parameters, *frame)

    def _species(self, atoms: Atoms) -> np.ndarray:
        """The place of each atom's element among those of the potential, int32 [N]."""
        symbols = np.array(atoms.get_chemical_symbols())
        unknown = sorted(set(symbols.tolist()) - set(self._symbols))
        if unknown:
            raise CampaignError(
                f"atoms hold {', '.join(unknown)}, expected the elements of {self._file}: "
                f"{', '.join(self._symbols)}; change the atoms or use another potential."
            )
        return np.array([self._symbols.index(symbol) for symbol in symbols], np.int32)

    def _require_no_box(
        self,
        energy: float,
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
        periodic: np.ndarray,
    ) -> None:
        """Make sure, once, that where there are no images the energy does not depend on the box that is put there."""
        if self._is_bounded:
            return
        wider = cell * jnp.asarray(np.where(periodic[:, None], 1.0, 2.0), cell.dtype)
        change = float(self._evaluated(species, positions, wider, neighbours)[0]) - energy
        if abs(change) > _TOLERANCE * len(species):
            raise CampaignError(
                f"the energy of {self._file} depends on the volume (a tail correction, for example), and atoms.pbc "
                f"is {periodic.tolist()}: set atoms.pbc = True with a cell, or use a potential without it."
            )
        self._is_bounded = True


@partial(jax.jit, static_argnums=0)
def _energy_forces_stress(architecture: Any, *arguments: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    return energy_forces_stress(architecture, *arguments)


@partial(jax.jit, static_argnums=0)
def _dipole(architecture: Any, *arguments: Any) -> jax.Array:
    return architecture.dipole(*arguments)


def _require_method(surfaces: Mapping[str, Model], name: str, method: str) -> None:
    """Make sure that a surface, if there is one of this name, is of the right kind."""
    if name in surfaces and not hasattr(surfaces[name].architecture, method):
        raise CampaignError(
            f"the {name} is a surface of kind {surfaces[name].settings['kind']}, which has no {method}: give the "
            f"file of a {name}."
        )


def _common_symbols(surfaces: Mapping[str, Model]) -> list[str]:
    """The elements of surfaces that number them alike."""
    symbols = {
        name: [element["symbol"] for element in model.settings["elements"]]
        for name, model in surfaces.items()
    }
    if any(own != symbols["potential"] for own in symbols.values()):
        raise CampaignError(
            "surfaces are of different elements or in another order, expected the same: "
            + ", ".join(f"{name} {own}" for name, own in symbols.items())
            + "; give surfaces of one campaign."
        )
    return symbols["potential"]
