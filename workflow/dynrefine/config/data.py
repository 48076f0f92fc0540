"""Settings of the campaign itself, the elements and the data set."""

import hashlib
from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlparse

from ase.data import atomic_numbers
from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from dynrefine.config.base import Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Section
from dynrefine.datasets.isotopes import element_of


class CampaignSettings(Section):
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="Name of the campaign (letters, digits, '_', '-', '.'); its files are in results/<name>.",
        examples=["water16"],
    )
    seed: int = Field(
        1,
        ge=0,
        description="Seed from which the seeds of all jobs are derived; the same seed gives the same bits.",
    )


class Element(Section):
    symbol: str = Field(pattern=r"^[A-Z][a-z]?$", description="Chemical symbol.", examples=["O"])
    mass: PositiveFloat = Field(description="Atomic mass, u.", examples=[15.999])
    charge: int = Field(
        description="Formal charge, e: the fixed part of the dipole. The charges of a molecule add up to its total "
        "charge.",
        examples=[-2],
    )

    @property
    def number(self) -> int:
        """The atomic number; isotopes of hydrogen have that of hydrogen."""
        return atomic_numbers[element_of(self.symbol)]


WATER = (Element(symbol="O", mass=15.999, charge=-2), Element(symbol="H", mass=1.008, charge=1))


class Fractions(Section):
    train: Fraction = Field(0.8, description="Fraction of the frames that the surfaces are fitted to.")
    validation: Fraction = Field(
        0.1, description="Fraction of the frames that decides when the training stops early."
    )
    test: Fraction = Field(0.1, description="Fraction of the frames held out to test the result.")


class LabelUnits(Section):
    """Units in a file of frames; null: those of ASE and DeePMD."""

    positions: str | None = Field(
        None, description="Unit of positions and cells: angstrom, nm or bohr; null: angstrom."
    )
    energy: str | None = Field(
        None,
        description="Unit of energies: eV, hartree, Ry, kJ/mol or kcal/mol, with /atom if they are per atom; null: "
        "eV.",
    )
    forces: str | None = Field(
        None,
        description="Unit of forces: eV/angstrom, hartree/bohr, kJ/mol/nm or any other energy over a length, with a "
        "minus in front if the file holds gradients; null: eV/angstrom.",
    )
    stress: str | None = Field(
        None,
        description="Unit of stresses: eV/angstrom^3, GPa, kbar, bar or hartree/bohr^3, with a minus in front if "
        "pressure is positive; null: eV/angstrom^3.",
    )
    virial: str | None = Field(
        None,
        description="Unit of virials (minus stress times volume): eV or another energy; null: eV.",
    )
    dipole: str | None = Field(
        None, description="Unit of dipoles: e angstrom, debye or e bohr; null: e angstrom."
    )
    polarizability: str | None = Field(
        None, description="Unit of polarizabilities: angstrom^3 or bohr^3; null: angstrom^3."
    )


StressOrder = Literal[
    "xx yy zz yz xz xy", "xx yy zz xy yz xz", "xx yy zz xy xz yz", "xx xy xz yy yz zz", "xx xy yy xz yz zz"
]


class LabelConventions(Section):
    """Names and meanings of the labels of frames; what a file states takes precedence over the data set."""

    units: LabelUnits = Field(
        LabelUnits(), description="Units of the labels, where they are not those of ASE."
    )
    energy_key: str | None = Field(None, description="Name of the energies in the file; null: energy.")
    forces_key: str | None = Field(None, description="Name of the forces in the file; null: forces.")
    stress_key: str | None = Field(None, description="Name of the stresses in the file; null: stress.")
    virial_key: str | None = Field(None, description="Name of the virials in the file; null: virial.")
    dipole_key: str | None = Field(None, description="Name of the dipoles in the file; null: dipole.")
    stress_order: StressOrder | None = Field(
        None,
        description="Order of stresses or virials given as six numbers; null: that of ASE, xx yy zz yz xz xy.",
    )
    dipole: Literal["total", "wannier", "molecular"] | None = Field(
        None,
        description="Meaning of the dipoles. total: of the cell; wannier: the sum of the displacements of the "
        "Wannier centres from their atoms, for the cell or for each atom, to which the formal charges of the "
        "elements are added; molecular: those of neutral molecules, each given for one of its atoms; null: total.",
    )
    atoms: str | None = Field(
        None,
        description="Symbols of the atoms of a DeePMD folder in order, as a formula such as O64H128; null: taken "
        "from its types.",
    )
    symbols: dict[str, str] = Field(
        {},
        description="Chemical symbols by atom label in the file, such as {OW: O}. In a DeePMD folder without "
        "type_map.raw the label is the number of the type.",
        examples=[{}],
    )


Checksum = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
FileInFolder = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]


