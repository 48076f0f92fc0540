"""Files of parity data: labels of the frames beside what a trained surface predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays


@dataclass(frozen=True)
class Parity:
    """Labels of one quantity in one part of the data set, and their predictions.

    Attributes:
        quantity: "energies", "forces", "dipoles" ...
        unit: of the values.
        labelled: [values].
        predicted: [values].
    """

    quantity: str
    unit: str
    labelled: np.ndarray
    predicted: np.ndarray


def save_parity(path: str | Path, parts: Mapping[str, Sequence[Parity]]) -> None:
    """Write parity data by part of the data set; arrays have names like "forces/test/predicted"."""
    arrays, units, index = {}, {}, []
    for part, quantities in parts.items():
        for pair in quantities:
            own = {"labelled": pair.labelled, "predicted": pair.predicted}
            arrays |= {f"{pair.quantity}/{part}/{kind}": values for kind, values in own.items()}
            units |= {f"{pair.quantity}/{part}/{kind}": pair.unit for kind in own}
            index.append({"part": part, "quantity": pair.quantity, "unit": pair.unit})
    write_arrays(path, "parity", ArrayFile(arrays, units, {"pairs": index}))


def load_parity(path: str | Path) -> dict[str, list[Parity]]:
    """Read parity data by part of the data set.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "parity")
    parts: dict[str, list[Parity]] = {}
    for told in content.metadata["pairs"]:
        own = content.group(f"{told['quantity']}/{told['part']}")
        parts.setdefault(told["part"], []).append(Parity(told["quantity"], told["unit"], **own))
    return parts
