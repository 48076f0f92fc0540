from pathlib import Path

from dynrefine.campaign.provenance import source_hash
from dynrefine.campaign.seeds import derived_seed
from dynrefine.config.steps import parameters_of
from dynrefine.datasets.deepmd import files_of
from dynrefine.registry import path_of

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
FIRST_STATE = next(iter(STATES.values()))
STAGES = ["initial", "refined"]
DISPLACEMENTS = campaign.gradient.check.total_derivative
OBSERVABLES = campaign.objective.observables.chosen()
FRAME_FILES = campaign.dataset.files if campaign.dataset else []
DOWNLOADS = {file.path: file for file in FRAME_FILES if file.url is not None}
TARGET_FILES = [
    settings.target_file for settings in OBSERVABLES.values() if settings.target_file
]


def of_observables(kind):
    """What the fitted properties need: quantities "along" trajectories or "at_start", or "surfaces"."""
    return sorted(
        {name for settings in OBSERVABLES.values() for name in getattr(settings, kind)}
    )


def with_dataset(path):
    """A file that only campaigns with ab initio frames have."""
    return path if campaign.dataset else []


ALONG, AT_START = of_observables("along"), of_observables("at_start")
VALIDATED_ALONG = sorted(
    {*ALONG, *(["velocities"] if campaign.validation.diffusion else [])}
)
# The potential apart, which is trained in some campaigns only, all surfaces are trained on ab initio frames.
OTHER_SURFACES = {name: getattr(campaign, name) for name in of_observables("surfaces")}
TRAINED = [*(["potential"] if campaign.potential.trained else []), *OTHER_SURFACES]
FIRST_POTENTIAL = (
    "<results>/pretraining/potential.npz"
    if campaign.potential.trained
    else "<results>/initial_potential.npz"
)
SURFACE_FILES = [f"<results>/pretraining/{name}.npz" for name in OTHER_SURFACES]
TRAINING_FRAMES = with_dataset("<results>/dataset/train.extxyz")
FORCE_METRIC = (
    "<results>/pretraining/force_metric.npz"
    if campaign.optimiser.name == "natural"
    else []
)
HORIZON = (
    "<results>/gradient_horizon/horizon.csv"
    if campaign.gradient.depth == "auto"
    else []
)
TOTAL_DERIVATIVE = (
    "<results>/check_gradient/total_derivative.csv" if DISPLACEMENTS else []
)

# The modules that are loaded by name; what runs them depends on these.
POTENTIAL_CODE = [path_of("surfaces", campaign.potential.kind)]
SURFACE_CODE = [path_of("surfaces", each.kind) for each in OTHER_SURFACES.values()]
QUANTITY_CODE = [path_of("quantities", name) for name in {*VALIDATED_ALONG, *AT_START}]
PROPERTY_CODE = [path_of("properties", name) for name in OBSERVABLES]
DYNAMICS_CODE = [*POTENTIAL_CODE, *SURFACE_CODE, *QUANTITY_CODE]
EVERYTHING_CODE = [*DYNAMICS_CODE, *PROPERTY_CODE]


def code(step, plug_ins=()):
    """A hash of what a step computes; comments, docstrings and the wording of errors do not count."""
    return source_hash(f"dynrefine.steps.{step}", plug_ins)


def settings_of(step, of=campaign, **others):
    """What a step depends on, as the params of its rule: a change of anything else runs nothing again."""
    return parameters_of(step, of, **others)


def settings_of_state(step, of=campaign, **others):
    """The same for each state, from the wildcards."""

    def of_job(wildcards):
        return parameters_of(step, of, state=STATES[wildcards.state], **others)

    return of_job


def seed(*labels):
    """The seed of a rule that runs once."""
    return derived_seed(campaign.campaign.seed, *labels)


def chunk_seed(purpose):
    """The seed of each chunk of a rule, from its wildcards."""

    def seed_of_chunk(wildcards):
        return derived_seed(campaign.campaign.seed, purpose, *wildcards)

    return seed_of_chunk


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


def of_surfaces(file):
    """A file of the training of each surface."""
    return expand("<results>/pretraining/{surface}_{file}", surface=TRAINED, file=file)


def objectives_displaced(side):
    """The objectives of the ensembles on one side of each displaced parameter."""
    return expand(
        "<results>/check_gradient/displaced_{side}_{parameter}/objective.csv",
        side=side,
        parameter=DISPLACEMENTS,
    )


def displacement(wildcards):
    """The settings of a stage displaced_<side>_<parameter>."""
    _, side, parameter = wildcards.stage.split("_", 2)
    amount = DISPLACEMENTS[parameter]
    displaced = {parameter: amount if side == "above" else -amount}
    return settings_of("displace_potential", displacement=displaced)


def download(wildcards):
    """The settings of the download of a file."""
    file = DOWNLOADS[f"resources/{wildcards.file}"]
    return settings_of("download_frames", url=file.url, sha256=file.sha256)


def training(wildcards):
    """The settings of the training of a surface."""
    name = "training"
    if wildcards.surface != "potential":
        name = f"{wildcards.surface}_training"
    return settings_of(
        "train_surface",
        surface=getattr(campaign, wildcards.surface),
        training=getattr(campaign, name),
    )


def training_seed(wildcards):
    """The seed of the training of a surface."""
    return seed(f"train_{wildcards.surface}")


def training_code(wildcards):
    """A hash of what the training of a surface computes."""
    kind = getattr(campaign, wildcards.surface).kind
    plug_ins = [path_of("training", wildcards.surface), path_of("surfaces", kind)]
    return code("train_surface", plug_ins)