class ModelFile(Section):
    path: str = Field("", description="Path of an exported potential, or of a surface from another campaign.")
    url: str | None = Field(
        None, description="Address of the file, or path of a copy; null if the file is already there."
    )
    sha256: Checksum | None = Field(
        None, description="SHA-256 of the file, 64 hexadecimal digits; required for a download."
    )

    @model_validator(mode="before")
    @classmethod
    def _name_after_url(cls, values: Any) -> Any:
        return _with_path(values)


class FrameFile(LabelConventions):
    path: str = Field("", description="Path of an extended XYZ file or a DeePMD folder of labelled frames.")
    url: str | None = Field(
        None,
        description="Address of the file or DeePMD folder, or path of a copy; null if it is already there.",
    )
    sha256: Checksum | dict[FileInFolder, Checksum] | None = Field(
        None,
        description="SHA-256 of the downloaded file, 64 hexadecimal digits; for a folder that of each file, by its "
        "path in the folder.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_after_url(cls, values: Any) -> Any:
        return _with_path(values)


def _with_path(file: Any) -> Any:
    """A file with the path of its download, which is named after its address if that ends in a name."""
    if isinstance(file, dict) and isinstance(file.get("url"), str) and not file.get("path"):
        name = PurePosixPath(urlparse(file["url"]).path).name
        return {**file, "path": f"resources/{name}"} if name else file
    return file


def _digest_of(checksum: Any) -> str:
    """The checksum of a file, or a digest of those of a folder's files."""
    if not isinstance(checksum, dict):
        return str(checksum or "")
    return hashlib.sha256(repr(sorted(checksum.items())).encode()).hexdigest()


def _is_download(file: Any) -> bool:
    return isinstance(file, dict) and isinstance(file.get("url"), str) and isinstance(file.get("path"), str)


def _path_alone(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class _OrPathAlone:
    """Tells editors that a path alone is enough."""

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core)]}


DataFile = Annotated[FrameFile, BeforeValidator(_path_alone), _OrPathAlone()]
GivenModel = Annotated[ModelFile, BeforeValidator(_path_alone), _OrPathAlone()]


class _FramesAndLimits(Section):
    files: list[DataFile] = Field(
        description="Labelled frames in extended XYZ files or DeePMD folders: paths, or {url, sha256} for downloads.",
        examples=[["workflow/data/water16/frames.extxyz"]],
    )
    block_length: PositiveInt = Field(
        5,
        description="Number of consecutive frames that stay together when the data are split, since they are alike.",
    )
    fractions: Fractions = Field(Fractions(), description="How the frames are split; the three add up to 1.")
    force_limit: PositiveFloat = Field(
        30.0, description="Frames with a larger force on any atom are left out, eV/Å."
    )
    minimum_distance: NonNegativeFloat = Field(
        0.6, description="Frames with two atoms closer than this are left out, Å."
    )
    energy_limit: PositiveFloat = Field(
        8.0,
        description="Frames whose energy is farther than this from the median of their series are left out, robust "
        "standard deviations.",
    )
    net_force_limit: PositiveFloat = Field(
        0.1,
        description="Frames are left out if a component of their net force, over the square root of the number of "
        "atoms, is larger than this, eV/Å.",
    )


class FramesSettings(LabelConventions, _FramesAndLimits):
    """The frames, the limits that leave some out, and the meaning of their labels."""

    @model_validator(mode="before")
    @classmethod
    def _tell_downloads_apart(cls, values: Any) -> Any:
        """Add a part of the checksum to the paths of downloads with the same name."""
        if not isinstance(values, dict) or not isinstance(values.get("files"), list):
            return values
        files = [_with_path(file) for file in values["files"]]
        paths = Counter(file["path"] for file in files if _is_download(file))
        for index, (file, given) in enumerate(zip(files, values["files"], strict=True)):
            if _is_download(file) and paths[file["path"]] > 1 and not given.get("path"):
                name = PurePosixPath(file["path"])
                suffix = _digest_of(file.get("sha256"))[:8]
                files[index] = {**file, "path": str(name.with_name(f"{name.stem}-{suffix}{name.suffix}"))}
        return {**values, "files": files}

    def conventions_of(self, file: FrameFile) -> dict[str, Any]:
        """What is stated about the labels of a file, for it alone or for all files."""
        keys = ("energy", "forces", "stress", "virial", "dipole")
        units = {name: getattr(file.units, name) or value for name, value in self.units}
        named = {key: getattr(file, f"{key}_key") or getattr(self, f"{key}_key") for key in keys}
        return {
            "units": {name: unit for name, unit in units.items() if unit is not None},
            "keys": {key: name for key, name in named.items() if name is not None},
            "stress_order": file.stress_order or self.stress_order or get_args(StressOrder)[0],
            "wannier": (file.dipole or self.dipole) == "wannier",
            "molecular": (file.dipole or self.dipole) == "molecular",
            "atoms": file.atoms or self.atoms,
            "symbols": self.symbols | file.symbols,
        }


class DatasetSettings(FramesSettings):
    level: str | None = Field(
        None,
        description="Level of theory of the labels, such as a functional with its dispersion correction; used in the "
        "report only.",
    )
