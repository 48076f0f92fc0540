"""The gradient against independent ensembles."""

import pandas as pd

from dynrefine.campaign.job import Job
from dynrefine.config.steps import CheckTotalDerivative
from dynrefine.files.history import load_history
from dynrefine.files.tables import write_table
from dynrefine.refinement.total_derivative import compare_with_ensembles


def check_total_derivative(job: Job, settings: CheckTotalDerivative) -> None:
    """Compare the gradient of the first iteration with the change of the objective between displaced potentials."""
    first = load_history(job.inputs.history).at(0)
    displaced = zip(settings.displacements.items(), job.inputs.above, job.inputs.below, strict=True)
    rows = [
        compare_with_ensembles(first, parameter, displacement, pd.read_csv(above), pd.read_csv(below))
        for (parameter, displacement), above, below in displaced
    ]
    write_table(job.outputs.table, pd.DataFrame(rows))
