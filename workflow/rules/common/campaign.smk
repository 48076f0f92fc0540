# What a campaign consists of: states, chunks, iterations, properties and files from elsewhere.

import re

STATES, JUDGED_STATES = campaign.states_by_label(), campaign.judged_states()
ALL_STATES = campaign.all_states()
BATCHES = [
    f"{batch:03d}"
    for batch in range(
        campaign.labelling.batches if campaign.labelling.geometries else 0
    )
]
CHUNKS = [f"{chunk:02d}" for chunk in range(campaign.ensemble.chunks)]
VALIDATION_CHUNKS = [f"{chunk:02d}" for chunk in range(campaign.validation.chunks)]
ITERATIONS = [f"{iteration:03d}" for iteration in range(campaign.optimiser.iterations)]
FIRST_STATE = next(iter(STATES.values()))
STAGES = ["initial", "refined"]
# The campaign as simulated, with its potential joined to the surfaces that are refined with it.
STUDENT, REFINED = campaign.joined(), campaign.refined_surfaces()
TEACHER = campaign.of_teacher() if campaign.teacher else campaign
DISPLACEMENTS = campaign.gradient.check.total_derivative
DISPLACED = {
    f"displaced_{side}_{parameter}": {parameter: sign * amount}
    for parameter, amount in DISPLACEMENTS.items()
    for side, sign in (("above", 1.0), ("below", -1.0))
}
OBSERVABLES = campaign.objective.observables.chosen()
ALL_PROPERTIES = campaign.all_properties()
DOWNLOADS = campaign.downloads()
DOWNLOADED_FILES, DOWNLOADED_FOLDERS = (
    [
        path
        for path, file in DOWNLOADS.items()
        if isinstance(file.sha256, dict) == folder
    ]
    for folder in (False, True)
)
TARGET_FILES, ALL_TARGET_FILES = (
    [
        *(
            path
            for settings in properties.values()
            for path in settings.target_files.values()
        ),
        *(
            campaign.synthetic_targets[f"{name}_{state}"]
            for name, settings in properties.items()
            for state in states
            if settings.synthetic
        ),
    ]
    for properties, states in (
        (OBSERVABLES, STATES),
        (ALL_PROPERTIES, JUDGED_STATES),
    )
)


def needed(kind, properties):
    """The quantities that properties need, "along" trajectories or "at_start"."""
    return sorted(
        {name for settings in properties.values() for name in getattr(settings, kind)}
    )


def any_of(paths):
    """A regular expression that matches the names of these files in resources, or nothing if there are none."""
    names = [re.escape(path.removeprefix("resources/")) for path in paths]
    return "|".join(names) or "(?!)"


def with_dataset(path):
    """A file that only campaigns with ab initio frames have."""
    return path if campaign.dataset else []


ALONG, AT_START = needed("along", OBSERVABLES), needed("at_start", OBSERVABLES)
VALIDATED_ALONG, VALIDATED_AT_START = (
    needed(kind, ALL_PROPERTIES) for kind in ("along", "at_start")
)
