import json
import os
import re
from pathlib import Path

from dynrefine.campaign.provenance import source_hash
from dynrefine.campaign.seeds import derived_seed
from dynrefine.config.steps import parameters_of
from dynrefine.datasets.deepmd import files_of
from dynrefine.registry import path_of

HASHES = "DYNREFINE_CODE_HASHES"
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
# The campaign as it is simulated: its potential joined to the surfaces that are refined with it.
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
        *(path for settings in properties.values() for path in settings.target_files),
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
    """A regular expression of the names of these files in resources, or of nothing."""
    names = [re.escape(path.removeprefix("resources/")) for path in paths]
    return "|".join(names) or "(?!)"


def with_dataset(path):
    """A file that only campaigns with ab initio frames have."""
    return path if campaign.dataset else []


ALONG, AT_START = needed("along", OBSERVABLES), needed("at_start", OBSERVABLES)
VALIDATED_ALONG, VALIDATED_AT_START = (
    needed(kind, ALL_PROPERTIES) for kind in ("along", "at_start")
)
# Those of the teacher; the others are beside what is refined.
SURFACES = {
    name: trained.surface
    for name, trained in campaign.surfaces_beside(ALL_PROPERTIES).items()
}
OTHER_SURFACES, ALL_SURFACES = (
    {
        name: SURFACES[name]
        for name in campaign.surfaces_beside(properties)
        if name not in REFINED
    }
    for properties in (OBSERVABLES, ALL_PROPERTIES)
)
# Surfaces are trained on ab initio frames but those that have their parameters from the settings or from a file.
TRAINED = [
    name
    for name, surface in {
        "potential": campaign.potential,
        **({"teacher": TEACHER.potential} if campaign.teacher else {}),
        **SURFACES,
    }.items()
    if surface.is_trained
]
OWN_DATASETS = {
    name: entry.dataset
    for name, entry in campaign.trained_surfaces().items()
    if entry.dataset
}
if campaign.teacher and campaign.teacher.dataset:
    OWN_DATASETS["teacher"] = campaign.teacher.dataset
POTENTIAL_ALONE = (
    "<results>/pretraining/potential.npz"
    if campaign.potential.is_trained
    else "<results>/initial_potential.npz"
)
FIRST_POTENTIAL = (
    "<results>/pretraining/joined_potential.npz" if REFINED else POTENTIAL_ALONE
)
TEACHER_POTENTIAL = (
    "<results>/pretraining/teacher.npz"
    if TEACHER.potential.is_trained
    else "<results>/teacher_potential.npz"
)


def files_of(surfaces):
    """The files of surfaces before the refinement."""
    return [
        f"<results>/{'pretraining' if SURFACES[name].is_trained else 'from_files'}/{name}.npz"
        for name in surfaces
    ]


SURFACE_FILES, ALL_SURFACE_FILES = files_of(OTHER_SURFACES), files_of(ALL_SURFACES)
TRAINING_FRAMES = with_dataset("<results>/dataset/train.extxyz")
METRIC = "<results>/pretraining/force_metric.npz"
FORCE_METRIC = METRIC if campaign.optimiser.name == "natural" else []
HORIZON = (
    "<results>/gradient_horizon/horizon.csv"
    if campaign.gradient.depth == "auto"
    else []
)
# What the data determine of parameters that have names, or else of potentials drawn around the refined one.
NAMED = bool(campaign.potential.parameters)
COVARIANCE, SENSITIVITIES, LEFT_OPEN = (
    (
        f"<results>/validation/refined/{name}.csv"
        if campaign.validation.covariance and named == NAMED
        else []
    )
    for name, named in {
        "covariance": True,
        "sensitivities": True,
        "left_open": False,
    }.items()
)
PATH_INTEGRALS = (
    [
        "<results>/path_integrals/refined/properties.csv",
        "<results>/path_integrals/refined/curves.npz",
        "<results>/path_integrals/refined/energies.csv",
    ]
    if campaign.validation.path_integrals
    else []
)
TOTAL_DERIVATIVE = (
    "<results>/check_gradient/total_derivative.csv" if DISPLACEMENTS else []
)

# The modules that are loaded by name; what runs them depends on these.
SAMPLER_CODE = [path_of("sampling", campaign.ensemble.kind)]
POTENTIAL_CODE = [
    path_of("surfaces", kind)
    for kind in [
        campaign.potential.kind,
        *(each.surface.kind for each in REFINED.values()),
    ]
]
TEACHER_CODE = [path_of("surfaces", TEACHER.potential.kind)]
PROPERTY_CODE, ALL_PROPERTY_CODE = (
    [
        path_of("properties", settings.kind or name)
        for name, settings in properties.items()
    ]
    for properties in (OBSERVABLES, ALL_PROPERTIES)
)
SURFACE_CODE, ALL_SURFACE_CODE = (
    [path_of("surfaces", surface.kind) for surface in surfaces.values()]
    for surfaces in (OTHER_SURFACES, SURFACES)
)
DYNAMICS_CODE, VALIDATION_CODE = (
    [*surfaces, *(path_of("quantities", name) for name in quantities)]
    for surfaces, quantities in (
        ([*POTENTIAL_CODE, *SURFACE_CODE], [*ALONG, *AT_START]),
        (ALL_SURFACE_CODE, [*VALIDATED_ALONG, *VALIDATED_AT_START]),
    )
)
TASK_CODE = [path_of("training", campaign.task_of(name)) for name in REFINED]
EVERYTHING_CODE = [*DYNAMICS_CODE, *PROPERTY_CODE]


