# The stages of the validation: what is simulated with the initial, the refined and the teacher's potential.


def settings_of_stage(step, **others):
    """What a step of the validation depends on, for the student or the teacher; functions get the wildcards."""

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
    """The files of these surfaces."""
    return surface_files(surfaces_of_stage(wildcards))


def tasks_of_stage(wildcards):
    """What the surfaces refined with the potential of a stage are fitted to, by name."""
    if wildcards.stage == "teacher":
        return {}
    return {name: campaign.task_of(name) for name in REFINED}


def test_frames_of_stage(wildcards):
    """The test frames of these surfaces."""
    return [frames_of_part("test", name) for name in tasks_of_stage(wildcards)]


def states_of(wildcards):
    """The states of a stage of the validation; the teacher is simulated at every state that may need a target."""
    return ALL_STATES if wildcards.stage == "teacher" else JUDGED_STATES


def code_of_stage(step, plug_ins):
    """A hash of what a step computes, with the potential of a stage of the validation."""

    def of_job(wildcards):
        potential = TEACHER_CODE if wildcards.stage == "teacher" else POTENTIAL_CODE
        return code(step, [*potential, *plug_ins])

    return of_job


def chunks_of_stage(kind, states):
    """The files of one kind for all chunks of these states in a stage of the validation."""
    return expand(
        "<results>/validation/{stage}/{state}/{kind}_{chunk}.npz",
        state=states,
        kind=kind,
        chunk=VALIDATION_CHUNKS,
        allow_missing=True,
    )


def ensembles_of_stage(wildcards):
    """The starting points of a stage of the validation."""
    return chunks_of_stage("ensemble", states_of(wildcards))


def trajectories_of_stage(wildcards):
    """The trajectories of a stage of the validation."""
    return chunks_of_stage("trajectories", states_of(wildcards))


def targets_of_stage(wildcards):
    """The files of the measured properties, and of the synthetic ones except for the teacher, which makes them."""
    if wildcards.stage != "teacher":
        return ALL_TARGET_FILES
    made = campaign.synthetic_targets.values()
    return [path for path in ALL_TARGET_FILES if path not in made]
