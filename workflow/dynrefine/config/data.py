"""Settings of the campaign itself, the elements, the data set and its labelling."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlparse

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from dynrefine.config.base import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Section


class CampaignSettings(Section):
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Name of the campaign (letters, digits, '_', '-', '.'): its files lie in results/<name>.",
        examples=["water16"],
    )
    seed: int = Field(
        1,
        ge=0,
        description="Seed from which the seeds of all jobs are derived; the same seed, the same bits.",
    )


class Element(Section):
    symbol: str = Field(pattern=r"^[A-Z][a-z]?$", description="Chemical symbol.", examples=["O"])
    mass: PositiveFloat = Field(description="Atomic mass, u.", examples=[15.999])
    charge: int = Field(
        description="Formal charge, e: the fixed part of the dipole; a molecule's add up to its own.",
        examples=[-2],
    )


WATER = (Element(symbol="O", mass=15.999, charge=-2), Element(symbol="H", mass=1.008, charge=1))


class Fractions(Section):
    train: Fraction = Field(0.8, description="Part of the frames the surfaces are fitted to.")
    validation: Fraction = Field(0.1, description="Part of the frames that ends the training early.")
    test: Fraction = Field(0.1, description="Part of the frames that only judges the result.")


class FrameFile(Section):
    path: str = Field("", description="Path of an extended XYZ file or a DeePMD folder of labelled frames.")
    url: str | None = Field(
        None, description="Address the file is downloaded from; null for a file already there."
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the downloaded file, 64 hexadecimal digits."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_after_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("url") and not values.get("path"):
            return {**values, "path": f"resources/{PurePosixPath(urlparse(values['url']).path).name}"}
        return values


def _path_alone(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


DataFile = Annotated[
    FrameFile,
    BeforeValidator(_path_alone),
    WithJsonSchema({"anyOf": [{"type": "string"}, FrameFile.model_json_schema()]}),
]


class DatasetSettings(Section):
    files: list[DataFile] = Field(
        description="Labelled frames, extended XYZ or DeePMD folders: paths, or {url, sha256} of downloads.",
        examples=[["workflow/data/water16/frames.extxyz"]],
    )
    block_length: PositiveInt = Field(
        5,
        description="Frames in a row that stay together when the data are split, alike as they are.",
    )
    fractions: Fractions = Field(Fractions(), description="How the frames are split; the three add up to 1.")
    force_limit: PositiveFloat = Field(
        30.0, description="Frames with a larger force on any atom are left out, eV/Å."
    )
    minimum_distance: NonNegativeFloat = Field(
        0.6, description="Frames with two atoms nearer than this are left out, Å."
    )
    energy_limit: PositiveFloat = Field(
        8.0,
        description="Frames with an energy farther from the median are left out, robust standard deviations.",
    )
    net_force_limit: PositiveFloat = Field(
        0.5, description="Frames with a larger component of the net force are left out, eV/Å."
    )


class CP2KSettings(Section):
    functional: Literal["revPBE", "PBE", "BLYP"] = Field(
        "revPBE", description="Exchange-correlation functional."
    )
    dispersion: Literal["D3", "none"] = Field(
        "D3", description="Dispersion correction (D3: Grimme's pair potential, cutoff 15 Å)."
    )
    basis: str = Field("TZV2P-GTH", description="Gaussian basis set, by its name in CP2K's files.")
    potential: str = Field("GTH-PBE", description="Family of pseudopotentials, by its name in CP2K's files.")
    cutoff: PositiveFloat = Field(1000.0, description="Plane-wave cutoff of the density grid, Ry.")
    relative_cutoff: PositiveFloat = Field(
        50.0, description="Cutoff of the grid a Gaussian of exponent 1 is mapped on, Ry."
    )
    eps_scf: PositiveFloat = Field(
        1e-6, description="Largest deviation of the density matrix at convergence, pure number."
    )
    max_scf: PositiveInt = Field(100, description="Most self-consistency steps allowed.")
    first_cutoff: NonNegativeFloat = Field(
        300.0, description="Cutoff of a first, cheap self-consistency on a coarser grid, Ry; 0 for none."
    )


class BatchSettings(Section):
    engine: Literal["cp2k"] = Field("cp2k", description="Program that computes energies, forces and dipoles.")
    batches: int = Field(4, ge=1, le=1000, description="Jobs the geometries are shared out to.")
    settings: CP2KSettings = Field(CP2KSettings(), description="The electronic-structure method.")


class LabellingSettings(BatchSettings):
    geometries: str | None = Field(
        None, description="Extended XYZ file of geometries to label; null where there is nothing to label."
    )
    command: str = Field(
        "cp2k.psmp",
        description="The program as typed in a shell, with its launcher if any; changing it re-runs nothing.",
    )
