"""Measured properties that a potential is refined against: one file each, one line in the registry.

An observable is a frozen dataclass that says which series of a trajectory and which statics of its starting point it
needs (`series`, `statics`), what it averages over replicas (`statistic`), how the property follows from the average
(`predict`) and how far that is from the measurement (`loss`). Gradients and error bars follow from these alone.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dynrefine.observables.base import Conditions, Observable
from dynrefine.observables.diffusion import SelfDiffusion
from dynrefine.observables.infrared import Infrared
from dynrefine.observables.pressure import Pressure

OBSERVABLES = {
    "infrared": Infrared,
    "diffusion": SelfDiffusion,
    "pressure": Pressure,
}


def create_observables(
    settings: Mapping[str, Mapping[str, Any]],
    targets: Mapping[str, np.ndarray | None],
    conditions: Conditions,
) -> dict[str, Observable]:
    """The observables of a state, by name.

    Arguments:
        settings: configuration section `objective.observables`.
        targets: the measured property of each, as its file's columns [rows, columns]; none where the
            settings hold it.
        conditions: of the state.
    """
    return {
        name: OBSERVABLES[name].from_settings(chosen, targets[name], conditions)
        for name, chosen in settings.items()
    }
