"""The file of an exported potential: surfaces with their parameters, elements, units, provenance and a program."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jax import export

from dynrefine.campaign.provenance import library_versions
from dynrefine.errors import CampaignError
from dynrefine.export.program import ARGUMENTS, PLATFORMS, RESULTS, serialized
from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays
from dynrefine.files.models import EXPORTED, Model, content_of

logger = logging.getLogger(__name__)


def write_exported(path: str | Path, surfaces: Mapping[str, Model]) -> None:
    """Write one file for users of a potential.

    Arguments:
        path: the file to write (.npz).
        surfaces: the potential, and any other surfaces ("dipole"), by name.
    """
    potential = surfaces["potential"]
    contents = {name: content_of(model) for name, model in surfaces.items()}
    arrays = {f"{name}/{key}": array for name, own in contents.items() for key, array in own.arrays.items()}
    units = {f"{name}/{key}": unit for name, own in contents.items() for key, unit in own.units.items()}
    metadata = {
        "elements": _elements(potential),
        "surfaces": {name: own.metadata for name, own in contents.items()},
        "versions": library_versions(),
    }
    try:
        arrays["program"] = np.frombuffer(serialized(potential), np.uint8)
    except CampaignError as error:
        logger.warning("%s holds no program: %s", path, error)
    else:
        units["program"] = "bytes"
        metadata["program"] = {
            "format": "jax.export, StableHLO",
            "platforms": PLATFORMS,
            "precision": np.dtype(potential.dtype).name,
            "cutoff_angstrom": potential.architecture.cutoff,
            "arguments": ARGUMENTS,
            "results": RESULTS,
        }
    write_arrays(path, EXPORTED, ArrayFile(arrays, units, metadata))


def read_program(path: str | Path) -> export.Exported:
    """The program in an exported file.

    Raises:
        CampaignError: the file is unreadable, not an exported potential, or holds no program.
    """
    arrays = read_arrays(path, EXPORTED).arrays
    if "program" not in arrays:
        raise CampaignError(
            f"{path} holds no program, because the code of its potential needs to know the number of atoms: export "
            "one that does not, or use the ASE calculator."
        )
    return export.deserialize(bytearray(arrays["program"].tobytes()))


def energy_offsets(potential: Model) -> np.ndarray:
    """The energy of each element, eV, that the training subtracted from the labels; zero where there was none."""
    return np.asarray(
        potential.metadata.get("energy_offsets_eV") or [0.0] * len(potential.settings["elements"])
    )


def _elements(potential: Model) -> list[dict[str, Any]]:
    """What the file says about the elements, in the order of the species."""
    return [
        {**element, "energy_offset_eV": float(offset)}
        for element, offset in zip(potential.settings["elements"], energy_offsets(potential), strict=True)
    ]
