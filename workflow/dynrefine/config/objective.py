"""Settings of the objective."""

from pydantic import Field

from dynrefine.config.base import NonNegativeFloat, Section
from dynrefine.config.properties import Observables


class AnchorSettings(Section):
    weight: NonNegativeFloat = Field(
        10.0, description="Weight of the errors on the training frames in the objective, pure number."
    )
    energy_weight: NonNegativeFloat = Field(1.0, description="Weight of the energies per atom, (eV/atom)⁻².")
    force_weight: NonNegativeFloat = Field(1.0, description="Weight of the forces, (eV/Å)⁻².")


class TargetsSettings(Section):
    observables: Observables = Field(description="The measured properties the potential is refined against.")


class ObjectiveSettings(TargetsSettings):
    anchor: AnchorSettings = Field(
        AnchorSettings(), description="The term that ties the potential to its ab initio data."
    )
