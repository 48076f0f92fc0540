"""Files of sensitivities: how the statistics of starting points change with named parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays


@dataclass(frozen=True)
class Sensitivities:
    """Sensitivities of the starting points of a chunk.

    Attributes:
        parameters: names of the parameters.
        energy_slopes: ∂U/∂θ [S, P], eV per unit of the parameter.
        statistics: of each property [S, *C], by its name.
        changes: ∂c/∂θ of these statistics from fixed starting points [S, P, *C], by the name of the property.
    """

    parameters: tuple[str, ...]
    energy_slopes: np.ndarray
    statistics: dict[str, np.ndarray]
    changes: dict[str, np.ndarray]

    @classmethod
    def joined(cls, chunks: Sequence["Sensitivities"]) -> "Sensitivities":
        """Sensitivities of all starting points of a state."""

        def together(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
            return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

        return cls(
            chunks[0].parameters,
            np.concatenate([chunk.energy_slopes for chunk in chunks]),
            together([chunk.statistics for chunk in chunks]),
            together([chunk.changes for chunk in chunks]),
        )


def save_sensitivities(path: str | Path, sensitivities: Sensitivities) -> None:
    """Write a file of sensitivities."""
    arrays = {"energy_slopes": sensitivities.energy_slopes}
    for kind in ("statistics", "changes"):
        arrays |= {f"{kind}/{name}": array for name, array in getattr(sensitivities, kind).items()}
    units = dict.fromkeys(arrays, "of the property's statistic, per unit of the parameter")
    metadata = {"parameters": list(sensitivities.parameters)}
    write_arrays(path, "sensitivities", ArrayFile(arrays, units | {"energy_slopes": "eV"}, metadata))


def load_sensitivities(path: str | Path) -> Sensitivities:
    """Read a file of sensitivities.

    Raises:
        CampaignError: the file is unreadable or of another kind.
    """
    content = read_arrays(path, "sensitivities")
    return Sensitivities(
        tuple(content.metadata["parameters"]),
        content.arrays["energy_slopes"],
        content.group("statistics"),
        content.group("changes"),
    )
