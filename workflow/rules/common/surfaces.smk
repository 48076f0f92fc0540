# The potential and the surfaces beside it: which are trained, on what, and where they are before the refinement.

# All of them are for the teacher; the student's leave out those that are refined with its potential.
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
# Surfaces are trained on ab initio frames unless their parameters come from the settings or from a file.
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


def surface_files(surfaces):
    """The files of surfaces before the refinement."""
    return [
        f"<results>/{'pretraining' if SURFACES[name].is_trained else 'from_files'}/{name}.npz"
        for name in surfaces
    ]


SURFACE_FILES = surface_files(OTHER_SURFACES)
ALL_SURFACE_FILES = surface_files(ALL_SURFACES)