def code(step, plug_ins=()):
    """A hash of what a step computes; comments, docstrings and the wording of errors do not count.

    Each job reads these rules again: it has the hashes from the process that started it.
    """
    known = json.loads(os.environ.get(HASHES, "{}"))
    key = " ".join([workflow.basedir, step, *sorted(plug_ins)])
    if key not in known:
        known[key] = source_hash(f"dynrefine.steps.{step}", plug_ins)
        os.environ[HASHES] = json.dumps(known)
    return known[key]


def settings_of(step, of=STUDENT, **others):
    """What a step depends on, as the params of its rule: a change of anything else runs nothing again."""
    return parameters_of(step, of, **others)


def settings_of_state(step, of=STUDENT, **others):
    """The same for each state, from the wildcards."""

    def of_job(wildcards):
        return parameters_of(step, of, state=ALL_STATES[wildcards.state], **others)

    return of_job


def settings_of_stage(step, **others):
    """The same for each stage of the validation: of the student, or of the teacher; functions are of wildcards."""

    def of_job(wildcards):
        state = wildcards.get("state")
        own = (
            {"state": ALL_STATES[state]} if state else {"states": states_of(wildcards)}
        )
        own |= {
            name: value(wildcards) if callable(value) else value
            for name, value in others.items()
        }
        simulated = TEACHER if wildcards.stage == "teacher" else STUDENT
        return parameters_of(step, simulated.of_validation(), **own)

    return of_job


def surfaces_of_stage(wildcards):
    """The surfaces of a stage of the validation beside its potential, by name."""
    return SURFACES if wildcards.stage == "teacher" else ALL_SURFACES


def surface_files_of_stage(wildcards):
    """Their files."""
    return files_of(surfaces_of_stage(wildcards))


def tasks_of_stage(wildcards):
    """What the surfaces are fitted to that are refined with the potential of a stage, by name."""
    if wildcards.stage == "teacher":
        return {}
    return {name: campaign.task_of(name) for name in REFINED}


def test_frames_of_stage(wildcards):
    """The test frames of these surfaces."""
    return [frames_of_part("test", name) for name in tasks_of_stage(wildcards)]


def states_of(wildcards):
    """The states of a stage of the validation; the teacher is simulated wherever a target may be asked for."""
    return ALL_STATES if wildcards.stage == "teacher" else JUDGED_STATES


def code_of_stage(step, plug_ins):
    """A hash of what a step computes, with the potential of a stage of the validation."""

    def of_job(wildcards):
        potential = TEACHER_CODE if wildcards.stage == "teacher" else POTENTIAL_CODE
        return code(step, [*potential, *plug_ins])

    return of_job


def ensembles_of_stage(wildcards):
    """The starting points of a stage of the validation."""
    return chunks_of_stage("ensemble", states_of(wildcards))


def trajectories_of_stage(wildcards):
    """The trajectories of a stage of the validation."""
    return chunks_of_stage("trajectories", states_of(wildcards))


def targets_of_stage(wildcards):
    """The measured properties, and the synthetic ones but of the teacher that makes them."""
    if wildcards.stage != "teacher":
        return ALL_TARGET_FILES
    made = campaign.synthetic_targets.values()
    return [path for path in ALL_TARGET_FILES if path not in made]


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
    if wildcards.get("stage") == "teacher":
        return TEACHER_POTENTIAL
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


def chunks_of_stage(kind, states):
    """The files of this kind of these states, all chunks, of a stage of the validation."""
    return expand(
        "<results>/validation/{stage}/{state}/{kind}_{chunk}.npz",
        state=states,
        kind=kind,
        chunk=VALIDATION_CHUNKS,
        allow_missing=True,
    )


def of_surfaces(file):
    """A file of the training of each surface."""
    return expand("<results>/pretraining/{surface}_{file}", surface=TRAINED, file=file)


def settings_of_observable(wildcards):
    """The settings of the gradient of one observable alone."""
    return settings_of_state(
        "adjoint_gradient", surfaces=OTHER_SURFACES, observable=wildcards.observable
    )(wildcards)


