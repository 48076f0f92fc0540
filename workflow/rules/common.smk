from dynrefine.provenance import source_hash
from dynrefine.seeds import derived_seed

STATES = campaign.states_by_label()
BATCHES = [
    f"{batch:03d}"
    for batch in range(
        campaign.labelling.batches if campaign.labelling.geometries else 0
    )
]
CHUNKS = [f"{chunk:02d}" for chunk in range(campaign.ensemble.chunks)]
VALIDATION_CHUNKS = [f"{chunk:02d}" for chunk in range(campaign.validation.chunks)]
ITERATIONS = [f"{iteration:03d}" for iteration in range(campaign.optimiser.iterations)]
STAGES = ["initial", "refined"]
DISPLACEMENTS = campaign.gradient.check.total_derivative
OBSERVABLES = campaign.objective.observables.chosen()
FRAME_FILES = campaign.dataset.files if campaign.dataset else []
DOWNLOADS = {file.path: file for file in FRAME_FILES if file.url is not None}
TARGET_FILES = [
    settings.target_file for settings in OBSERVABLES.values() if settings.target_file
]
SERIES = sorted(
    {series for settings in OBSERVABLES.values() for series in settings.series}
)
STATICS = sorted(
    {static for settings in OBSERVABLES.values() for static in settings.statics}
)


def with_dataset(path):
    """A file that only campaigns with ab initio frames have."""
    return path if campaign.dataset else []


FIRST_POTENTIAL = (
    "<results>/pretraining/potential.npz"
    if campaign.potential.trained
    else "<results>/initial_potential.npz"
)
TRAINING_FRAMES = with_dataset("<results>/dataset/train.extxyz")
DIPOLE = "<results>/pretraining/dipole.npz" if "dipole_derivative" in SERIES else []
FORCE_METRIC = (
    "<results>/pretraining/force_metric.npz"
    if campaign.optimiser.name == "natural"
    else []
)
VALIDATION_SERIES = sorted(
    {*SERIES, *(["velocities"] if campaign.validation.diffusion else [])}
)


def section(*names):
    """The sections of the configuration with these names, for the params of a rule."""
    return campaign.model_dump(include=set(names))


# What a rule does not depend on is left out of its params, so that changing it does not run the rule again.
STATE_SETTINGS = {label: state.model_dump() for label, state in STATES.items()}
SURFACES = section("elements", "potential", "dipole")
SAMPLING = {"ensemble": campaign.ensemble.model_dump(exclude={"chunks"})}
GRADIENT = {"gradient": campaign.gradient.model_dump(exclude={"check", "horizon"})}
HORIZON = (
    "<results>/gradient_horizon/horizon.csv"
    if campaign.gradient.depth == "auto"
    else []
)
TOTAL_DERIVATIVE = (
    "<results>/check_gradient/total_derivative.csv" if DISPLACEMENTS else []
)
ROW_SETTINGS = {"parameter_scales", "outlier_limit"}
PILOT = {
    "gradient": campaign.gradient.model_dump(include={"horizon", "reversal_tolerance"}),
    "optimiser": campaign.optimiser.model_dump(include=ROW_SETTINGS),
}
CHECK = {
    "gradient": {
        "check": campaign.gradient.check.model_dump(exclude={"total_derivative"}),
        "reversal_tolerance": campaign.gradient.reversal_tolerance,
    }
}
PROPERTIES = {"objective": campaign.objective.model_dump(exclude={"anchor"})}
OPTIMISER = {
    "optimiser": campaign.optimiser.model_dump(exclude={"iterations", "probes"})
}
LABELLING = {"labelling": campaign.labelling.model_dump(exclude={"command"})}
VALIDATION_SAMPLING = {
    "ensemble": campaign.validation_ensemble().model_dump(exclude={"chunks", "reuse"})
}
VALIDATION_TRAJECTORY = {"trajectory": campaign.validation_trajectory().model_dump()}
VALIDATED = {
    "validation": campaign.validation.model_dump(include={"diffusion", "structure"})
}


