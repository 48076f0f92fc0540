"""Settings of the labelling of frames by an electronic-structure program."""

from typing import Any, Literal

from pydantic import Field, model_validator

from dynrefine.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, Section


class CP2KSettings(Section):
    functional: Literal["revPBE", "PBE", "BLYP"] = Field(
        "revPBE", description="Exchange-correlation functional."
    )
    dispersion: Literal["D3", "none"] = Field(
        "D3", description="Dispersion correction (D3: Grimme's pair potential, cutoff 15 Å)."
    )
    basis: str = Field("TZV2P-GTH", description="Gaussian basis set, by its name in CP2K's files.")
    potential: str = Field(
        "GTH-PBE",
        description="Family of pseudopotentials, by its name in CP2K's files; default with BLYP: GTH-BLYP.",
    )
    cutoff: PositiveFloat = Field(1000.0, description="Plane-wave cutoff of the density grid, Ry.")
    relative_cutoff: PositiveFloat = Field(
        50.0, description="Cutoff of the grid onto which a Gaussian of exponent 1 is mapped, Ry."
    )
    eps_scf: PositiveFloat = Field(
        1e-6, description="Largest deviation of the density matrix at convergence, pure number."
    )
    max_scf: PositiveInt = Field(100, description="Largest number of self-consistency steps.")
    first_cutoff: NonNegativeFloat = Field(
        300.0, description="Cutoff of a first, cheap self-consistency cycle on a coarser grid, Ry; 0: none."
    )
    wannier_centres: bool = Field(
        False,
        description="Also label the dipole around each atom: minus twice the summed displacements of its Wannier "
        "centres. Each centre belongs to the nearest atom that is not hydrogen.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_functional(cls, values: Any) -> Any:
        """CP2K has pseudopotentials made with BLYP; revPBE uses those made with PBE."""
        if isinstance(values, dict) and values.get("functional") == "BLYP":
            return {"potential": "GTH-BLYP", **values}
        return values


class BatchSettings(Section):
    engine: Literal["cp2k"] = Field("cp2k", description="Program that computes energies, forces and dipoles.")
    batches: int = Field(4, ge=1, le=1000, description="Number of jobs that share the geometries.")
    settings: CP2KSettings = Field(CP2KSettings(), description="The electronic-structure method.")


class LabellingSettings(BatchSettings):
    geometries: str | None = Field(
        None, description="Extended XYZ file of geometries to label; null: nothing to label."
    )
    command: str = Field(
        "cp2k.psmp",
        description="Shell command that starts the program, with its launcher if any; changing it re-runs nothing.",
    )
