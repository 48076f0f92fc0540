# Hashes of what the rules compute, among their params.

import json
import os

from dynrefine.campaign.provenance import source_hash
from dynrefine.registry import path_of

HASHES = "DYNREFINE_CODE_HASHES"
# Modules that are loaded by name. The rules that run them depend on these as well.
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

    Each job parses these rules again and takes the hashes from the process that started it.
    """
    known = json.loads(os.environ.get(HASHES, "{}"))
    key = " ".join([workflow.basedir, step, *sorted(plug_ins)])
    if key not in known:
        known[key] = source_hash(f"dynrefine.steps.{step}", plug_ins)
        os.environ[HASHES] = json.dumps(known)
    return known[key]
