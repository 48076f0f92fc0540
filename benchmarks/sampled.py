"""What the samplers of campaigns make of frames."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from dynrefine.config.dynamics import ReusedSettings, State
from dynrefine.config.steps import SampleEnsemble
from dynrefine.config.surfaces.joined import settings_in_file
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.registry import plug_in
from dynrefine.sampling.initial_configurations import Configurations


def sampling_settings(model: Model, state: State, ensemble: ReusedSettings) -> SampleEnsemble:
    """Of chains at a potential."""
    potential, elements = settings_in_file(model.settings)
    return SampleEnsemble(potential=potential, elements=elements, state=state, ensemble=ensemble)


def sampled(model: Model, frames: Sequence[Atoms], settings: SampleEnsemble, seed: int) -> Ensemble:
    """Chains at a potential, one from each of these frames, which are of the same atoms."""
    symbols = [element.symbol for element in settings.elements]
    starts = Configurations(
        np.array([symbols.index(symbol) for symbol in frames[0].symbols]),
        np.stack([frame.cell.array for frame in frames]),
        np.stack([frame.positions for frame in frames]),
    )
    return plug_in("sampling", settings.ensemble.kind).SAMPLER(model, starts, settings, seed)
