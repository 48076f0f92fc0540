"""Enthalpy of vaporisation of a liquid of single atoms."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float

from dynrefine.config.properties.thermodynamics import VaporisationEnthalpySettings
from dynrefine.files.trajectories import Observed
from dynrefine.properties.base import Conditions, relative_loss
from dynrefine.units import BOLTZMANN, KILOJOULE_PER_MOLE


@dataclass(frozen=True, eq=False)
class VaporisationEnthalpy:
    """ΔH = U_gas - <U>/N + kT, for an ideal vapour and a liquid of negligible volume.

    Attributes:
        abscissa: temperature, K.
        target: measured enthalpy, kJ/mol.
        atoms: in the cell.
        gas: U_gas + kT of an atom, eV.
        scale: relative difference that counts as a loss of one.
    """

    abscissa: Float[np.ndarray, " 1"]
    target: Float[np.ndarray, " 1"]
    atoms: int
    gas: float
    scale: float

    along = ()
    at_start = ("potential_energy",)
    quantities = (("temperature", "K"), ("enthalpy of vaporisation", "kJ/mol"))

    @classmethod
    def from_settings(
        cls, settings: VaporisationEnthalpySettings, measured: np.ndarray | None, conditions: Conditions
    ) -> "VaporisationEnthalpy":
        """The observable that the configuration section describes."""
        return cls(
            np.array([conditions.temperature]),
            settings.measured,
            conditions.atoms,
            settings.gas_energy + BOLTZMANN * conditions.temperature,
            settings.scale,
        )

    def statistic(self, observed: Observed) -> Float[Array, "*leading"]:
        """U of the starting points, eV."""
        return observed.at_start["potential_energy"]

    def predict(self, mean: Float[Array, "*leading"]) -> Float[Array, "*leading 1"]:
        """ΔH in kJ/mol."""
        return (self.gas - mean[..., None] / self.atoms) / KILOJOULE_PER_MOLE

    def loss(self, mean: Float[Array, ""]) -> Float[Array, ""]:
        """The squared relative difference from the target in units of the scale."""
        return relative_loss(self.predict(mean), self.target, self.scale)


PROPERTY = VaporisationEnthalpy
