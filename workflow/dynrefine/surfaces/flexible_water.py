"""Flexible water of point charges: U = Σ bonds + Σ angles + Lennard-Jones between oxygens + Coulomb.

A bond has the energy k/2 (Δ² - aΔ³ + 7/12 a²Δ⁴), an angle k/2 (θ - θ₀)². The charge of an oxygen is at the point
M = γ r_O + (1 - γ)/2 (r_H + r_H'). No Coulomb energy acts within a molecule. The models are SPC/Fw with γ = 1 and
a = 0 (Wu, Tepper, Voth, J. Chem. Phys. 124, 024503 (2006)) and q-TIP4P/F (Habershon, Markland, Manolopoulos, J. Chem.
Phys. 131, 024501 (2009)).

Molecules follow from the positions: each oxygen has the two nearest hydrogens. So atoms may come in any order,
wrapped or not, and the energy is a function of the positions alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.config.data import Element
from dynrefine.config.surfaces.flexible_water import FlexibleWaterSettings
from dynrefine.geometry.coordinates import to_cartesian
from dynrefine.geometry.neighbours import NeighbourList, displacements, lengths
from dynrefine.surfaces.electrostatics import DampedShiftedForce, Ewald
from dynrefine.surfaces.lennard_jones import LennardJones
from dynrefine.surfaces.pair_sums import dot, sum_over_pairs
from dynrefine.units import COULOMB, KILOJOULE_PER_MOLE

LONGEST_BOND = 2.0  # Å; atoms farther apart do not form a molecule
_FARTHEST_SITE = 0.25  # Å; largest distance of M from its oxygen


class Molecules(NamedTuple):
    """The molecule of each oxygen, in its row; other rows hold a molecule that does not count.

    Attributes:
        counted: 1 in the rows of oxygens, else 0 [N].
        first, second: from the oxygen to its hydrogens [3, N], Å.
        fault: 0, or NaN if the atoms do not form water molecules.
    """

    counted: jax.Array
    first: jax.Array
    second: jax.Array
    fault: jax.Array

    def sum(self, energies: jax.Array) -> jax.Array:
        """Sum of energies [N] of the molecules, eV."""
        return jnp.sum(self.counted * energies) + self.fault


@dataclass(frozen=True)
class FlexibleWater:
    """The potential.

    Attributes:
        lennard_jones: between oxygens.
        electrostatics: of the charges.
        oxygen: number of its species; hydrogen has the other of 0 and 1.
        start: the parameters at the start, by name, in Å, eV, e, rad.
        trainable: which of them are refined.
    """

    lennard_jones: LennardJones
    electrostatics: DampedShiftedForce | Ewald
    oxygen: int
    start: tuple[tuple[str, float], ...]
    trainable: tuple[str, ...]

    @property
    def cutoff(self) -> float:
        """Distance of atoms beyond which their sites do not interact, Å."""
        gamma_is_one = dict(self.start)["gamma"] == 1.0
        return self.lennard_jones.cutoff + (0.0 if gamma_is_one else 2.0 * _FARTHEST_SITE)

    @property
    def relative_width(self) -> Callable[[np.ndarray], np.ndarray]:
        """The relative width of the electrostatics."""
        return self.electrostatics.relative_width

    @classmethod
    def from_settings(cls, settings: FlexibleWaterSettings, elements: Sequence[Element]) -> "FlexibleWater":
        """The potential that the configuration section `potential` describes."""
        start = {
            "charge_H": settings.charge_H,
            "gamma": settings.gamma,
            "bond_length": settings.bond_length,
            "bond_constant": settings.bond_constant * KILOJOULE_PER_MOLE,
            "bond_anharmonicity": settings.bond_anharmonicity,
            "angle": math.radians(settings.angle),
            "angle_constant": settings.angle_constant * KILOJOULE_PER_MOLE,
        }
        pairs = LennardJones.from_settings(settings, elements)
        if settings.electrostatics == "ewald":
            along_a, along_b, along_c = settings.reciprocal_vectors
            coulomb = Ewald(settings.cutoff, settings.alpha, (along_a, along_b, along_c))
        else:
            coulomb = DampedShiftedForce(settings.cutoff, settings.alpha)
        oxygen = [element.symbol for element in elements].index("O")
        return cls(pairs, coulomb, oxygen, tuple(start.items()), tuple(settings.parameters))

    def initial_parameters(self, key: jax.Array) -> dict[str, Any]:
        """The parameters that the configuration gives; nothing is random."""
        values = {name: jnp.asarray(value) for name, value in self.start}
        values |= self.lennard_jones.initial_parameters(key)["trainable"]
        return {
            "trainable": {name: value for name, value in values.items() if name in self.trainable},
            "constants": {name: value for name, value in values.items() if name not in self.trainable},
        }

    def energy(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Potential energy, eV, or NaN if the atoms do not form molecules; arguments as for any potential."""
        numbers = _all(parameters)
        geometry = positions, cell, neighbours
        molecules = self._molecules(species, *geometry)
        pairs = {name: numbers[name] for name in ("sigma", "epsilon")}
        energy = sum_over_pairs(self.lennard_jones.pair_energy, pairs, molecules.counted, *geometry)
        if self.lennard_jones.tail_correction:
            energy += self.lennard_jones.tail(pairs, jnp.sum(molecules.counted), cell)
        to_site = 0.5 * (1.0 - numbers["gamma"]) * (molecules.first + molecules.second)
        sites = positions + (molecules.counted[None] * to_site).T
        charges = self._charges(numbers, species)
        energy += self.electrostatics.energy(charges, sites, cell, neighbours)
        return energy + molecules.sum(_within(numbers, molecules, to_site))

    def dipole(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """Total dipole [3] in e Å, defined modulo the effective charges times the cell vectors."""
        return self.atomic_charges(parameters, species, positions.dtype) @ positions

    def learned_dipole(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """The addition to the dipole of the charges, which is zero."""
        return jnp.zeros(3, positions.dtype)

    def dipole_derivative(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        velocities: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """dM/dt [3] in e Å/fs along velocities [N, 3] in Å/fs."""
        return self.atomic_charges(parameters, species, positions.dtype) @ velocities

    def atomic_dipole_derivatives(
        self,
        parameters: Mapping[str, Any],
        species: jax.Array,
        positions: jax.Array,
        velocities: jax.Array,
        cell: jax.Array,
        neighbours: NeighbourList,
    ) -> jax.Array:
        """The contribution of each atom to `dipole_derivative` [N, 3], e Å/fs."""
        return self.atomic_charges(parameters, species, positions.dtype)[:, None] * velocities

    def atomic_charges(
        self, parameters: Mapping[str, Any], species: jax.Array, dtype: jnp.dtype
    ) -> jax.Array:
        """γ q_H for hydrogens and minus twice that for oxygens [N], e: M shares its charge with its molecule."""
        numbers = _all(parameters)
        return (numbers["gamma"] * self._charges(numbers, species)).astype(dtype)

    def _charges(self, numbers: Mapping[str, jax.Array], species: jax.Array) -> jax.Array:
        """Charges of the sites [N], e; zero for padding."""
        of_hydrogen = numbers["charge_H"]
        charges = jnp.where(species == self.oxygen, -2.0 * of_hydrogen, of_hydrogen)
        return jnp.where(species >= 0, charges, 0.0)

    def _molecules(
        self, species: jax.Array, positions: jax.Array, cell: jax.Array, neighbours: NeighbourList
    ) -> Molecules:
        vectors = displacements(positions, cell, neighbours)
        is_oxygen, is_hydrogen = species == self.oxygen, species == 1 - self.oxygen
        near = is_hydrogen[neighbours.indices] & neighbours.filled
        squared = jnp.where(near, jax.lax.stop_gradient(dot(vectors, vectors)), jnp.inf)
        nearest = jnp.argmin(squared, axis=1)[:, None]
        other = jnp.where(jnp.arange(squared.shape[1])[None] == nearest, jnp.inf, squared)
        places = [nearest, jnp.argmin(other, axis=1)[:, None]]
        bonds, owned = [], jnp.zeros(species.shape, jnp.int32)
        for place, unused in zip(places, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), strict=True):
            index = jnp.take_along_axis(neighbours.indices, place, axis=1)[:, 0]
            shift = jnp.take_along_axis(neighbours.shifts, place[None], axis=2)[..., 0]
            bond = (positions[index] - positions).T + to_cartesian(shift.astype(cell.dtype), cell)
            bonds.append(jnp.where(is_oxygen[None], bond, jnp.asarray(unused, cell.dtype)[:, None]))
            owned = owned.at[index].add(is_oxygen.astype(jnp.int32))
        farther = jnp.take_along_axis(squared, places[1], axis=1)[:, 0]
        is_near = jnp.where(is_oxygen, farther < LONGEST_BOND**2, True)
        is_water = jnp.all((owned == 1) == is_hydrogen) & jnp.all(is_near)
        fault = jnp.where(is_water, 0.0, jnp.nan).astype(cell.dtype)
        return Molecules(is_oxygen.astype(cell.dtype), *bonds, fault)


def _within(numbers: Mapping[str, jax.Array], molecules: Molecules, to_site: jax.Array) -> jax.Array:
    """Energy of bonds and angle of each molecule minus the Coulomb energy of its charges [N], eV."""
    first, second = molecules.first, molecules.second
    across = lengths(jnp.cross(first, second, axis=0))
    bend = jnp.arctan2(across, dot(first, second)) - numbers["angle"]
    energy = 0.5 * numbers["angle_constant"] * bend**2
    anharmonicity = numbers["bond_anharmonicity"]
    inverse = -1.0 / (2.0 * lengths(first - second))
    for bond in (first, second):
        stretch = lengths(bond) - numbers["bond_length"]
        reduced = anharmonicity * stretch
        energy += 0.5 * numbers["bond_constant"] * stretch**2 * (1.0 - reduced + 7.0 / 12.0 * reduced**2)
        inverse += 1.0 / lengths(bond - to_site)
    return energy + 2.0 * COULOMB * numbers["charge_H"] ** 2 * inverse


def _all(parameters: Mapping[str, Any]) -> dict[str, jax.Array]:
    """All parameters by name, refined or not."""
    return {**parameters["constants"], **parameters["trainable"]}


SURFACE = FlexibleWater
