"""Starting points at constant pressure, each in its own cell, by chains of Langevin dynamics with a barostat."""

from dynrefine.config.steps import SampleEnsemble
from dynrefine.dynamics.barostat import Barostat
from dynrefine.files.ensembles import Ensemble
from dynrefine.files.models import Model
from dynrefine.sampling import canonical
from dynrefine.sampling.initial_configurations import Configurations


def sample_ensemble(
    potential: Model, starts: Configurations, settings: SampleEnsemble, seed: int
) -> Ensemble:
    """Sample starting points at the pressure of the state; arguments and errors as for `canonical`."""
    pressure, held = settings.state.pressure, settings.ensemble.barostat
    if pressure is None:
        raise ValueError("the isobaric sampler needs the pressure of the state")
    barostat = Barostat(pressure, held.compressibility, 1e3 * held.relaxation)
    return canonical.sample_ensemble(potential, starts, settings, seed, barostat)


SAMPLER = sample_ensemble
