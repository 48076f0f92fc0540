"""The gradient of each observable against independent ensembles."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import CheckTotalDerivative
from dynrefine.files.arrays import required
from dynrefine.files.chunks import read_by_state
from dynrefine.files.gradients import load_gradient
from dynrefine.files.history import Entry
from dynrefine.files.models import Model
from dynrefine.files.tables import write_table
from dynrefine.refinement.history import named_derivatives
from dynrefine.refinement.total_derivative import compare_with_ensembles
from dynrefine.refinement.total_gradient import gather_gradient, parameter_scales
from dynrefine.steps.loading import load_potential


def check_total_derivative(job: Job, settings: CheckTotalDerivative) -> None:
    """Compare the gradients of the first iteration with how the losses change between displaced potentials."""
    potential = load_potential(job, settings)
    files = np.split(np.asarray(job.inputs.gradients), len(settings.observables))
    tables = [[pd.read_csv(path) for path in side] for side in (job.inputs.above, job.inputs.below)]
    rows = []
    for observable, paths in zip(settings.observables, files, strict=True):
        derivatives = {entry.quantity: entry for entry in _derivatives(potential, settings, paths)}
        for (parameter, displacement), *sides in zip(settings.displacements.items(), *tables, strict=True):
            own = [table[table.term == observable] for table in sides]
            found = compare_with_ensembles(derivatives[parameter], displacement, *own)
            rows.append({"observable": observable, **found})
    write_table(job.outputs.table, pd.DataFrame(rows))


def _derivatives(potential: Model, settings: CheckTotalDerivative, paths: Iterable[str]) -> list[Entry]:
    """Derivatives of an observable's losses with respect to named parameters, from the gradients of its chunks."""
    scales = parameter_scales(potential, settings.optimiser)
    gradient = gather_gradient(
        [
            [required(chunk)[0] for chunk in of_state]
            for of_state in read_by_state(load_gradient, paths, settings.states).values()
        ],
        np.zeros_like(scales),
        scales,
        settings.optimiser.outlier_limit,
    )
    return named_derivatives(potential, gradient, settings.potential.parameters)