def gradients_of_observables():
    """The gradients of each observable alone in the first iteration: of a single one, those of the iteration."""
    return expand(
        (
            "<results>/refinement/000/{state}/gradient_{chunk}.npz"
            if len(OBSERVABLES) == 1
            else "<results>/check_gradient/{observable}/{state}/gradient_{chunk}.npz"
        ),
        observable=OBSERVABLES,
        state=STATES,
        chunk=CHUNKS,
    )


def objectives_displaced(side):
    """The objectives of the ensembles on one side of each displaced parameter."""
    return expand(
        "<results>/check_gradient/displaced_{side}_{parameter}/objective.csv",
        side=side,
        parameter=DISPLACEMENTS,
    )


def displacement(wildcards):
    """The settings of the displacement of a stage."""
    return settings_of("displace_potential", displacement=DISPLACED[wildcards.stage])


def download(wildcards):
    """The settings of the download of a file."""
    file = DOWNLOADS[f"resources/{wildcards.file}"]
    return settings_of("download_frames", url=file.url, sha256=file.sha256)


def frames_of(dataset):
    """The files of the frames of a data set; those to be downloaded are made by a rule."""
    return [file.path for file in dataset.files] if dataset else []


def contents_of(dataset):
    """What is read of the folders that are not downloaded: their own times do not change when files in them do."""
    given = [path for path in frames_of(dataset) if path not in DOWNLOADED_FOLDERS]
    folders = [Path(path) for path in given if Path(path).is_dir()]
    return [str(path) for folder in folders for path in files_of(folder)]


def own_dataset(wildcards):
    """The data set that a surface has for itself."""
    return OWN_DATASETS.get(wildcards.surface)


def frames_of_surface(wildcards):
    """The files of the frames of a surface's own data set."""
    return frames_of(own_dataset(wildcards))


def contents_of_surface(wildcards):
    """What is read of the folders of a surface's own data set."""
    return contents_of(own_dataset(wildcards))


def own_dataset_settings(wildcards):
    """The settings of the preparation of a surface's own data set; its training tells which labels it lacks."""
    return settings_of("prepare_dataset", dataset=own_dataset(wildcards), needed=[])


def own_dataset_seed(wildcards):
    """The seed of the preparation of a surface's own data set."""
    return seed("prepare_own_dataset", wildcards.surface)


def frames_of_part(part, surface):
    """The frames of a part of the data set that a surface is trained on."""
    folder = f"dataset_{surface}" if surface in OWN_DATASETS else "dataset"
    return f"<results>/{folder}/{part}.extxyz"


def part_for_training(part):
    """The same of the surface of a job."""

    def path(wildcards):
        return frames_of_part(part, wildcards.surface)

    return path


def labels_of_surface(step, **others):
    """The settings of what is done with the labels of a surface that is refined with the potential."""

    def of_job(wildcards):
        name = wildcards.surface
        own = {"surface": name, "task": campaign.task_of(name)}
        own |= {key: value[name] for key, value in others.items()}
        return settings_of(step, **own)

    return of_job


def surface_metric_seed(wildcards):
    """The seed of the metric of a surface's steps."""
    return seed("measure_surface_metric", wildcards.surface)


def code_of_labels(step):
    """A hash of what is computed with them."""

    def of_job(wildcards):
        task = path_of("training", campaign.task_of(wildcards.surface))
        return code(step, [*POTENTIAL_CODE, task])

    return of_job


def untrained(wildcards):
    """The settings of a surface that needs no training, and its name."""
    name = wildcards.get("surface", "potential")
    surface = campaign.potential if name == "potential" else SURFACES[name]
    return settings_of("initial_potential", surface=surface, name=name)


def file_of_surface(wildcards):
    """The file that the parameters of such a surface are taken from, if any."""
    key = campaign.surfaces_from_files().get(wildcards.get("surface", "potential"))
    return key[1].file.path if key else []


def code_of_surface(wildcards):
    """A hash of what makes such a surface."""
    surface = untrained(wildcards)["surface"]
    return code("initial_potential", [path_of("surfaces", surface["kind"])])


def trained(wildcards):
    """Settings of a surface, of its training, and what it is fitted to."""
    name = wildcards.surface
    if name == "potential":
        return campaign.potential, campaign.training, name
    if name == "teacher":
        return TEACHER.potential, TEACHER.training, "potential"
    entry = campaign.trained_surfaces()[name]
    return entry.surface, entry.training, campaign.task_of(name)


def training(wildcards):
    """The settings of the training of a surface."""
    surface, settings, task = trained(wildcards)
    return settings_of("train_surface", surface=surface, training=settings, task=task)


def training_seed(wildcards):
    """The seed of the training of a surface."""
    return seed(f"train_{wildcards.surface}")


def training_code(wildcards):
    """A hash of what the training of a surface computes."""
    surface, _, task = trained(wildcards)
    plug_ins = [path_of("training", task), path_of("surfaces", surface.kind)]
    return code("train_surface", plug_ins)
