# Files of the iterations of the refinement.


def before(iteration):
    """The iteration before this one."""
    return f"{int(iteration) - 1:03d}"


def potential_at(iteration):
    """The potential an iteration starts from."""
    if int(iteration) == 0:
        return FIRST_POTENTIAL
    return f"<results>/refinement/{before(iteration)}/updated_potential.npz"


REFINED_POTENTIAL = (
    "<results>/refinement/averaged_potential.npz"
    if campaign.optimiser.averaged > 1
    else potential_at(len(ITERATIONS))
)


def potential_of(wildcards):
    """The potential of a job: that of its iteration or of its stage."""
    if wildcards.get("stage") == "initial":
        return potential_at(0)
    if wildcards.get("stage") == "refined":
        return REFINED_POTENTIAL
    if wildcards.get("stage") == "teacher":
        return TEACHER_POTENTIAL
    if wildcards.get("stage"):
        return f"<results>/check_gradient/{wildcards.stage}/potential.npz"
    return potential_at(wildcards.iteration)


def start_of_ensemble(wildcards):
    """Where the chains of a chunk start: in the data set, if any, and later where the previous iteration ended."""
    if int(wildcards.iteration) == 0:
        return TRAINING_FRAMES
    return f"<results>/refinement/{before(wildcards.iteration)}/{wildcards.state}/ensemble_{wildcards.chunk}.npz"


def former_ensembles(wildcards):
    """All chunks of the state from the previous iteration, if they may be reused."""
    if campaign.ensemble.reuse == 1.0 or int(wildcards.iteration) == 0:
        return []
    folder = f"<results>/refinement/{before(wildcards.iteration)}/{wildcards.state}"
    return [f"{folder}/ensemble_{chunk}.npz" for chunk in CHUNKS]


def former_potentials(wildcards):
    """The potentials of all previous iterations, if their samples may be reused."""
    if campaign.ensemble.reuse == 1.0:
        return []
    return [potential_at(iteration) for iteration in range(int(wildcards.iteration))]


def of_iteration_before(name):
    """A file of the previous iteration; none in the first."""

    def path(wildcards):
        if int(wildcards.iteration) == 0:
            return []
        return f"<results>/refinement/{before(wildcards.iteration)}/{name}"

    return path


def chunks_of_iteration(kind):
    """The files of one kind for all states and chunks of an iteration."""
    return expand(
        "<results>/refinement/{iteration}/{state}/{kind}_{chunk}.npz",
        state=STATES,
        kind=kind,
        chunk=CHUNKS,
        allow_missing=True,
    )
