# The training of surfaces, and what is done with the labels of those that are refined.


def of_surfaces(file):
    """A file of the training of each surface."""
    return expand("<results>/pretraining/{surface}_{file}", surface=TRAINED, file=file)


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
    """A hash of the code that makes such a surface."""
    surface = untrained(wildcards)["surface"]
    return code("initial_potential", [path_of("surfaces", surface["kind"])])


def trained(wildcards):
    """The settings of a surface and of its training, and what it is fitted to."""
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


def surface_settings(wildcards):
    """The settings for measuring a surface that is refined with the potential."""
    name = wildcards.surface
    return settings_of(
        "measure_surface",
        surface=name,
        task=campaign.task_of(name),
        refined=campaign.optimiser.surfaces[name],
    )


def beginning_of_surface(wildcards):
    """The file that a refined surface starts from, if it is held at its first predictions."""
    held_at = campaign.optimiser.surfaces[wildcards.surface].held_at
    return FIRST_POTENTIAL if held_at == "beginning" else []


def surface_code(wildcards):
    """A hash of the code that measures it."""
    task = path_of("training", campaign.task_of(wildcards.surface))
    return code("measure_surface", [*POTENTIAL_CODE, task])
