"""Properties with their derivatives, from the files of the validation."""

from collections.abc import Sequence

from dynrefine.campaign.job import Job
from dynrefine.config.steps import EstimateCovariance
from dynrefine.files.chunks import read_by_state
from dynrefine.files.ensembles import Ensemble, load_ensemble
from dynrefine.files.sensitivities import Sensitivities, load_sensitivities
from dynrefine.refinement.covariance import Property
from dynrefine.refinement.sensitivities import derivatives
from dynrefine.refinement.validation import judged_properties
from dynrefine.statistics import numbered_through


def determined_properties(job: Job, settings: EstimateCovariance) -> list[Property]:
    """All properties of all states, from the sensitivities of their chunks."""
    chunks = read_by_state(load_sensitivities, job.inputs.sensitivities, settings.states)
    ensembles = read_by_state(load_ensemble, job.inputs.ensembles, settings.states)
    return [
        each
        for label, parts in chunks.items()
        for each in _of_state(settings, label, ensembles[label], Sensitivities.joined(parts))
    ]


def _of_state(
    settings: EstimateCovariance, label: str, starts: Sequence[Ensemble], sensitivities: Sensitivities
) -> list[Property]:
    state, seen = settings.states[label], label in settings.fitted_states
    judged = judged_properties(settings, state, starts, seen)
    chains = numbered_through([chunk.chains for chunk in starts])
    return [
        Property(
            each.name,
            label,
            each.observable.quantities,
            each.observable.abscissa,
            each.observable.target,
            each.target_error,
            each.fitted,
            derivatives(each.observable, sensitivities, each.name, state.temperature, chains),
        )
        for each in judged
    ]