def code(script):
    """A hash of what a script computes; comments, docstrings and the wording of errors do not count."""
    return source_hash(f"{workflow.basedir}/workflow/scripts/{script}.py")


def seed(*labels):
    """The seed of a rule that runs once."""
    return derived_seed(campaign.campaign.seed, *labels)


def chunk_seed(purpose):
    """The seed of each chunk of a rule, from its wildcards."""

    def seed_of_chunk(wildcards):
        return derived_seed(campaign.campaign.seed, purpose, *wildcards)

    return seed_of_chunk


def state_settings(wildcards):
    """Temperature, density and supercell of a job's state."""
    return STATE_SETTINGS[wildcards.state]


def growing(amount):
    """A resource that grows with each attempt, so that a retried job gets what the first one lacked."""

    def of_attempt(wildcards, attempt):
        return amount * attempt

    return of_attempt


def before(iteration):
    """The iteration before this one."""
    return f"{int(iteration) - 1:03d}"


def potential_at(iteration):
    """The potential an iteration starts from."""
    if int(iteration) == 0:
        return FIRST_POTENTIAL
    return f"<results>/refinement/{before(iteration)}/updated_potential.npz"


def potential_of(wildcards):
    """The potential of a job: that of its iteration, or of what is simulated as in the validation."""
    if wildcards.get("stage") == "initial":
        return potential_at(0)
    if wildcards.get("stage") == "refined":
        return potential_at(len(ITERATIONS))
    if wildcards.get("stage"):
        return f"<results>/check_gradient/{wildcards.stage}/potential.npz"
    return potential_at(wildcards.iteration)


def start_of_ensemble(wildcards):
    """Where the chains of a chunk begin: in the data set, if any, then where the iteration before ended."""
    if int(wildcards.iteration) == 0:
        return TRAINING_FRAMES
    return f"<results>/refinement/{before(wildcards.iteration)}/{wildcards.state}/ensemble_{wildcards.chunk}.npz"


def former_ensembles(wildcards):
    """All chunks of the state in the iteration before, where they may serve once more."""
    if campaign.ensemble.reuse == 1.0 or int(wildcards.iteration) == 0:
        return []
    folder = f"<results>/refinement/{before(wildcards.iteration)}/{wildcards.state}"
    return [f"{folder}/ensemble_{chunk}.npz" for chunk in CHUNKS]


def former_potentials(wildcards):
    """The potentials of all iterations before, where what they sampled may serve once more."""
    if campaign.ensemble.reuse == 1.0:
        return []
    return [potential_at(iteration) for iteration in range(int(wildcards.iteration))]


def of_iteration_before(name):
    """A file of the iteration before, nothing in the first iteration."""

    def path(wildcards):
        if int(wildcards.iteration) == 0:
            return []
        return f"<results>/refinement/{before(wildcards.iteration)}/{name}"

    return path


def chunks_of_iteration(kind):
    """The files of this kind of all states and chunks of an iteration."""
    return expand(
        "<results>/refinement/{iteration}/{state}/{kind}_{chunk}.npz",
        state=STATES,
        kind=kind,
        chunk=CHUNKS,
        allow_missing=True,
    )


def chunks_of_stage(kind):
    """The files of this kind of all states and chunks of a stage of the validation."""
    return expand(
        "<results>/validation/{stage}/{state}/{kind}_{chunk}.npz",
        state=STATES,
        kind=kind,
        chunk=VALIDATION_CHUNKS,
        allow_missing=True,
    )


def objectives_displaced(side):
    """The objectives of the ensembles on one side of each displaced parameter."""
    return expand(
        "<results>/check_gradient/displaced_{side}_{parameter}/objective.csv",
        side=side,
        parameter=DISPLACEMENTS,
    )


def displacement(wildcards):
    """By how much each parameter is displaced in a stage displaced_<side>_<parameter>."""
    _, side, parameter = wildcards.stage.split("_")
    amount = DISPLACEMENTS[parameter]
    return {parameter: amount if side == "above" else -amount}


def download(key):
    """An entry of the configuration for the file a job downloads."""

    def value(wildcards):
        return getattr(DOWNLOADS[f"resources/{wildcards.file}"], key)

    return value
